"""Minibatches for a stack of runs, drawn without replacement within an epoch."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from noisescale.randomness import permutations

_BLOCK_BYTES = 4_000_000
"""Minibatches are gathered some at a time: a block stays in a CPU's cache."""


class Minibatches:
    """The minibatches of S runs with equal training-set and batch size.

    An epoch is a new order of the training set, cut into whole minibatches; the remainder is left
    out of that epoch.

    Parameters
    ----------
    x : Tensor, shape (n_pool, inputs)
        The pool of examples that all runs draw their training sets from.
    members : Tensor of int64, shape (n_seeds, train_size)
        Each seed's training set, as indices into the pool.
    targets : Tensor, shape (n_tasks, n_pool, n_classes)
        One-hot labels of the pool, for each distinct (seed, label noise).
    seeds : Tensor of int64, shape (n_seeds,)
        The seeds that order the training sets.
    seed_row, task_row : Tensor of int64, shape (S,)
        Each run's row in `members` and `targets`.
    batch_size
        Number of examples in each minibatch.
    """

    def __init__(
        self,
        x: Tensor,
        members: Tensor,
        targets: Tensor,
        seeds: Tensor,
        seed_row: Tensor,
        task_row: Tensor,
        batch_size: int,
    ) -> None:
        self.x = x
        self.members = members
        self.targets = targets.flatten(0, 1)
        self.seeds = seeds
        self.seed_row = seed_row
        self.task_row = task_row
        self.batch_size = batch_size
        self.epoch_updates = members.shape[1] // batch_size
        self._order: tuple[int, Tensor] | None = None
        self._whole: tuple[Tensor, Tensor] | None = None

    def keep(self, chosen: Tensor) -> None:
        """Drop all runs but the chosen ones (Tensor of bool, shape (S,))."""
        self.seed_row, self.task_row = self.seed_row[chosen], self.task_row[chosen]
        self._whole = None

    def updates(self, start: int, stop: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the minibatches of updates `start`, …, `stop` − 1, counted from 0.

        Yields
        ------
        x : Tensor, shape (S, batch_size, inputs)
        targets : Tensor, shape (S, batch_size, n_classes)
        """
        if self.batch_size == self.members.shape[1]:
            # The order within a full batch is of no consequence.
            if self._whole is None:
                self._whole = next(zip(*self._gather(self.members[self.seed_row]), strict=True))
            for _ in range(start, stop):
                yield self._whole
            return

        example_bytes = self.x[0].nbytes * len(self.seed_row)
        block = max(1, _BLOCK_BYTES // (example_bytes * self.batch_size))
        while start < stop:
            epoch, first = divmod(start, self.epoch_updates)
            last = min(first + block, self.epoch_updates, first + stop - start)
            order = self._epoch(epoch)[:, first * self.batch_size : last * self.batch_size]
            yield from zip(*self._gather(order[self.seed_row]), strict=True)
            start += last - first

    def _epoch(self, epoch: int) -> Tensor:
        """Each seed's training set in an epoch's order, shape (n_seeds, train_size)."""
        if self._order is None or self._order[0] != epoch:
            order = permutations(self.seeds, epoch, self.members.shape[1])
            self._order = epoch, self.members.gather(1, order)
        return self._order[1]

    def _gather(self, order: Tensor) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """Minibatches of pool indices `order`, shape (S, updates · batch_size)."""
        index = order.unflatten(1, (-1, self.batch_size)).transpose(0, 1)
        task = self.task_row[:, None] * len(self.x)
        x = self.x.index_select(0, index.flatten()).unflatten(0, index.shape)
        targets = self.targets.index_select(0, (index + task).flatten()).unflatten(0, index.shape)
        return x.unbind(), targets.unbind()


def one_hot(labels: Tensor, n_classes: int) -> Tensor:
    """Return one-hot float32 labels with a further last axis of `n_classes`."""
    return torch.nn.functional.one_hot(labels, n_classes).to(torch.float32)
