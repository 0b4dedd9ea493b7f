"""Whether this process may use a GPU that it sees, and whether the GPU's memory suffices."""

from __future__ import annotations

import os


def permitted() -> bool:
    """Return whether it may: not in a SLURM job that was given none, which may see its node's."""
    return "SLURM_JOB_ID" not in os.environ or bool(os.environ.get("CUDA_VISIBLE_DEVICES"))


def lacks_memory(error: RuntimeError) -> bool:
    """Return whether an error of torch says that a GPU's memory does not suffice.

    Tensors are not all that takes some: so do graphs, kernels, and linear algebra's own.
    """
    import torch

    return (
        isinstance(error, torch.OutOfMemoryError)
        or getattr(error, "error_code", None) == _CUDA_OUT_OF_MEMORY
        or "CUBLAS_STATUS_ALLOC_FAILED" in str(error)
    )


_CUDA_OUT_OF_MEMORY = 2
"""``cudaErrorMemoryAllocation``."""
