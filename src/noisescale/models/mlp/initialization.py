"""Keyed initial weights of a multilayer perceptron."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from noisescale.data.randomness import INITIALISATION, generator


def initial_weights(seed: int, sizes: Sequence[int]) -> list[npt.NDArray[np.float32]]:
    """Return He-initialised layers, each with zero biases in its last row.

    Parameters
    ----------
    seed
        The run's seed.
    sizes
        Number of inputs, widths of the hidden layers, number of classes.

    Returns
    -------
    list of ndarray of float32, shapes (sizes[i] + 1, sizes[i + 1])
        Weights are normal with variance 2 / inputs (He et al. 2015).
    """
    draw = generator(seed, INITIALISATION)
    layers = []
    for inputs, outputs in itertools.pairwise(sizes):
        weights = draw.standard_normal((inputs, outputs)) * np.sqrt(2 / inputs)
        layers.append(np.vstack([weights, np.zeros(outputs)]).astype(np.float32))
    return layers
