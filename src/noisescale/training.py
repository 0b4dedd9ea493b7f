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
from noisescale.evaluation import evaluate
from noisescale.formulation import block_updates, in_dual
from noisescale.graphs import advancing
from noisescale.grid import Run
from noisescale.sampling import Minibatches, one_hot
from noisescale.schedule import evaluation_updates

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


def prepare_torch(threads: int, precision: str = "float32") -> None:
    """Set what torch computes with in this process.

    CPU threads, the precision of a GPU's products (``float32`` or ``tf32``), and zero for
    denormal numbers: velocities that fade away would otherwise spend most of the time as such.
    """
    torch.set_num_threads(threads)
    torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
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
    """Return what runs must share to be trained in one stack: shapes, arithmetic, budget."""
    shape = (run.hidden, run.preprocessing, run.train_size, run.batch_size)
    return (*shape, run.momentum, run.weight_decay > 0, run.updates)


@dataclass(frozen=True)
class Snapshot:
    """A stack between two updates: all that it takes to go on with it.

    Attributes
    ----------
    update
        Updates made.
    settled
        Updates after which it was last looked which runs had diverged.
    finite : list of int
        For each run alive, after how many updates since then its gradient was finite.
    alive : list of int
        Which runs are still in training.
    diverged : dict of int to int
        The other runs, with the update at which they ceased to be finite.
    points : list of list of Point
        Each run's learning curve so far.
    tensors : dict of str to Tensor, shapes (len(alive), …)
        As in `noisescale.engine.Stack.state`; not copied.
    seconds
        Wall time spent.
    """

    update: int
    settled: int
    finite: list[int]
    alive: list[int]
    diverged: dict[int, int]
    points: list[list[Point]]
    tensors: dict[str, Tensor]
    seconds: float


class Keeper:
    """Keeps what is needed to go on with a training that is interrupted; this one, nothing."""

    def snapshot(self, runs: list[Run]) -> Snapshot | None:
        """Return how far this stack of runs has come in an earlier process."""
        return None

    def due(self) -> bool:
        """Return whether it is time to `keep` a snapshot; asked after every block of updates."""
        return False

    def keep(self, runs: list[Run], snapshot: Snapshot) -> None:
        """Keep a snapshot in the place of earlier ones."""


