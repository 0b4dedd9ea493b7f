"""The predicted cost of runs, which orders jobs, limits their resources, and predicts their time.

An architecture counts the work of its runs (`noisescale.models.work.Work`). On a CPU, the time of
each part of the work is measured by ``python -m benchmarks.costs``, and the speed of this machine
by `machine_speed`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cache

from noisescale.models.registry import architecture_of, by_architecture, stack_key
from noisescale.models.work import same_for_all_seeds
from noisescale.study.catalog import Shape
from noisescale.study.grid import Run
from noisescale.study.schedule import evaluation_updates

START_SECONDS = 3.0
"""Time that a training job takes to import torch and to read the data."""

_START_MB = 1000
_GPU_START_MB = 4000
_CURVE_BYTES = 40_000
"""Memory of a run's learning curve while its rows are made."""
_STACK_BYTES = 8_000_000
_STACK_RUNS = {"cpu": 64, "cuda": 4096}

_evaluations = cache(evaluation_updates)


@same_for_all_seeds
def run_seconds(
    run: Run, shape: Shape, evaluations_per_decade: int, device: str = "cpu", stack: int = 1
) -> float:
    """Return about how long a run takes on one core, or the GPU, of `REFERENCE`, in seconds.

    Parameters
    ----------
    run
        The run.
    shape
        The sizes of the data set.
    evaluations_per_decade
        Points of its learning curve per factor of ten in updates.
    device
        ``cpu`` or ``cuda``.
    stack
        Runs in its stack on a GPU. On a CPU, the stack is that of `stack_size`.
    """
    if device == "cpu":
        stack = stack_size(run, shape, "cpu", 0)
    architecture = architecture_of(run)
    evaluations = len(_evaluations(run.updates, evaluations_per_decade))
    update = architecture.update_work(run, shape, stack, device).seconds(device)
    evaluation = architecture.evaluation_work(run, shape).seconds(device)
    return run.updates * update + evaluations * evaluation


def stack_size(run: Run, shape: Shape, device: str, memory: int) -> int:
    """Return how many runs like `run` to train in one stack.

    On a CPU, small networks share the overhead of library calls, and their stack stays within the
    cache; on a GPU, a stack may fill most of its share of the memory.

    Parameters
    ----------
    run
        One of the runs.
    shape
        The sizes of the data set.
    device
        ``cpu`` or ``cuda``.
    memory
        Bytes that a stack may fill on a GPU.
    """
    budget = int(0.7 * memory) if device == "cuda" else _STACK_BYTES
    run_bytes = architecture_of(run).run_bytes(run, shape, device)
    return max(1, min(budget // run_bytes, _STACK_RUNS[device]))


def shard_mb(runs: Sequence[Run], shape: Shape, gpu: bool) -> int:
    """Return about how much main memory a shard's job takes, in megabytes."""
    # The data as read, as preprocessed, and on the device.
    data = 3 * 4 * shape.n_inputs * (shape.n_train + shape.n_test)
    shared = sum(
        architecture.shared_bytes(group, shape) for architecture, group in by_architecture(runs)
    )
    largest = max(architecture_of(run).run_bytes(run, shape, "cpu") for run in runs)
    total = data + shared + largest + _CURVE_BYTES * len(runs)
    return (_GPU_START_MB if gpu else _START_MB) + round(total / 1e6)


def training_seconds(
    runs: Sequence[Run], shape: Shape, evaluations_per_decade: int, gpu: bool
) -> float:
    """Return about how long runs take on one core, or the GPU, of `REFERENCE`, in seconds."""
    if not gpu:
        return sum(run_seconds(run, shape, evaluations_per_decade) for run in runs)
    stacks = Counter(map(stack_key, runs))
    return sum(
        run_seconds(run, shape, evaluations_per_decade, "cuda", stacks[stack_key(run)])
        for run in runs
    )
