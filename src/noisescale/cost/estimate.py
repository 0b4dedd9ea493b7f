"""What a run costs: the one estimate that orders jobs, sets their limits, and foretells the time.

A run's work is counted as calls of the tensor library, products of matrices, examples, operations
and bytes moved. What each takes on a CPU is measured by ``python -m benchmarks.costs``, and
`machine_speed` says how much faster or slower the present machine is.
"""

from __future__ import annotations

from collections import Counter
from functools import cache

from noisescale.models.mlp.cost import evaluation_work, run_bytes, update_work
from noisescale.models.mlp.strategy import stack_key, uses_dual
from noisescale.models.work import same_for_all_seeds
from noisescale.study.catalog import Shape
from noisescale.study.grid import Run
from noisescale.study.schedule import evaluation_updates

START_SECONDS = 3.0
"""Of a training job: importing torch, reading the data."""

_START_MB = 1000
_GPU_START_MB = 4000
_CURVE_BYTES = 40_000
"""Of a run's learning curve, while its rows are made."""
_STACK_BYTES = 8_000_000
_STACK_RUNS = {"cpu": 64, "cuda": 4096}

_evaluations = cache(evaluation_updates)


@same_for_all_seeds
def run_seconds(
    run: Run, shape: Shape, evaluations_per_decade: int, device: str = "cpu", stack: int = 1
) -> float:
    """Return about how long a run takes on one core, or the GPU, of `REFERENCE`, in seconds.

    On a GPU, in a stack of so many runs; on a CPU, in one of the `stack_size` that it has there.
    """
    if device == "cpu":
        stack = stack_size(run, shape, "cpu", 0)
    evaluations = len(_evaluations(run.updates, evaluations_per_decade))
    update = update_work(run, shape, stack, device).seconds(device)
    return run.updates * update + evaluations * evaluation_work(run, shape).seconds(device)


def stack_size(run: Run, shape: Shape, device: str, memory: int) -> int:
    """Return how many runs like `run` to train side by side.

    On a CPU a stack of small networks, which share the cost of a call, stays within the cache;
    on a GPU it may fill most of the `memory` (bytes) that is there for one.
    """
    budget = int(0.7 * memory) if device == "cuda" else _STACK_BYTES
    return max(1, min(budget // run_bytes(run, shape, device), _STACK_RUNS[device]))


def shard_mb(runs: list[Run], shape: Shape, gpu: bool) -> int:
    """Return about how much main memory a shard's job takes, in megabytes."""
    # The data as read, as preprocessed, and on the device.
    data = 3 * 4 * shape.n_inputs * (shape.n_train + shape.n_test)
    sets = {(run.train_size, run.seed) for run in runs if uses_dual(run, shape.n_inputs)}
    duals = sum(4 * size * (size + shape.n_inputs) for size, _ in sets)
    largest = max(run_bytes(run, shape) for run in runs)
    held = data + duals + largest + _CURVE_BYTES * len(runs)
    return (_GPU_START_MB if gpu else _START_MB) + round(held / 1e6)


def training_seconds(
    runs: list[Run], shape: Shape, evaluations_per_decade: int, gpu: bool
) -> float:
    """Return about how long a shard's runs take on one core, or the GPU, of `REFERENCE`."""
    if not gpu:
        return sum(run_seconds(run, shape, evaluations_per_decade) for run in runs)
    stacks = Counter(map(stack_key, runs))
    return sum(
        run_seconds(run, shape, evaluations_per_decade, "cuda", stacks[stack_key(run)])
        for run in runs
    )
