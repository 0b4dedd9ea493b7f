"""Minibatches for a stack of runs, drawn without replacement within an epoch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from noisescale.models.block import Block
from noisescale.training.shuffling import permutations

_GATHERED_BYTES = 4_000_000
"""Minibatches are gathered some at a time, as many as stay in a CPU's cache."""
_RECORDED_BLOCKS = 16
"""Blocks of a portion on a GPU, which are recorded and launched as one (`noisescale.training.cuda_graphs`)."""
_ORDERED = 1 << 20
"""Examples to put in order at a time, of several epochs where these are short."""


@dataclass(frozen=True)
class BlockGroup:
    """A few consecutive blocks of one length, whose examples are yet to be gathered.

    Attributes
    ----------
    order : Tensor of int64, shape (2, n_seeds, blocks · updates · batch_size)
        Each seed's examples, as rows of the pool and as positions in its training set. Without
        meaning where `whole`.
    blocks
        Number of blocks.
    updates
        Of each block.
    whole
        Whether each block is one update on the whole training set.
    """

    order: Tensor
    blocks: int
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
        self._orders: tuple[range, Tensor] = range(0), members[None, None]
        self._whole: Block | None = None

    def select(self, mask: Tensor) -> None:
        """Keep the runs where `mask` (Tensor of bool, shape (S,)) is true."""
        self.seed_row, self.task_row = self.seed_row[mask], self.task_row[mask]
        self._whole = None

    def portions(self, start: int, stop: int, longest: int = 1) -> Iterator[BlockGroup]:
        """Yield the minibatches of updates `start`, …, `stop` − 1, counted from 0.

        Parameters
        ----------
        start, stop
            First update, and the one after the last.
        longest
            Updates of a block; at the end of an epoch, and before `stop`, there are blocks of a
            power of two of them.
        """
        whole = self.batch_size == self.train_size
        if whole and self._whole is None:
            # The order within a full batch is of no consequence.
            order = torch.arange(self.train_size, device=self.members.device)
            order = torch.stack([self.members, order.expand_as(self.members)])
            (block,) = self._gather(order, 1)
            self._whole = Block(block.x, block.targets, block.positions, 1, whole=True)
        while start < stop:
            if whole:
                blocks, updates = self._at_once(stop - start, 1), 1
                yield BlockGroup(self.members[None, :, :0], blocks, 1, whole=True)
            else:
                epoch, first = divmod(start, self.epoch_updates)
                left = min(self.epoch_updates - first, stop - start)
                updates = longest if left >= longest else 1 << (left.bit_length() - 1)
                blocks = self._at_once(left // updates, updates)
                last = first + blocks * updates
                order = self._epoch(epoch, stop)
                order = order[:, :, first * self.batch_size : last * self.batch_size]
                yield BlockGroup(order, blocks, updates)
            start += blocks * updates

    def gather(self, portion: BlockGroup) -> Iterator[Block]:
        """Yield a portion's blocks."""
        if portion.whole:
            yield from [self._whole] * portion.blocks
            return
        # A CPU spends its time on calls, a GPU its memory on examples.
        at_once = portion.blocks if self.x.is_cpu else 1
        examples = portion.updates * self.batch_size
        for order in portion.order.split(at_once * examples, dim=2):
            yield from self._gather(order, portion.updates)

    def _at_once(self, blocks: int, updates: int) -> int:
        """Return how many of so many blocks make a portion."""
        if not self.x.is_cpu:
            # Few different numbers, each of which is recorded once.
            return min(1 << (blocks.bit_length() - 1), _RECORDED_BLOCKS)
        if self.batch_size == self.train_size:
            return 1
        block_bytes = self.x[0].nbytes * len(self.seed_row) * self.batch_size * updates
        return min(blocks, max(1, _GATHERED_BYTES // block_bytes))

    def _epoch(self, epoch: int, stop: int) -> Tensor:
        """Return each seed's order in an epoch, of those until update `stop`.

        Returns
        -------
        Tensor of int64, shape (2, n_seeds, train_size)
            Rows of the pool, and positions in the training set.
        """
        epochs, orders = self._orders
        if epoch not in epochs:
            n = -(-stop // self.epoch_updates) - epoch
            n = min(n, max(1, _ORDERED // self.members.numel()))
            epochs = range(epoch, epoch + n)
            number = torch.arange(epoch, epoch + n, device=self.seeds.device)
            positions = permutations(
                self.seeds.repeat(n), number.repeat_interleave(len(self.seeds)), self.train_size
            ).unflatten(0, (n, -1))
            rows = self.members.expand(n, -1, -1).gather(2, positions)
            self._orders = epochs, torch.stack([rows, positions], dim=1)
            orders = self._orders[1]
        return orders[epoch - epochs.start]

    def _gather(self, order: Tensor, updates: int) -> Iterator[Block]:
        """Yield blocks of `updates` minibatches of an order, as of `BlockGroup`."""
        order = order[:, self.seed_row].unflatten(2, (-1, updates * self.batch_size))
        rows, positions = order.transpose(1, 2).contiguous()
        labels = positions + (self.task_row * self.train_size)[:, None]
        x = self.x.index_select(0, rows.flatten()).unflatten(0, rows.shape)
        targets = self.targets.index_select(0, labels.flatten()).unflatten(0, labels.shape)
        for block in zip(x, targets, positions, strict=True):
            yield Block(*block, updates)


def one_hot(labels: Tensor, n_classes: int) -> Tensor:
    """Return one-hot float32 labels with a further last axis of `n_classes`."""
    return torch.nn.functional.one_hot(labels, n_classes).to(torch.float32)
