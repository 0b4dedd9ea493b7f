"""What a run costs: the one estimate that orders jobs and sets their limits.

The numbers are of one core of a 2023 server (Intel Xeon, AVX-512); only their ratios matter for
the order of jobs, and limits are set generously above them.
"""

from __future__ import annotations

import itertools
import math

from noisescale.grid import Run

_FLOPS = 5e10
_BYTES_PER_SECOND = 2e10
_SECONDS_PER_UPDATE = 2e-5
_STACK_BYTES = 1_500_000
_STACK_RUNS = {"cpu": 64, "cuda": 4096}


def n_parameters(run: Run, n_inputs: int, n_classes: int) -> int:
    """Return the number of a run's weights and biases."""
    sizes = [n_inputs, *run.widths, n_classes]
    return sum((a + 1) * b for a, b in itertools.pairwise(sizes))


def run_seconds(run: Run, n_inputs: int, n_classes: int) -> float:
    """Return about how long a run takes on one core, in seconds."""
    parameters = n_parameters(run, n_inputs, n_classes)
    update = (
        _SECONDS_PER_UPDATE
        + 4 * parameters * run.batch_size / _FLOPS
        + 20 * parameters / _BYTES_PER_SECOND
    )
    evaluations = 5 * math.log10(run.updates + 1) + 2
    evaluation = 2 * parameters * (run.train_size + 10_000) / _FLOPS
    return run.updates * update + evaluations * evaluation


def run_bytes(run: Run, n_inputs: int, n_classes: int) -> int:
    """Return the memory that a run holds while it trains: weights, velocity, activations."""
    activations = run.batch_size * (n_inputs + 2 * sum(run.widths) + 4 * n_classes)
    return 4 * (2 * n_parameters(run, n_inputs, n_classes) + activations)


def stack_size(run: Run, n_inputs: int, n_classes: int, device: str, memory: int) -> int:
    """Return how many runs like `run` to train side by side.

    On a CPU a stack stays within a core's cache, where small networks share the cost of a call;
    on a GPU it may fill half of the free `memory` (bytes).
    """
    budget = memory // 2 if device == "cuda" else _STACK_BYTES
    fits = budget // run_bytes(run, n_inputs, n_classes)
    return max(1, min(fits, _STACK_RUNS[device]))
