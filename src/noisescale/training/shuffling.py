"""Keyed permutations that shuffle the training sets, the same bits on a CPU and on a GPU."""

from __future__ import annotations

import numpy as np
import torch


def permutations(seeds: torch.Tensor, epoch: int | torch.Tensor, size: int) -> torch.Tensor:
    """Return each seed's order of the training set in an epoch.

    The order sorts 64-bit hashes of (seed, epoch, position), which integer arithmetic computes to
    the same bits on CPU and GPU.

    Parameters
    ----------
    seeds : Tensor of int64, shape (n_seeds,)
        The device of `seeds` is the device of the result.
    epoch : int, or Tensor of int64 of the shape of `seeds`
        Counted from 0; one for all seeds or one for each.
    size
        Number of examples.

    Returns
    -------
    Tensor of int64, shape (n_seeds, size)
        Positions in the training set.
    """
    key = _mix(_mix(seeds + 1) + epoch)
    positions = torch.arange(size, device=seeds.device)
    hashes = _mix(key[:, None] + _GOLDEN * (positions + 1))
    # No two hashes are equal, because `_mix` is one-to-one: every sort gives the same order. NumPy
    # takes a quarter of the time of torch on a CPU with AVX-512.
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
    """Shift right logically: the arithmetic shift fills with the sign bit, which is masked."""
    return (x >> bits) & ((1 << (64 - bits)) - 1)
