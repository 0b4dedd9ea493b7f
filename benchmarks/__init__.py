"""Measure speed: the engine against its peers and the machine, the cost model, planning."""

import os

from noisescale.environment import settle_environment

# Before any module of this package imports torch or JAX, which read these variables only once.
settle_environment()
# XLA would reserve most of a GPU's memory at its start.
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
