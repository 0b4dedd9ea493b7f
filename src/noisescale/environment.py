"""The environment variables of this process and of the jobs that it starts."""

from __future__ import annotations

import os
import sys
from pathlib import Path

ENVIRONMENT = {
    # Libraries of linear algebra take every core,
    "OMP_NUM_THREADS": "1",
    # and Intel's gives a product that is the same to the last bit wherever its factors lie in
    # memory, so in whatever stack, on every CPU only when asked to.
    "MKL_CBWR": "AUTO",
}
"""Read by the libraries as they are loaded; what the user has set is left as it is."""


PACKAGE = Path(__file__).parent
"""The folder of this package."""


def settle_environment() -> None:
    """Set `ENVIRONMENT` where the user has not."""
    for variable, value in ENVIRONMENT.items():
        os.environ.setdefault(variable, value)


def export_python() -> None:
    """Have the jobs that this process starts run this Python and this package.

    A conda environment that Snakemake activates puts its own Python before it.
    """
    paths = {"PATH": str(Path(sys.executable).parent), "PYTHONPATH": str(PACKAGE.parent)}
    for variable, path in paths.items():
        others = [p for p in os.environ.get(variable, "").split(os.pathsep) if p and p != path]
        os.environ[variable] = os.pathsep.join([path, *others])
