"""Whether this process may use a GPU, determined without importing torch."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import re
from pathlib import Path


def gpu_permitted() -> bool:
    """Return whether this process may use a GPU that it sees.

    A SLURM job without a GPU may see those of its node.
    """
    return "SLURM_JOB_ID" not in os.environ or bool(os.environ.get("CUDA_VISIBLE_DEVICES"))


def gpu_usable() -> bool:
    """Return whether torch will find a CUDA GPU that this process may use.

    Importing torch would slow planning down by seconds. As torch does, this asks the driver whether
    there is a GPU and whether it supports the version of CUDA that torch was built with.
    """
    if not gpu_permitted():
        return False
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    count, version = ctypes.c_int(), ctypes.c_int()
    failed = (
        driver.cuInit(0)
        or driver.cuDeviceGetCount(ctypes.byref(count))
        or driver.cuDriverGetVersion(ctypes.byref(version))
    )
    built_with = _cuda_of_torch()
    return not failed and count.value > 0 and 0 < built_with <= version.value // 1000


def _cuda_of_torch() -> int:
    """Return the major version of the CUDA that torch was built with, or 0."""
    torch = importlib.util.find_spec("torch")
    if torch is None or torch.origin is None:
        return 1  # torch is only in the environment of the jobs
    text = (Path(torch.origin).parent / "version.py").read_text(encoding="utf-8")
    found = re.search(r"^cuda\b.*=\s*'(\d+)", text, re.MULTILINE)
    return int(found[1]) if found else 0
