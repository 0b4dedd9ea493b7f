"""Keyed randomness: every random choice is a function of (seed, purpose, …), never of a stream.

Runs that share a seed share the subset of training examples, the label noise, the initial
weights and the shuffling, whatever their learning rate, batch size or momentum (common random
numbers): differences between settings are paired. What a run draws depends neither on the runs it
is trained beside nor on the device.
"""

from __future__ import annotations

import numpy as np

# The purposes that a seed is used for; the numbers are part of every result.
SUBSET, NOISE, INITIALISATION = range(3)
# Part I draws other things from the same seeds.
IMAGES, TRAIN_NOISE, TEST_NOISE = range(3)


def generator(seed: int, purpose: int) -> np.random.Generator:
    """Return a random generator of its own for each (seed, purpose)."""
    return np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, purpose])))


def subset(seed: int, pool_size: int, train_size: int) -> np.ndarray:
    """Return the `train_size` examples of a pool that a seed trains on.

    Smaller training sets are subsets of larger ones of the same seed.

    Returns
    -------
    ndarray of int64, shape (train_size,)
        Indices into the pool, in the order in which the seed draws them.
    """
    return generator(seed, SUBSET).permutation(pool_size)[:train_size]


def noisy_labels(
    seed: int, labels: np.ndarray, label_noise: float, n_classes: int, purpose: int = NOISE
) -> np.ndarray:
    """Return the labels of the whole pool with a fraction replaced by uniformly random ones.

    An example's label is replaced with probability `label_noise`. The choice is nested: what is
    replaced at one fraction is replaced, by the same label, at every larger one.

    Parameters
    ----------
    seed
        The run's seed.
    labels : ndarray of int, shape (pool_size,)
        The true labels.
    label_noise
        Probability in [0, 1] that a label is drawn anew, from all classes (the true one too).
    n_classes
        Number of classes.
    """
    draw = generator(seed, purpose)
    replaced = draw.random(len(labels)) < label_noise
    return np.where(replaced, draw.integers(n_classes, size=len(labels)), labels)
