"""A stack of runs in training: its data, its networks, its learning curves so far."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

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


@dataclass(frozen=True)
class Problem:
    """A preprocessed data set on the device that trains.

    Attributes
    ----------
    x, x_test : Tensor of float32, shapes (n_pool, columns) and (n_test, columns)
        Examples: their inputs, a column of ones for the bias, and columns of zeros.
    y : Tensor of int64, shape (n_pool,)
        True classes of the pool, on the CPU.
    y_test : Tensor of int64, shape (n_test,)
        Classes of the test examples.
    padding
        Number of columns of zeros, whose weights are zero and stay so.
    """

    x: Tensor
    y: Tensor
    x_test: Tensor
    y_test: Tensor
    n_classes: int
    padding: int = 0

    @property
    def n_inputs(self) -> int:
        """Number of inputs of an example."""
        return self.x.shape[1] - 1 - self.padding


@dataclass(frozen=True)
class Point:
    """A learning curve's values after `update` updates; cross-entropies in nats or None."""

    update: int
    train_accuracy: float
    train_cross_entropy: float | None
    test_accuracy: float
    test_cross_entropy: float | None


def prepare_torch(threads: int, precision: str = "float32") -> None:
    """Set what torch computes with in this process.

    CPU threads, the precision of a GPU's products (``float32`` or ``tf32``), and zero for
    denormal numbers: velocities that fade away would otherwise spend most of the time as such.
    """
    torch.set_num_threads(threads)
    torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
    torch.set_flush_denormal(True)


def on_device(dataset: Dataset, device: str) -> Problem:
    """Move a data set to the device, with a column of ones beside the inputs for the bias.

    A GPU multiplies matrices whose rows start at multiples of 32 bytes faster than others.
    """
    padding = 0 if device == "cpu" else -(dataset.X_train.shape[1] + 1) % 8

    def examples(x: np.ndarray) -> Tensor:
        with_ones = torch.nn.functional.pad(torch.from_numpy(x), (0, 1), value=1.0)
        return torch.nn.functional.pad(with_ones, (0, padding)).to(device)

    return Problem(
        x=examples(dataset.X_train),
        y=torch.from_numpy(dataset.y_train),
        x_test=examples(dataset.X_test),
        y_test=torch.from_numpy(dataset.y_test).to(device),
        n_classes=dataset.n_classes,
        padding=padding,
    )


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
    device
        ``cpu`` or ``cuda``.
    """

    update: int
    settled: int
    finite: list[int]
    alive: list[int]
    diverged: dict[int, int]
    points: list[list[Point]]
    tensors: dict[str, Tensor]
    seconds: float
    device: str


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

        n_inputs = problem.n_inputs
        sizes = (n_inputs, *one.widths, problem.n_classes)
        # A GPU would wait for them; a CPU's job counts its memory.
        initial = randomness.initial_weights if device.type == "cpu" else _initial_weights
        layers = [
            torch.stack([torch.from_numpy(layer) for layer in layers]).to(device)[self.seed_row]
            for layers in zip(*(initial(seed, sizes) for seed in seeds), strict=True)
        ]
        layers[0] = torch.nn.functional.pad(layers[0], (0, 0, 0, problem.padding))
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
        self.block_updates = block_updates(one, n_inputs, device.type)
        self._advance = advancing(self.stack, self.batches)

    def advance(self, stop: int, due: Callable[[], bool] = lambda: False) -> None:
        """Make updates until `stop`, or until something else is due.

        How the updates before `stop` are cut into blocks does not depend on where it is left off.
        """
        start = self.update
        probe = self.stack.learning_rate.new_empty(stop - start, len(self.stack))
        for portion in self.batches.portions(start, stop, self.block_updates):
            done = self.update - start
            updates = portion.blocks * portion.updates
            self._advance(portion, probe[done : done + updates])
            self.update += updates
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
            self.problem.x.device.type,
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
            self._advance = advancing(self.stack, self.batches)


@lru_cache(maxsize=16)
def _initial_weights(seed: int, sizes: tuple[int, ...]) -> list[np.ndarray]:
    """Return a seed's initial weights, which a GPU needs again for stack after stack."""
    return randomness.initial_weights(seed, sizes)


def _labels(problem: Problem, seed: int, label_noise: float) -> Tensor:
    """Return the labels of the whole pool that a seed trains on."""
    y = randomness.noisy_labels(seed, problem.y.numpy(), label_noise, problem.n_classes)
    return torch.from_numpy(y)
