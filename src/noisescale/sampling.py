"""Minibatches for a stack of runs, drawn without replacement within an epoch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from noisescale.randomness import permutations

_GATHERED_BYTES = 4_000_000
"""Minibatches are gathered some at a time, as many as stay in a CPU's cache."""


@dataclass(frozen=True)
class Block:
    """The minibatches of a few consecutive updates of S runs.

    Attributes
    ----------
    x : Tensor, shape (S, updates · batch_size, inputs)
        Their examples.
    targets : Tensor, shape (S, updates · batch_size, n_classes)
        One-hot labels.
    positions : Tensor of int64, shape (S, updates · batch_size)
        Where the examples stand in the run's training set.
    updates
        Number of updates.
    whole
        Whether this is one update on the whole training set, in its own order.
    """

    x: Tensor
    targets: Tensor
    positions: Tensor
    updates: int
    whole: bool = False


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
    targets : Tensor, shape (n_tasks, train_size, n_classes)
        One-hot labels of the training sets, for each distinct (seed, label noise).
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
        self.train_size = members.shape[1]
        self.epoch_updates = self.train_size // batch_size
        self._order: tuple[int, Tensor] | None = None
        self._whole: Block | None = None

    def keep(self, chosen: Tensor) -> None:
        """Drop all runs but the chosen ones (Tensor of bool, shape (S,))."""
        self.seed_row, self.task_row = self.seed_row[chosen], self.task_row[chosen]
        self._whole = None

    def blocks(self, start: int, stop: int, longest: int = 1) -> Iterator[Block]:
        """Yield the minibatches of updates `start`, …, `stop` − 1, counted from 0.

        Parameters
        ----------
        start, stop
            First update, and the one after the last.
        longest
            Updates of a block; at the end of an epoch, and before `stop`, there are blocks of a
            power of two of them.
        """
        if self.batch_size == self.train_size:
            # The order within a full batch is of no consequence.
            if self._whole is None:
                order = torch.arange(self.train_size, device=self.members.device)
                (block,) = self._gather(order.expand(len(self.seed_row), -1), 1)
                self._whole = Block(block.x, block.targets, block.positions, 1, whole=True)
            for _ in range(start, stop):
                yield self._whole
            return

        example_bytes = self.x[0].nbytes * len(self.seed_row)
        at_once = max(1, _GATHERED_BYTES // (example_bytes * self.batch_size * longest)) * longest
        while start < stop:
            epoch, first = divmod(start, self.epoch_updates)
            left = min(self.epoch_updates - first, stop - start)
            n, updates = _portion(left, longest, at_once)
            last = first + n
            order = self._epoch(epoch)[:, first * self.batch_size : last * self.batch_size]
            yield from self._gather(order[self.seed_row], updates)
            start += n

    def _epoch(self, epoch: int) -> Tensor:
        """Each seed's order of its training set in an epoch, shape (n_seeds, train_size)."""
        if self._order is None or self._order[0] != epoch:
            self._order = epoch, permutations(self.seeds, epoch, self.train_size)
        return self._order[1]

    def _gather(self, order: Tensor, updates: int) -> Iterator[Block]:
        """Yield blocks of `updates` minibatches of the training sets' positions `order`.

        Its shape is (S, n_blocks · updates · batch_size).
        """
        positions = order.unflatten(1, (-1, updates * self.batch_size)).transpose(0, 1).contiguous()
        index = self.members[self.seed_row].gather(1, order)
        index = index.unflatten(1, (-1, updates * self.batch_size)).transpose(0, 1)
        label = positions + (self.task_row * self.train_size)[:, None]
        x = self.x.index_select(0, index.flatten()).unflatten(0, index.shape)
        targets = self.targets.index_select(0, label.flatten()).unflatten(0, label.shape)
        for block in zip(x, targets, positions, strict=True):
            yield Block(*block, updates)


def _portion(left: int, longest: int, at_once: int) -> tuple[int, int]:
    """Return how many of the updates left to gather at once, and how many make a block."""
    if left >= longest:
        return min(left // longest * longest, at_once), longest
    updates = 1 << (left.bit_length() - 1)
    return updates, updates


def one_hot(labels: Tensor, n_classes: int) -> Tensor:
    """Return one-hot float32 labels with a further last axis of `n_classes`."""
    return torch.nn.functional.one_hot(labels, n_classes).to(torch.float32)
