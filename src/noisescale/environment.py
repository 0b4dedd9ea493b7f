"""The environment variables of this process and of the jobs that it starts."""

from __future__ import annotations

import os
import sys
from pathlib import Path

ENVIRONMENT = {
    # By default, libraries of linear algebra use all cores.
    "OMP_NUM_THREADS": "1",
    # Only with this, MKL's products are the same to the last bit wherever their factors lie in
    # memory, hence in whichever stack, on every CPU.
    "MKL_CBWR": "AUTO",
}
"""Read by the libraries when they are loaded; values that the user has set are kept."""

PACKAGE = Path(__file__).parent
"""The folder of this package."""


def settle_environment() -> None:
    """Set `ENVIRONMENT` where the user has not."""
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
    """Return a path relative to the working directory where it lies below it.

    Such paths are the same in a copied or moved repository.
    """
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative
