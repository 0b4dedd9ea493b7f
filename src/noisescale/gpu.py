"""Whether this process may use a GPU that it sees."""

from __future__ import annotations

import os


def permitted() -> bool:
    """Return whether it may: not in a SLURM job that was given none, which may see its node's."""
    return "SLURM_JOB_ID" not in os.environ or bool(os.environ.get("CUDA_VISIBLE_DEVICES"))
