"""Keyed randomness: every random choice is a function of a seed and a purpose.

Runs with the same seed share the subset of training examples, the label noise, the initial weights
and the shuffling, whatever their learning rate, batch size or momentum (common random numbers), so
that differences between settings are paired. What a run draws depends neither on the other runs of
its stack nor on the device.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from noisescale.errors import DataError

# The purposes of the random choices in Part II; every result depends on these numbers.
SUBSET, NOISE, INITIALISATION = range(3)
# Those of Part I. The numbers are the same: no run of one part is compared with one of the other.
IMAGES, TRAIN_NOISE, TEST_NOISE = range(3)


def generator(seed: int, purpose: int) -> np.random.Generator:
    """Return the random generator of a seed and a purpose."""
    return np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, purpose])))


def subset(seed: int, pool_size: int, train_size: int) -> npt.NDArray[np.int64]:
    """Draw the training set of a seed from a pool of examples.

    The smaller of two training sets of the same seed is a subset of the larger one.

    Returns
    -------
    ndarray of int64, shape (train_size,)
        Indices into the pool, in the order in which they are drawn.

    Raises
    ------
    DataError
        The pool is smaller than the training set.
    """
    if train_size > pool_size:
        raise DataError(
            f"train_size is {train_size}: expected at most {pool_size}, the training images of "
            "the data set; make it smaller"
        )
    return generator(seed, SUBSET).permutation(pool_size)[:train_size]


def noisy_labels(
    seed: int,
    labels: npt.NDArray[np.int64],
    label_noise: float,
    n_classes: int,
    purpose: int = NOISE,
) -> npt.NDArray[np.int64]:
    """Return the labels of a pool with a random fraction replaced by uniformly random labels.

    The choice is nested: a label that is replaced at one probability is replaced, by the same
    label, at every larger one.

    Parameters
    ----------
    seed
        The run's seed.
    labels : ndarray of int, shape (pool_size,)
        The true labels.
    label_noise
        Probability in [0, 1] that a label is replaced by one drawn from all classes, including the
        true one.
    n_classes
        Number of classes.
    purpose
        Distinguishes independent choices with the same seed.

    Returns
    -------
    ndarray of int64, shape (pool_size,)
        The labels, some replaced.
    """
    draw = generator(seed, purpose)
    replaced = draw.random(len(labels)) < label_noise
    return np.where(replaced, draw.integers(n_classes, size=len(labels)), labels)
