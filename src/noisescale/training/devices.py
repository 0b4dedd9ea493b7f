"""The device that a job trains on: choice, name, settings, streams, timing, out-of-memory errors."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager, nullcontext

import torch

from noisescale.errors import NoisescaleError
from noisescale.training.gpu import gpu_permitted


class Stopwatch:
    """How long what is launched takes, on a CPU or on a GPU's present stream."""

    def __init__(self, device: torch.device) -> None:
        self._on_cpu = device.type == "cpu"
        self._marks: list[float | torch.cuda.Event] = []

    def mark(self) -> None:
        """Begin, and at the second call, end."""
        if self._on_cpu:
            self._marks.append(time.perf_counter())
        else:
            event = torch.cuda.Event(enable_timing=True)
            event.record()
            self._marks.append(event)

    def seconds(self) -> float:
        """Return the time between the marks, both of which must have passed."""
        begin, end = self._marks
        return end - begin if self._on_cpu else begin.elapsed_time(end) / 1000


def on_stream(stream: torch.cuda.Stream | None) -> AbstractContextManager:
    """Return a context in which work is launched on a stream, if there is one."""
    return nullcontext() if stream is None else torch.cuda.stream(stream)


def prepare_torch(threads: int, precision: str = "float32") -> None:
    """Set what torch computes with in this process.

    CPU threads, the precision of a GPU's products (``float32`` or ``tf32``), and zero for
    denormal numbers: velocities that fade away would otherwise spend most of the time as such.
    """
    torch.set_num_threads(threads)
    torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
    torch.set_flush_denormal(True)


_CUDA_OUT_OF_MEMORY = 2
"""``cudaErrorMemoryAllocation``."""


def is_out_of_memory(error: RuntimeError) -> bool:
    """Return whether an error of torch says that a GPU's memory does not suffice.

    Tensors are not all that takes some: so do graphs, kernels, and linear algebra's own.
    """
    import torch

    return (
        isinstance(error, torch.OutOfMemoryError)
        or getattr(error, "error_code", None) == _CUDA_OUT_OF_MEMORY
        or "CUBLAS_STATUS_ALLOC_FAILED" in str(error)
    )


def choose_device(wanted: str) -> str:
    """Return ``cpu`` or ``cuda`` for a study's `device`.

    Raises
    ------
    NoisescaleError
        ``cuda`` is wanted and there is none.
    """
    found = torch.cuda.is_available()
    if wanted == "auto":
        return "cuda" if found and gpu_permitted() else "cpu"
    if wanted == "cuda" and not found:
        raise NoisescaleError(
            "device: cuda, but torch finds no CUDA device; set device: auto to train on the CPU"
        )
    return wanted


def device_name(device: str) -> str:
    """Return the name of the hardware that a device is."""
    if device == "cuda":
        return torch.cuda.get_device_name()
    return f"CPU, {torch.get_num_threads()} thread(s)"
