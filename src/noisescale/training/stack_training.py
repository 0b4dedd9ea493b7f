"""A stack of runs in training: training sets, networks, and the learning curves so far."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from noisescale.data.randomness import noisy_labels, subset
from noisescale.models.registry import architecture_of
from noisescale.models.training_sets import TrainingSets
from noisescale.study.grid import Run
from noisescale.training.cuda_graphs import make_advance
from noisescale.training.device_dataset import DeviceDataset
from noisescale.training.evaluation import LabelledExamples, evaluate
from noisescale.training.learning_curve import Evaluation
from noisescale.training.minibatches import Minibatches, one_hot
from noisescale.training.state import StackState


class StackTraining:
    """A stack in training: the networks that are still finite, and their minibatches.

    Parameters
    ----------
    data
        The data set.
    runs
        Runs of equal `noisescale.models.registry.stack_key`.

    Attributes
    ----------
    data : DeviceDataset
    sets : TrainingSets
        Training sets of the runs alive.
    model : noisescale.models.architecture.StackedModel
        The networks of the runs alive.
    alive, diverged, evaluations, update
        As in `StackState`; `alive` is in the order of the stack.
    """

    def __init__(self, data: DeviceDataset, runs: list[Run]) -> None:
        self.data = data
        self.sets = training_sets(data, runs)
        self.model = architecture_of(runs[0]).build(runs, self.sets)
        self.batches = Minibatches(
            self.model.pool,
            self.model.pool_rows,
            one_hot(self.sets.labels, data.n_classes),
            torch.tensor(self.sets.seeds, device=data.x.device),
            self.sets.seed_row,
            self.sets.task_row,
            runs[0].batch_size,
        )
        self.alive = list(range(len(runs)))
        self.diverged: dict[int, int] = {}
        self.evaluations: list[list[Evaluation]] = [[] for _ in runs]
        self.update = self._checked = 0
        self._finite = torch.zeros(len(runs), dtype=torch.int64, device=data.x.device)
        self._advance = make_advance(self.model, self.batches)

    def advance(self, stop: int, due: Callable[[], bool] = lambda: False) -> None:
        """Make updates until `stop`, or until `due` returns true.

        The updates are divided into the same blocks wherever they are interrupted.
        """
        start = self.update
        finite_signal = torch.empty(stop - start, len(self.model), device=self._finite.device)
        for group in self.batches.groups(start, stop, self.model.block_updates):
            done = self.update - start
            updates = group.blocks * group.updates
            self._advance(group, finite_signal[done : done + updates])
            self.update += updates
            if due():
                break
        # Once a weight is non-finite, so are all later gradients: the count is the update that
        # diverged.
        self._finite += finite_signal[: self.update - start].isfinite().sum(0)

    def drop_diverged(self) -> None:
        """Remove the runs whose gradients have become non-finite."""
        since, finite = self.update - self._checked, self._finite.tolist()
        self._drop(
            {i: self._checked + n + 1 for i, n in zip(self.alive, finite, strict=True) if n < since}
        )
        self._finite.zero_()
        self._checked = self.update

    def evaluate(self) -> None:
        """Add a point to the learning curves; remove the runs with non-finite outputs."""
        data, sets = self.data, self.sets
        train, test = evaluate(
            self.model,
            LabelledExamples(data.x, sets.labels[sets.task_row], sets.members[sets.seed_row]),
            LabelledExamples(data.x_test, data.y_test[None]),
        )
        not_finite = {}
        for i, *values in zip(self.alive, *train, *test, strict=True):
            if math.isfinite(values[1]) and math.isfinite(values[3]):
                self.evaluations[i].append(Evaluation(self.update, *values))
            else:
                not_finite[i] = self.update
        self._drop(not_finite)

    def snapshot(self, seconds: float) -> StackState:
        """Return the current state, after `seconds` of training."""
        return StackState(
            self.update,
            self._checked,
            self._finite.tolist(),
            list(self.alive),
            dict(self.diverged),
            [list(evaluations) for evaluations in self.evaluations],
            self.model.state(),
            seconds,
            self.data.x.device.type,
        )

    def restore(self, snapshot: StackState) -> None:
        """Resume from a snapshot of the same runs; call it before any update."""
        self._drop(snapshot.diverged)
        for name, value in self.model.state().items():
            value.copy_(snapshot.tensors[name])
        self._finite.copy_(torch.tensor(snapshot.finite))
        self.evaluations = [list(evaluations) for evaluations in snapshot.evaluations]
        self.update, self._checked = snapshot.update, snapshot.checked

    def _drop(self, diverged: dict[int, int]) -> None:
        """Remove runs that have diverged."""
        if diverged:
            mask = torch.tensor([i not in diverged for i in self.alive])
            mask = mask.to(self._finite.device)
            self.diverged |= diverged
            self.alive = [i for i in self.alive if i not in diverged]
            self._finite = self._finite[mask]
            self.sets = self.sets.select(mask)
            self.model.select(mask)
            self.batches.select(mask)
            self._advance = make_advance(self.model, self.batches)


def training_sets(data: DeviceDataset, runs: list[Run]) -> TrainingSets:
    """Return the training sets of runs of equal training set size.

    Which examples and labels they hold depends on each run's seed and label noise
    (`noisescale.data.randomness`).
    """
    device, train_size = data.x.device, runs[0].train_size
    seeds = sorted({run.seed for run in runs})
    tasks = sorted({(run.seed, run.label_noise) for run in runs})
    members = torch.stack(
        [torch.from_numpy(subset(seed, len(data.x), train_size)) for seed in seeds]
    ).to(device)
    labels = torch.stack(
        [_pool_labels(data, *task).to(device)[members[seeds.index(task[0])]] for task in tasks]
    )
    task_row = [tasks.index((run.seed, run.label_noise)) for run in runs]
    return TrainingSets(
        x=data.x,
        members=members,
        labels=labels,
        seeds=tuple(seeds),
        seed_row=torch.tensor([seeds.index(run.seed) for run in runs], device=device),
        task_row=torch.tensor(task_row, device=device),
        n_inputs=data.n_inputs,
        n_classes=data.n_classes,
    )


def _pool_labels(data: DeviceDataset, seed: int, label_noise: float) -> Tensor:
    """Return the labels of the whole pool with a seed's label noise."""
    return torch.from_numpy(noisy_labels(seed, data.y.numpy(), label_noise, data.n_classes))
