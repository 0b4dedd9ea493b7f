"""The device that a job trains on: choice, name, streams, and out-of-memory errors."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch

from noisescale.errors import NoisescaleError
from noisescale.training.gpu import gpu_permitted

_CUDA_OUT_OF_MEMORY = 2
"""``cudaErrorMemoryAllocation``."""


def choose_device(device: str) -> str:
    """Return ``cpu`` or ``cuda`` for a study's `device`, which may be ``auto``.

    Raises
    ------
    NoisescaleError
        `device` is ``cuda``, and there is no GPU.
    """
    available = torch.cuda.is_available()
    if device == "auto":
        return "cuda" if available and gpu_permitted() else "cpu"
    if device == "cuda" and not available:
        raise NoisescaleError(
            "device: cuda, but torch finds no CUDA device; set device: auto to train on the CPU"
        )
    return device


def device_name(device: str) -> str:
    """Return the name of a device's hardware, for the record of a job."""
    if device == "cuda":
        return torch.cuda.get_device_name()
    return f"CPU, {torch.get_num_threads()} thread(s)"


def on_stream(stream: torch.cuda.Stream | None) -> AbstractContextManager[object]:
    """Return a context in which work is launched on a stream, if there is one."""
    return nullcontext() if stream is None else torch.cuda.stream(stream)


def is_out_of_memory(error: RuntimeError) -> bool:
    """Return whether an error of torch means that a GPU is out of memory.

    Graphs, kernels and cuBLAS workspaces need memory as well as tensors, and raise other errors.
    """
    return (
        isinstance(error, torch.OutOfMemoryError)
        or getattr(error, "error_code", None) == _CUDA_OUT_OF_MEMORY
        or "CUBLAS_STATUS_ALLOC_FAILED" in str(error)
    )
