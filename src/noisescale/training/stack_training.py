"""A stack of runs in training: its data, its networks, its learning curves so far."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from noisescale.data.randomness import noisy_labels, subset
from noisescale.models.mlp.evaluation import evaluate
from noisescale.models.mlp.initialization import initial_weights
from noisescale.models.mlp.network import StackedMLP
from noisescale.models.mlp.strategy import block_updates, uses_dual
from noisescale.study.grid import Run
from noisescale.training.cuda_graphs import make_advance
from noisescale.training.learning_curve import Evaluation
from noisescale.training.minibatches import Minibatches, one_hot
from noisescale.training.problem import DeviceDataset
from noisescale.training.state import StackState


class StackTraining:
    """A stack in training: the networks that are still finite, and what they are trained on.

    Attributes
    ----------
    alive, diverged, points, update
        As in `StackState`; `alive` is in the order of the stack.
    """

    def __init__(self, problem: DeviceDataset, runs: list[Run]) -> None:
        device, one = problem.x.device, runs[0]
        seeds = sorted({run.seed for run in runs})
        tasks = sorted({(run.seed, run.label_noise) for run in runs})
        members = torch.stack(
            [torch.from_numpy(subset(seed, len(problem.x), one.train_size)) for seed in seeds]
        ).to(device)
        labels = torch.stack(
            [_labels(problem, *task).to(device)[members[seeds.index(task[0])]] for task in tasks]
        )

        def per_run(values: list) -> Tensor:
            return torch.tensor(values, device=device)

        self.problem = problem
        self.alive = list(range(len(runs)))
        self.diverged: dict[int, int] = {}
        self.points: list[list[Evaluation]] = [[] for _ in runs]
        self.update = self._settled = 0
        self._finite = torch.zeros(len(runs), dtype=torch.int64, device=device)
        self.seed_row = per_run([seeds.index(run.seed) for run in runs])
        self.task_row = per_run([tasks.index((run.seed, run.label_noise)) for run in runs])
        self.members, self.labels = members, labels

        n_inputs = problem.n_inputs
        sizes = (n_inputs, *one.widths, problem.n_classes)
        # A GPU would wait for them; a CPU's job counts its memory.
        initial = initial_weights if device.type == "cpu" else _initial_weights
        layers = [
            torch.stack([torch.from_numpy(layer) for layer in layers]).to(device)[self.seed_row]
            for layers in zip(*(initial(seed, sizes) for seed in seeds), strict=True)
        ]
        layers[0] = torch.nn.functional.pad(layers[0], (0, 0, 0, problem.padding))
        examples, rows, sets = problem.x, members, None
        if uses_dual(one, n_inputs):
            x = problem.x[members]
            examples = torch.bmm(x, x.mT).flatten(0, 1)
            rows = torch.arange(len(examples), device=device).view_as(members)
            sets = x, self.seed_row
        self.stack = StackedMLP(
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
        self._advance = make_advance(self.stack, self.batches)

    def advance(self, stop: int, due: Callable[[], bool] = lambda: False) -> None:
        """Make updates until `stop`, or until something else is due.

        How the updates before `stop` are cut into blocks does not depend on where it is left off.
        """
        start = self.update
        finite_signal = self.stack.learning_rate.new_empty(stop - start, len(self.stack))
        for portion in self.batches.portions(start, stop, self.block_updates):
            done = self.update - start
            updates = portion.blocks * portion.updates
            self._advance(portion, finite_signal[done : done + updates])
            self.update += updates
            if due():
                break
        # A weight that is not finite spoils every later gradient: what is finite is a prefix.
        self._finite += finite_signal[: self.update - start].isfinite().sum(0)

    def drop_diverged(self) -> None:
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
                self.points[i].append(Evaluation(self.update, *values))
            else:
                overflown[i] = self.update
        self._drop(overflown)

    def snapshot(self, seconds: float) -> StackState:
        """Return how far the training has come, in so many seconds."""
        return StackState(
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

    def restore(self, snapshot: StackState) -> None:
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
            mask = torch.tensor([i not in diverged for i in self.alive])
            mask = mask.to(self.seed_row.device)
            self.diverged |= diverged
            self.alive = [i for i in self.alive if i not in diverged]
            self.seed_row, self.task_row = self.seed_row[mask], self.task_row[mask]
            self._finite = self._finite[mask]
            self.stack.select(mask)
            self.batches.select(mask)
            self._advance = make_advance(self.stack, self.batches)


@lru_cache(maxsize=16)
def _initial_weights(seed: int, sizes: tuple[int, ...]) -> list[np.ndarray]:
    """Return a seed's initial weights, which a GPU needs again for stack after stack."""
    return initial_weights(seed, sizes)


def _labels(problem: DeviceDataset, seed: int, label_noise: float) -> Tensor:
    """Return the labels of the whole pool that a seed trains on."""
    y = noisy_labels(seed, problem.y.numpy(), label_noise, problem.n_classes)
    return torch.from_numpy(y)
