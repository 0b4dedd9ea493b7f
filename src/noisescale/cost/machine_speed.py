"""The speed of this machine, relative to the reference machine."""

from __future__ import annotations

import time
from functools import cache

REFERENCE_SECONDS = 1.00e-4
"""Time of one update of `machine_speed` on the reference machine, `noisescale.models.work`."""


def speed(gpu: bool) -> float:
    """Return the speed of this machine relative to `REFERENCE`; 1 for a GPU, not measured."""
    return 1.0 if gpu else machine_speed()


@cache
def machine_speed() -> float:
    """Return the speed of one core of this machine, relative to the reference.

    It is measured within a few hundredths of a second by updates of a layer in NumPy, a mix of
    matrix products and memory accesses similar to training.
    """
    import numpy as np
    from threadpoolctl import threadpool_limits

    x = np.ones((32, 785), dtype=np.float32)
    a, d = (np.zeros((32, 100), dtype=np.float32) for _ in range(2))
    w, u, gradient = (np.zeros((785, 100), dtype=np.float32) for _ in range(3))
    shortest = float("inf")
    with threadpool_limits(1):
        for _ in range(200):
            started = time.perf_counter()
            np.matmul(x, w, out=a)
            np.maximum(a, 0, out=d)
            np.matmul(x.T, d, out=gradient)
            np.multiply(u, 0.9, out=u)
            np.subtract(u, gradient, out=u)
            np.add(w, u, out=w)
            shortest = min(shortest, time.perf_counter() - started)
    return REFERENCE_SECONDS / shortest
