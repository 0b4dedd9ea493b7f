"""Settings of torch that results depend on: threads, precision of products, denormal numbers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


def prepare_torch(threads: int, precision: str = "float32") -> None:
    """Set threads, precision and the flushing of denormals in this process.

    Denormals are flushed to zero, because decaying velocities become denormal, and arithmetic with
    denormals is slow.

    Parameters
    ----------
    threads
        CPU threads. With one, a run's result does not depend on the other runs of its stack.
    precision
        Precision of matrix products on a GPU: ``float32`` or ``tf32``.
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
    """Return whether denormals are flushed to zero; torch has no getter for it."""
    smallest_normal = torch.tensor(torch.finfo(torch.float32).tiny)
    return (smallest_normal / 2).item() == 0
