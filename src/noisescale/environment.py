"""The environment variables of this process and of the jobs that it starts."""

from __future__ import annotations

import os
import sys
from pathlib import Path

ENVIRONMENT = {
    # One thread per process; by default, linear algebra libraries use all cores.
    "OMP_NUM_THREADS": "1",
    # Makes MKL's products bitwise independent of memory alignment, hence of the stack.
    "MKL_CBWR": "AUTO",
}
"""The libraries read these when they are loaded. Values set by the user are kept."""

PACKAGE = Path(__file__).parent
"""The folder of this package."""


def settle_environment() -> None:
    """Set the variables of `ENVIRONMENT` that are not set."""
    for variable, value in ENVIRONMENT.items():
        os.environ.setdefault(variable, value)


def export_python() -> None:
    """Make the jobs that this process starts run this Python and this package.

    A conda environment that Snakemake activates puts its own Python first in the search path.
    Modules in the working directory (a user's ``random.py``) are not imported by any job.
    """
    paths = {"PATH": str(Path(sys.executable).parent), "PYTHONPATH": str(PACKAGE.parent)}
    for variable, path in paths.items():
        others = [p for p in os.environ.get(variable, "").split(os.pathsep) if p and p != path]
        os.environ[variable] = os.pathsep.join([path, *others])
    os.environ["PYTHONSAFEPATH"] = "1"


def display_path(path: Path) -> str:
    """Return a path relative to the working directory, if it is inside it.

    Such paths are the same in a copied or moved repository.
    """
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative
