"""Train a stack of runs and record their learning curves."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from noisescale import randomness
from noisescale.data import Dataset
from noisescale.engine import Stack
from noisescale.evaluation import evaluate, evaluation_updates
from noisescale.grid import Run
from noisescale.sampling import Minibatches, one_hot

_CHECK_EVERY = 500
"""Updates after which diverged runs are dropped at the latest."""


@dataclass(frozen=True)
class Problem:
    """A preprocessed data set on the device that trains.

    Attributes
    ----------
    x, x_test : Tensor of float32, shapes (n_pool, inputs + 1) and (n_test, inputs + 1)
        Examples, with a last column of ones for the bias.
    y : Tensor of int64, shape (n_pool,)
        True classes of the pool, on the CPU.
    y_test : Tensor of int64, shape (n_test,)
        Classes of the test examples.
    """

    x: Tensor
    y: Tensor
    x_test: Tensor
    y_test: Tensor
    n_classes: int


@dataclass(frozen=True)
class Point:
    """A learning curve's values after `update` updates; cross-entropies in nats or None."""

    update: int
    train_accuracy: float
    train_cross_entropy: float | None
    test_accuracy: float
    test_cross_entropy: float | None


@dataclass(frozen=True)
class Curve:
    """A run's learning curve.

    Attributes
    ----------
    diverged_at
        None for a run that ends better than guessing. Else the update at which its weights or
        outputs were no longer finite, or the first evaluation from which on its training
        cross-entropy was never below ln(n_classes), that of guessing.
    seconds
        The run's share of the wall time of its stack.
    """

    run: Run
    points: list[Point]
    diverged_at: int | None
    seconds: float


def prepare_torch(threads: int) -> None:
    """Set what torch computes with in this process: CPU threads, and zero for denormal numbers.

    Velocities that fade away would otherwise spend most of the time as denormals.
    """
    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)


def on_device(dataset: Dataset, device: str) -> Problem:
    """Move a data set to the device, with a column of ones beside the inputs for the bias."""

    def examples(x: np.ndarray) -> Tensor:
        return torch.nn.functional.pad(torch.from_numpy(x), (0, 1), value=1.0).to(device)

    return Problem(
        x=examples(dataset.X_train),
        y=torch.from_numpy(dataset.y_train),
        x_test=examples(dataset.X_test),
        y_test=torch.from_numpy(dataset.y_test).to(device),
        n_classes=dataset.n_classes,
    )


def stack_key(run: Run) -> tuple:
    """Return what runs must share to be trained in one stack: shapes, momentum, budget."""
    shape = (run.hidden, run.preprocessing, run.train_size, run.batch_size)
    return (*shape, run.momentum, run.updates)


def train(
    problem: Problem,
    runs: list[Run],
    evaluations_per_decade: int,
    progress: Callable[[float], None] = lambda runs: None,
) -> list[Curve]:
    """Train runs of one stack key side by side.

    Parameters
    ----------
    problem
        The data.
    runs
        Runs of equal `stack_key`.
    evaluations_per_decade
        Points of the learning curves per factor of ten in updates.
    progress
        Called now and then with the number of runs' worth of updates made since the last call.

    Returns
    -------
    list of Curve
        In the order of `runs`.
    """
    started = time.perf_counter()
    budget = runs[0].updates
    evaluations = evaluation_updates(budget, evaluations_per_decade)
    stack, batches, training_sets = _prepare(problem, runs)
    points: list[list[Point]] = [[] for _ in runs]
    not_finite: dict[int, int] = {}
    alive = list(range(len(runs)))

    def drop(diverged: dict[int, int]) -> None:
        nonlocal alive
        if not diverged:
            return
        not_finite.update(diverged)
        chosen = torch.tensor([i not in diverged for i in alive], device=stack.weights.device)
        alive = [i for i in alive if i not in diverged]
        if alive:
            stack.keep(chosen)
            batches.keep(chosen)

    update = 0
    for stop in sorted(set(evaluations) | set(range(0, budget, _CHECK_EVERY))):
        if stop > update:
            drop(_advance(stack, batches, alive, update, stop))
            progress((stop - update) / budget * len(runs))
            update = stop
        if stop in evaluations:
            overflown = {}
            for row, i in enumerate(alive):
                point = _evaluate(problem, stack, row, training_sets[i], update)
                if point is None:
                    overflown[i] = update
                else:
                    points[i].append(point)
            drop(overflown)
        if not alive:
            progress((budget - update) / budget * len(runs))
            break

    guess = 1 / problem.n_classes
    for i in not_finite:
        points[i] += [Point(u, guess, None, guess, None) for u in evaluations[len(points[i]) :]]
    seconds = (time.perf_counter() - started) / len(runs)
    diverged = [
        not_finite.get(i, _guessing_since(points[i], problem.n_classes)) for i in range(len(runs))
    ]
    return [Curve(*curve, seconds) for curve in zip(runs, points, diverged, strict=True)]


def _prepare(
    problem: Problem, runs: list[Run]
) -> tuple[Stack, Minibatches, list[tuple[Tensor, Tensor]]]:
    """Return initial weights, minibatches, and each run's training set (indices, labels)."""
    device = problem.x.device
    seeds = sorted({run.seed for run in runs})
    tasks = sorted({(run.seed, run.label_noise) for run in runs})
    sizes = [problem.x.shape[1] - 1, *runs[0].widths, problem.n_classes]
    initial = {seed: randomness.initial_weights(seed, sizes) for seed in seeds}
    layers = [
        torch.stack([torch.from_numpy(initial[run.seed][i]) for run in runs]).to(device)
        for i in range(len(sizes) - 1)
    ]

    def per_run(values: list) -> Tensor:
        return torch.tensor(values, device=device)

    stack = Stack(
        layers,
        learning_rate=per_run([run.learning_rate for run in runs]),
        weight_decay=per_run([run.weight_decay for run in runs]),
        momentum=runs[0].momentum,
        batch_size=runs[0].batch_size,
    )
    members = torch.stack(
        [
            torch.from_numpy(randomness.subset(seed, len(problem.x), runs[0].train_size))
            for seed in seeds
        ]
    ).to(device)
    labels = torch.stack(
        [
            torch.from_numpy(
                randomness.noisy_labels(seed, problem.y.numpy(), noise, problem.n_classes)
            )
            for seed, noise in tasks
        ]
    ).to(device)
    seed_row = [seeds.index(run.seed) for run in runs]
    task_row = [tasks.index((run.seed, run.label_noise)) for run in runs]
    batches = Minibatches(
        problem.x,
        members,
        one_hot(labels, problem.n_classes),
        per_run(seeds),
        per_run(seed_row),
        per_run(task_row),
        runs[0].batch_size,
    )
    training_sets = [
        (members[s], labels[t][members[s]]) for s, t in zip(seed_row, task_row, strict=True)
    ]
    return stack, batches, training_sets


def _advance(
    stack: Stack, batches: Minibatches, alive: list[int], start: int, stop: int
) -> dict[int, int]:
    """Make updates `start` + 1, …, `stop`; return the update at which runs ceased to be finite."""
    probe = stack.weights.new_empty(stop - start, len(stack))
    for (x, targets), row in zip(batches.updates(start, stop), probe, strict=True):
        torch.sum(stack.step(x, targets), (1, 2), out=row)
    # A weight that is not finite spoils every later gradient: what is finite is a prefix.
    finite = probe.isfinite().sum(0).tolist()
    return {i: start + n + 1 for i, n in zip(alive, finite, strict=True) if n < stop - start}


def _evaluate(
    problem: Problem, stack: Stack, row: int, training_set: tuple[Tensor, Tensor], update: int
) -> Point | None:
    """Evaluate one network of the stack; None if its outputs are not finite."""
    layers = [layer[row : row + 1] for layer in stack.layers]
    members, labels = training_set
    train = evaluate(layers, problem.x[members], labels)
    test = evaluate(layers, problem.x_test, problem.y_test)
    if not (math.isfinite(train[1]) and math.isfinite(test[1])):
        return None
    return Point(update, *train, *test)


def _guessing_since(points: list[Point], n_classes: int) -> int | None:
    """Return the first evaluation from which on a run is no better than guessing, if any."""
    since = None
    for point in reversed(points):
        if point.train_cross_entropy is None or point.train_cross_entropy < math.log(n_classes):
            break
        since = point.update
    return since
