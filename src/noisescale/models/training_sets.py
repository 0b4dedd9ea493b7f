"""The training sets of a stack of runs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class TrainingSets:
    """The training sets of S runs of equal training set size, on the device that trains.

    Runs of equal seed share the examples, and with equal label noise the labels, too.

    Attributes
    ----------
    x : Tensor, shape (n_pool, …)
        The pool of all examples, from `Architecture.prepare_inputs`.
    members : Tensor of int64, shape (n_seeds, train_size)
        Each seed's training set, as rows of `x`.
    labels : Tensor of int64, shape (n_tasks, train_size)
        The labels of each distinct (seed, label noise).
    seeds : tuple of int, length n_seeds
        The distinct seeds.
    seed_row, task_row : Tensor of int64, shape (S,)
        Each run's row in `members` and in `labels`.
    n_inputs
        Number of inputs of an example, before `Architecture.prepare_inputs`.
    n_classes
        Number of classes.
    """

    x: Tensor
    members: Tensor
    labels: Tensor
    seeds: tuple[int, ...]
    seed_row: Tensor
    task_row: Tensor
    n_inputs: int
    n_classes: int

    def select(self, mask: Tensor) -> TrainingSets:
        """Return the training sets of the runs for which `mask` (bool, shape (S,)) is true."""
        return replace(self, seed_row=self.seed_row[mask], task_row=self.task_row[mask])
