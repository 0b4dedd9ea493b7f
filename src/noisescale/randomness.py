"""Keyed randomness: every random choice is a function of (seed, purpose, …), never of a stream.

Runs that share a seed share the subset of training examples, the label noise, the initial
weights and the shuffling, whatever their learning rate, batch size or momentum (common random
numbers): differences between settings are paired. What a run draws depends neither on the runs it
is trained beside nor on the device.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import torch

# The purposes that a seed is used for; the numbers are part of every result.
SUBSET, NOISE, INITIALISATION = range(3)


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


def noisy_labels(seed: int, labels: np.ndarray, label_noise: float, n_classes: int) -> np.ndarray:
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
    draw = generator(seed, NOISE)
    replaced = draw.random(len(labels)) < label_noise
    return np.where(replaced, draw.integers(n_classes, size=len(labels)), labels)


def initial_weights(seed: int, sizes: Sequence[int]) -> list[np.ndarray]:
    """Return He-initialised layers, with zero biases in each one's last row.

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


def permutations(seeds: torch.Tensor, epoch: int | torch.Tensor, size: int) -> torch.Tensor:
    """Return each seed's order of the training set in an epoch.

    The order sorts 64-bit hashes of (seed, epoch, position) made by integer arithmetic alone, so
    that CPU and GPU give the same bits.

    Parameters
    ----------
    seeds : Tensor of int64, shape (n_seeds,)
        The device of `seeds` is the device of the result.
    epoch : int, or Tensor of int64 of the shape of `seeds`
        Counted from 0; one for all seeds, or one for each.
    size
        Number of examples.

    Returns
    -------
    Tensor of int64, shape (n_seeds, size)
    """
    key = _mix(_mix(seeds + 1) + epoch)
    positions = torch.arange(size, device=seeds.device)
    hashes = _mix(key[:, None] + _GOLDEN * (positions + 1))
    # No two are equal, as `_mix` is one to one: every way to sort gives the same order. NumPy's
    # takes a quarter of the time of torch's on a CPU with AVX-512.
    if hashes.is_cpu:
        return torch.from_numpy(np.argsort(hashes.numpy(), axis=1))
    return hashes.argsort(dim=1)


# SplitMix64 (Steele, Lea & Flood 2014), its unsigned constants written as signed integers:
# torch's 64-bit integers are signed and wrap around.
_GOLDEN = 0x9E3779B97F4A7C15 - (1 << 64)
_MULTIPLIER_1 = 0xBF58476D1CE4E5B9 - (1 << 64)
_MULTIPLIER_2 = 0x94D049BB133111EB - (1 << 64)


def _mix(x: torch.Tensor) -> torch.Tensor:
    x = (x ^ _shift(x, 30)) * _MULTIPLIER_1
    x = (x ^ _shift(x, 27)) * _MULTIPLIER_2
    return x ^ _shift(x, 31)


def _shift(x: torch.Tensor, bits: int) -> torch.Tensor:
    """Logical right shift: the arithmetic one fills with the sign bit, which is masked away."""
    return (x >> bits) & ((1 << (64 - bits)) - 1)
