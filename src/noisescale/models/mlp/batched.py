"""Stacked matrix products, each the same to the last bit in a stack of any size.

When one of a product's dimensions is 1, as at batch size 1, linear algebra on a CPU uses one
routine for a single product and another for several: there, a stack of one network is computed as
two equal networks.
"""

from __future__ import annotations

import torch
from torch import Tensor


def bmm(a: Tensor, b: Tensor) -> Tensor:
    """Return ``torch.bmm(a, b)``, shape (S, n, m) for `a` of shape (S, n, k), `b` (S, k, m)."""
    return torch.bmm(_twin(a), _twin(b))[:1] if _is_single(a, b) else torch.bmm(a, b)


def baddbmm(c: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Return ``torch.baddbmm(c, a, b)``, which is c + a b for each of the stack."""
    return _sum(c, a, b, 1) if _is_single(a, b) else torch.baddbmm(c, a, b)


def accumulate(c: Tensor, a: Tensor, b: Tensor, beta: float = 1) -> None:
    """Set `c` in place to β c + a b for each of the stack, as ``c.baddbmm_(a, b, beta=beta)``."""
    if _is_single(a, b):
        c.copy_(_sum(c, a, b, beta))
    else:
        c.baddbmm_(a, b, beta=beta)


def _is_single(a: Tensor, b: Tensor) -> bool:
    return len(a) == 1 and a.is_cpu and 1 in (a.shape[1], a.shape[2], b.shape[2])


def _twin(x: Tensor) -> Tensor:
    return x.expand(2, -1, -1)


def _sum(c: Tensor, a: Tensor, b: Tensor, beta: float) -> Tensor:
    return torch.baddbmm(_twin(c), _twin(a), _twin(b), beta=beta)[:1]
