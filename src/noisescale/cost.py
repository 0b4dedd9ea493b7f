"""What a run costs: the one estimate that orders jobs, sets their limits, and foretells the time.

A run's work is counted as calls of the tensor library, products of matrices, examples, operations
and bytes moved. What each takes on a CPU is measured by ``python -m benchmarks.costs``, and
`machine_speed` says how much faster or slower the present machine is.
"""

from __future__ import annotations

import itertools
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, wraps
from typing import Any

from noisescale.formulation import block_updates, in_dual, stack_key
from noisescale.grid import Run
from noisescale.schedule import evaluation_updates


@dataclass(frozen=True)
class Machine:
    """The seconds that each part of a `Work` takes."""

    per_call: float
    per_product: float
    per_example: float
    per_flop: float
    per_byte: float


REFERENCE = {
    # One core of an Intel Xeon server with AVX-512, torch 2.15; see ``python -m benchmarks.costs``.
    "cpu": Machine(3.3e-6, 1.3e-7, 1.2e-7, 5.6e-12, 2.3e-11),
    # An NVIDIA H200, torch 2.11: by hand, to the times of 15 stacks of 784-800-10.
    "cuda": Machine(1.0e-6, 0.0, 0.0, 2.6e-14, 3.0e-13),
}
REFERENCE_SECONDS = 1.00e-4
"""What an update of `machine_speed` takes on the first."""

START_SECONDS = 3.0
"""Of a training job: importing torch, reading the data."""

_START_MB = 1000
_GPU_START_MB = 4000
_CURVE_BYTES = 40_000
"""Of a run's learning curve, while its rows are made."""
_STACK_BYTES = 8_000_000
_STACK_RUNS = {"cpu": 64, "cuda": 4096}
_CALLS = 11
_CALLS_OF_BLOCK = 4

_evaluations = cache(evaluation_updates)


@dataclass(frozen=True)
class Shape:
    """The sizes of a data set that costs depend on; those of MNIST by default."""

    n_inputs: int = 784
    n_classes: int = 10
    n_train: int = 60_000
    n_test: int = 10_000


@dataclass(frozen=True)
class Work:
    """What a run does.

    Attributes
    ----------
    calls
        Of the tensor library, its share of those of its stack.
    products
        Of its matrices, however small.
    examples
        Gathered, or judged, however small.
    flops
        Operations.
    bytes
        To and from memory.
    """

    calls: float
    products: float
    examples: float
    flops: float
    bytes: float

    def seconds(self, device: str = "cpu") -> float:
        """Return about how long it takes on one core, or the GPU, of `REFERENCE`."""
        machine = REFERENCE[device]
        return (
            machine.per_call * self.calls
            + machine.per_product * self.products
            + machine.per_example * self.examples
            + machine.per_flop * self.flops
            + machine.per_byte * self.bytes
        )


def same_for_all_seeds(estimate: Callable[..., Any]) -> Callable[..., Any]:
    """Make an estimate only once for runs that differ in their seeds alone, as most do."""
    of_setting = cache(lambda setting, *others: estimate(Run(*setting, seed=0), *others))

    @wraps(estimate)
    def of_run(run: Run, *others: Any) -> Any:
        return of_setting(run.setting, *others)

    return of_run


def n_parameters(run: Run, shape: Shape) -> int:
    """Return the number of a run's weights and biases."""
    sizes = [shape.n_inputs, *run.widths, shape.n_classes]
    return sum((a + 1) * b for a, b in itertools.pairwise(sizes))


def update_work(run: Run, shape: Shape, stack: int, device: str = "cpu") -> Work:
    """Return a run's work for one update, in a stack of so many runs."""
    dual, block = in_dual(run, shape.n_inputs), block_updates(run, shape.n_inputs, device)
    inputs, outputs = shape.n_inputs + 1, run.widths[0]
    rest = n_parameters(run, shape) - inputs * outputs
    first = (run.train_size if dual else inputs) * outputs
    products = (1 if dual else 2) * (2 if block > 1 and run.momentum else 1)
    flops = 2 * run.batch_size * (products * first + 3 * rest)
    if block > 1:
        # What the block's updates change: on average, half of its examples at each.
        flops += run.batch_size**2 * block * (outputs + (0 if dual else 2 * inputs))
    # Weights are read, and written; with momentum, the velocity, too.
    passes = 6 if run.momentum else 3
    activations = run.batch_size * (inputs + 5 * sum(run.widths) + 6 * shape.n_classes)
    moved = 4 * (passes * (first / block + rest) + activations)
    calls = (_CALLS + 4 * len(run.widths) + _CALLS_OF_BLOCK / block) / stack
    of_block = 2 if block == 1 else 5 if run.momentum else 3
    matrices = 3 * len(run.widths) + (block > 1) + of_block / block
    return Work(calls, matrices, run.batch_size, flops, moved)


def evaluation_work(run: Run, shape: Shape) -> Work:
    """Return a run's work for one evaluation, on its training set and the test set."""
    examples = run.train_size + shape.n_test
    flops = 2 * n_parameters(run, shape) * examples
    if in_dual(run, shape.n_inputs):  # whose weights are made first
        flops += 2 * run.train_size * (shape.n_inputs + 1) * run.widths[0]
    moved = 8 * sum(run.widths) + 40 * shape.n_classes
    return Work(0, 0, examples, flops, moved * examples)


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


@same_for_all_seeds
def run_bytes(run: Run, shape: Shape, device: str = "cpu") -> int:
    """Return the memory that a run holds while it trains: weights, velocity, minibatches."""
    inputs = shape.n_inputs + 1
    weights = n_parameters(run, shape) * (2 if run.momentum else 1)
    if in_dual(run, shape.n_inputs):
        inputs = run.train_size
        weights += (3 if run.momentum else 2) * inputs * run.widths[0]
    examples = run.batch_size * block_updates(run, shape.n_inputs, device)
    return 4 * (weights + examples * (inputs + 3 * sum(run.widths) + 4 * shape.n_classes))


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
    sets = {(run.train_size, run.seed) for run in runs if in_dual(run, shape.n_inputs)}
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


def speed(gpu: bool) -> float:
    """Return how fast this machine is relative to `REFERENCE`; of a GPU, that is not measured."""
    return 1.0 if gpu else machine_speed()


@cache
def machine_speed() -> float:
    """Return how fast one core of this machine is, relative to the reference.

    Measured in some hundredths of a second by updates of a layer in NumPy, which has about the mix
    of products and passes over memory that training has.
    """
    import numpy as np
    from threadpoolctl import threadpool_limits

    x = np.ones((32, 785), dtype=np.float32)
    a, d = (np.zeros((32, 100), dtype=np.float32) for _ in range(2))
    w, u, gradient = (np.zeros((785, 100), dtype=np.float32) for _ in range(3))
    best = float("inf")
    with threadpool_limits(1):
        for _ in range(200):
            started = time.perf_counter()
            np.matmul(x, w, out=a)
            np.maximum(a, 0, out=d)
            np.matmul(x.T, d, out=gradient)
            np.multiply(u, 0.9, out=u)
            np.subtract(u, gradient, out=u)
            np.add(w, u, out=w)
            best = min(best, time.perf_counter() - started)
    return REFERENCE_SECONDS / best
