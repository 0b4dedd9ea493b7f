"""Limits of the machine: rate of matrix products and memory bandwidth."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from benchmarks.case import Case


@dataclass(frozen=True)
class Limits:
    """Floating-point operations and bytes per second of one core, or of a GPU."""

    flops: float
    bandwidth: float

    def seconds(self, case: Case) -> float:
        """Return the minimum time of an update of all networks with the usual operations."""
        return case.stack * max(case.flops / self.flops, case.bytes / self.bandwidth)


def measure(cases: list[Case], device: str, seconds: float = 0.2) -> Limits:
    """Measure the fastest product at the cases' shapes, and a copy of their weights."""
    shapes = {(c.batch_size, c.sizes[0] + 1, c.sizes[1], c.stack) for c in cases}
    flops = max(_product_rate(*shape, device, seconds) for shape in shapes)
    weights = max(case.stack * case.bytes for case in cases)
    a = torch.ones(int(weights / 8), device=device)
    b = torch.empty_like(a)
    return Limits(flops, 2 * a.nbytes / best(lambda: b.copy_(a), device, seconds))


def _product_rate(
    batch_size: int, inputs: int, outputs: int, stack: int, device: str, seconds: float
) -> float:
    """Return operations per second of the first layer's products, forward or backward."""
    x = torch.rand(stack, batch_size, inputs, device=device)
    w = torch.rand(stack, inputs, outputs, device=device)
    d = torch.rand(stack, batch_size, outputs, device=device)
    y, g = torch.empty_like(d), torch.empty_like(w)
    forward = best(lambda: torch.bmm(x, w, out=y), device, seconds / 2)
    back = best(lambda: torch.bmm(x.mT, d, out=g), device, seconds / 2)
    return 2 * stack * batch_size * inputs * outputs / min(forward, back)


def best(work: Callable[[], object], device: str, seconds: float) -> float:
    """Repeat some work for ``seconds``; return its minimum time."""
    work()
    least, end = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < end:
        started = time.perf_counter()
        work()
        if device == "cuda":
            torch.cuda.synchronize()
        least = min(least, time.perf_counter() - started)
    return least