def train(
    problem: Problem,
    runs: list[Run],
    evaluations_per_decade: int,
    progress: Callable[[float], None] = lambda runs: None,
    keeper: Keeper | None = None,
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
    keeper
        Is given snapshots. A training that goes on from one makes the same curves, bit for bit.

    Returns
    -------
    list of Curve
        In the order of `runs`.
    """
    started = time.perf_counter()
    keeper = keeper or Keeper()
    budget = runs[0].updates
    evaluations = evaluation_updates(budget, evaluations_per_decade)
    training = Training(problem, runs)
    if snapshot := keeper.snapshot(runs):
        training.restore(snapshot)
        started -= snapshot.seconds
        progress(training.update / budget * len(runs))

    for stop in sorted(set(evaluations) | set(range(0, budget, _CHECK_EVERY))):
        if stop < training.update:
            continue
        while (update := training.update) < stop:
            training.advance(stop, keeper.due)
            progress((training.update - update) / budget * len(runs))
            if keeper.due():
                keeper.keep(runs, training.snapshot(time.perf_counter() - started))
        training.settle()
        if stop in evaluations and training.alive:
            training.evaluate()
        if not training.alive:
            progress((budget - training.update) / budget * len(runs))
            break

    guess, points = 1 / problem.n_classes, training.points
    for i in training.diverged:
        points[i] += [Point(u, guess, None, guess, None) for u in evaluations[len(points[i]) :]]
    seconds = (time.perf_counter() - started) / len(runs)
    diverged = [
        training.diverged.get(i, _guessing_since(points[i], problem.n_classes))
        for i in range(len(runs))
    ]
    return [Curve(*curve, seconds) for curve in zip(runs, points, diverged, strict=True)]


class Training:
    """A stack in training: the networks that are still finite, and what they are trained on.

    Attributes
    ----------
    alive, diverged, points, update
        As in `Snapshot`; `alive` is in the order of the stack.
    """

    def __init__(self, problem: Problem, runs: list[Run]) -> None:
        device, one = problem.x.device, runs[0]
        seeds = sorted({run.seed for run in runs})
        tasks = sorted({(run.seed, run.label_noise) for run in runs})
        members = torch.stack(
            [
                torch.from_numpy(randomness.subset(seed, len(problem.x), one.train_size))
                for seed in seeds
            ]
        ).to(device)
        labels = torch.stack(
            [_labels(problem, *task).to(device)[members[seeds.index(task[0])]] for task in tasks]
        )

        def per_run(values: list) -> Tensor:
            return torch.tensor(values, device=device)

        self.problem = problem
        self.alive = list(range(len(runs)))
        self.diverged: dict[int, int] = {}
        self.points: list[list[Point]] = [[] for _ in runs]
        self.update = self._settled = 0
        self._finite = torch.zeros(len(runs), dtype=torch.int64, device=device)
        self.seed_row = per_run([seeds.index(run.seed) for run in runs])
        self.task_row = per_run([tasks.index((run.seed, run.label_noise)) for run in runs])
        self.members, self.labels = members, labels

        n_inputs = problem.x.shape[1] - 1
        sizes = [n_inputs, *one.widths, problem.n_classes]
        initial = {seed: randomness.initial_weights(seed, sizes) for seed in seeds}
        layers = [
            torch.stack([torch.from_numpy(initial[run.seed][i]) for run in runs]).to(device)
            for i in range(len(sizes) - 1)
        ]
        examples, rows, sets = problem.x, members, None
        if in_dual(one, n_inputs):
            x = problem.x[members]
            examples = torch.bmm(x, x.mT).flatten(0, 1)
            rows = torch.arange(len(examples), device=device).view_as(members)
            sets = x, self.seed_row
        self.stack = Stack(
            layers,
            learning_rate=per_run([run.learning_rate for run in runs]),
            weight_decay=per_run([run.weight_decay for run in runs]),
            momentum=one.momentum,
            batch_size=one.batch_size,
            training_sets=sets,
        )
        self.batches = Minibatches(
            examples,
            rows,
            one_hot(labels, problem.n_classes),
            per_run(seeds),
            self.seed_row,
            self.task_row,
            one.batch_size,
        )
        self.block_updates = block_updates(one, n_inputs)
        self._advance = advancing(self.stack)

    def advance(self, stop: int, due: Callable[[], bool] = lambda: False) -> None:
        """Make updates until `stop`, or until something else is due.

        How the updates before `stop` are cut into blocks does not depend on where it is left off.
        """
        start = self.update
        probe = self.stack.learning_rate.new_empty(stop - start, len(self.stack))
        for block in self.batches.blocks(start, stop, self.block_updates):
            done = self.update - start
            self._advance(block, probe[done : done + block.updates])
            self.update += block.updates
            if due():
                break
        # A weight that is not finite spoils every later gradient: what is finite is a prefix.
        self._finite += probe[: self.update - start].isfinite().sum(0)

    def settle(self) -> None:
        """Find the runs that have ceased to be finite, and go on without them."""
        made, finite = self.update - self._settled, self._finite.tolist()
        self._drop(
            {i: self._settled + n + 1 for i, n in zip(self.alive, finite, strict=True) if n < made}
        )
        self._finite.zero_()
        self._settled = self.update

    def evaluate(self) -> None:
        """Add a point to the learning curves; go on without runs whose outputs are not finite."""
        layers, problem = self.stack.layers, self.problem
        train = evaluate(layers, problem.x, self.labels[self.task_row], self.members[self.seed_row])
        test = evaluate(layers, problem.x_test, problem.y_test[None])
        overflown = {}
        for i, *values in zip(self.alive, *train, *test, strict=True):
            if math.isfinite(values[1]) and math.isfinite(values[3]):
                self.points[i].append(Point(self.update, *values))
            else:
                overflown[i] = self.update
        self._drop(overflown)

    def snapshot(self, seconds: float) -> Snapshot:
        """Return how far the training has come, in so many seconds."""
        return Snapshot(
            self.update,
            self._settled,
            self._finite.tolist(),
            list(self.alive),
            dict(self.diverged),
            [list(points) for points in self.points],
            self.stack.state(),
            seconds,
        )

    def restore(self, snapshot: Snapshot) -> None:
        """Go on from a snapshot of the same runs, before any update."""
        self._drop(snapshot.diverged)
        for name, value in self.stack.state().items():
            value.copy_(snapshot.tensors[name])
        self._finite.copy_(torch.tensor(snapshot.finite))
        self.points = [list(points) for points in snapshot.points]
        self.update, self._settled = snapshot.update, snapshot.settled

    def _drop(self, diverged: dict[int, int]) -> None:
        """Go on without runs that have diverged."""
        if diverged:
            chosen = torch.tensor([i not in diverged for i in self.alive])
            chosen = chosen.to(self.seed_row.device)
            self.diverged |= diverged
            self.alive = [i for i in self.alive if i not in diverged]
            self.seed_row, self.task_row = self.seed_row[chosen], self.task_row[chosen]
            self._finite = self._finite[chosen]
            self.stack.keep(chosen)
            self.batches.keep(chosen)
            self._advance = advancing(self.stack)


def _labels(problem: Problem, seed: int, label_noise: float) -> Tensor:
    """Return the labels of the whole pool that a seed trains on."""
    y = randomness.noisy_labels(seed, problem.y.numpy(), label_noise, problem.n_classes)
    return torch.from_numpy(y)


def _guessing_since(points: list[Point], n_classes: int) -> int | None:
    """Return the first evaluation from which on a run is no better than guessing, if any."""
    since = None
    for point in reversed(points):
        if point.train_cross_entropy is None or point.train_cross_entropy < math.log(n_classes):
            break
        since = point.update
    return since
