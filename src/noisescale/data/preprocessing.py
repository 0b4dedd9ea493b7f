"""Rescale a data set's inputs by the statistics of its training split."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from noisescale.data.dataset import Dataset

WHITENING_RANK = 1e-7
"""Directions with less than this fraction of the largest variance count as constant.

Pixels in [0, 1] of 8 bits carry a rounding noise of variance (1/255)²/12, which is about 3e-7 of
the largest variance in MNIST. Smaller components are noise, which whitening would amplify.
"""

_CHUNK = 4096

Inputs = npt.NDArray[np.float64]
"""Shape (n, D)."""


def preprocess(dataset: Dataset, kind: str) -> Dataset:
    """Return the data set with its inputs rescaled by statistics of its training split.

    Parameters
    ----------
    dataset
        The data set.
    kind
        ``raw``
            The inputs as they are.
        ``standardize``
            Every input has mean 0 and variance 1 over the training split; an input that is
            constant there becomes 0, also in the test split.
        ``whiten``
            Principal components, in the order of decreasing variance, each with mean 0 and
            variance 1 over the training split. Components with less than `WHITENING_RANK` of the
            largest variance become 0, so that the number of inputs stays D. The sign of a
            component is that which makes its largest weight positive.

    Returns
    -------
    Dataset
        With inputs of the same shape and type.

    Raises
    ------
    ValueError
        `kind` is not one of these.
    """
    if kind == "raw":
        return dataset
    X = dataset.X_train
    mean = sum(chunk.sum(axis=0) for chunk in _chunks(X)) / len(X)
    if kind == "standardize":
        variance = sum(((chunk - mean) ** 2).sum(axis=0) for chunk in _chunks(X)) / len(X)
        # Sums of equal float32 are exact in float64: a constant input has a variance of 0.
        scale = 1 / np.sqrt(np.where(variance > 0, variance, np.inf))

        def transform(chunk: Inputs) -> Inputs:
            return (chunk - mean) * scale

    elif kind == "whiten":
        covariance = sum((chunk - mean).T @ (chunk - mean) for chunk in _chunks(X)) / len(X)
        variance, directions = (a[..., ::-1] for a in np.linalg.eigh(covariance))
        largest = np.abs(directions).argmax(axis=0, keepdims=True)
        directions = directions * np.sign(np.take_along_axis(directions, largest, axis=0))
        kept = (variance > 0) & (variance > WHITENING_RANK * variance[0])
        matrix = directions / np.sqrt(np.where(kept, variance, np.inf))

        def transform(chunk: Inputs) -> Inputs:
            return (chunk - mean) @ matrix

    else:
        raise ValueError(f"preprocessing {kind!r}; expected raw, standardize or whiten")

    def apply(inputs: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        return np.concatenate([transform(c).astype(np.float32) for c in _chunks(inputs)])

    return replace(dataset, X_train=apply(X), X_test=apply(dataset.X_test))


def _chunks(X: npt.NDArray[np.float32]) -> Iterator[Inputs]:
    """Yield some rows at a time in float64, since all of them may not fit in memory."""
    for first in range(0, len(X), _CHUNK):
        yield X[first : first + _CHUNK].astype(np.float64)
