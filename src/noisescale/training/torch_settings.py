"""Settings of torch that results depend on: threads, precision of products, denormal numbers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


def prepare_torch(threads: int, precision: str = "float32") -> None:
    """Set what torch computes with in this process.

    Denormal numbers become zero: velocities that decay towards zero would otherwise spend most of
    the time as such.

    Parameters
    ----------
    threads
        Threads of the CPU. With one, a run's result does not depend on its stack.
    precision
        Of a GPU's matrix products: ``float32`` or ``tf32``.
    """
    torch.set_num_threads(threads)
    torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
    torch.set_flush_denormal(True)


@contextmanager
def torch_settings(threads: int, precision: str = "float32") -> Iterator[None]:
    """Within the block, compute with the settings of `prepare_torch`; restore them after it."""
    threads_before = torch.get_num_threads()
    tf32_before = torch.backends.cuda.matmul.allow_tf32
    flush_before = _flushes_denormals()
    prepare_torch(threads, precision)
    try:
        yield
    finally:
        torch.set_num_threads(threads_before)
        torch.backends.cuda.matmul.allow_tf32 = tf32_before
        torch.set_flush_denormal(flush_before)


def _flushes_denormals() -> bool:
    """Return whether denormal results become zero, which torch does not tell."""
    smallest_normal = torch.tensor(torch.finfo(torch.float32).tiny)
    return (smallest_normal / 2).item() == 0
