"""Minibatches for a stack of runs, drawn without replacement within an epoch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from noisescale.models.block import Block
from noisescale.training.shuffling import permutations

_GATHERED_BYTES = 4_000_000
"""Size of the minibatches that a CPU gathers together, so that they stay in its cache."""
_RECORDED_BLOCKS = 16
"""Largest number of blocks in a group on a GPU, which `cuda_graphs` launches together."""
_SHUFFLED_EXAMPLES = 1 << 20
"""Number of examples to shuffle together: those of several epochs if epochs are short."""


@dataclass(frozen=True)
class BlockGroup:
    """A few consecutive blocks of equal length, whose examples have not been gathered yet.

    Attributes
    ----------
    order : Tensor of int64, shape (2, n_seeds, blocks · updates · batch_size)
        Each seed's examples, as rows of the pool and as positions in its training set. Not used
        if `whole`.
    blocks
        Number of blocks.
    updates
        Number of updates in each block.
    whole
        Whether each block is one update on the whole training set.
    """

    order: Tensor
    blocks: int
    updates: int
    whole: bool = False


class Minibatches:
    """The minibatches of S runs with equal training set size and batch size.

    Every epoch shuffles the training set and divides it into whole minibatches; the remainder is
    left out of that epoch.

    Parameters
    ----------
    x : Tensor, shape (n_pool, …)
        The pool of examples that contains all training sets.
    members : Tensor of int64, shape (n_seeds, train_size)
        Each seed's training set, as indices into the pool.
    targets : Tensor, shape (n_tasks, train_size, n_classes)
        One-hot labels of the training sets, for each distinct (seed, label noise).
    seeds : Tensor of int64, shape (n_seeds,)
        The seeds that shuffle the training sets.
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
        self._whole_block: Block | None = None

    def select(self, mask: Tensor) -> None:
        """Keep the runs where `mask` (Tensor of bool, shape (S,)) is true."""
        self.seed_row, self.task_row = self.seed_row[mask], self.task_row[mask]
        self._whole_block = None

    def groups(self, start: int, stop: int, longest: int = 1) -> Iterator[BlockGroup]:
        """Yield the minibatches of updates `start`, …, `stop` − 1, counted from 0.

        Parameters
        ----------
        start, stop
            First update, and the one after the last.
        longest
            Number of updates in a block; towards the end of an epoch, and before `stop`, the
            largest power of two that remains.
        """
        whole = self.batch_size == self.train_size
        if whole and self._whole_block is None:
            # The order within a full batch does not matter.
            order = torch.arange(self.train_size, device=self.members.device)
            order = torch.stack([self.members, order.expand_as(self.members)])
            (block,) = self._gather(order, 1)
            self._whole_block = Block(block.x, block.targets, block.positions, 1, whole=True)
        while start < stop:
            if whole:
                blocks, updates = self._group_size(stop - start, 1), 1
                yield BlockGroup(self.members[None, :, :0], blocks, 1, whole=True)
            else:
                epoch, first = divmod(start, self.epoch_updates)
                remaining = min(self.epoch_updates - first, stop - start)
                updates = longest if remaining >= longest else 1 << (remaining.bit_length() - 1)
                blocks = self._group_size(remaining // updates, updates)
                last = first + blocks * updates
                order = self._epoch(epoch, stop)
                order = order[:, :, first * self.batch_size : last * self.batch_size]
                yield BlockGroup(order, blocks, updates)
            start += blocks * updates

    def gather(self, group: BlockGroup) -> Iterator[Block]:
        """Yield a group's blocks."""
        if group.whole:
            assert self._whole_block is not None, "groups() makes it"
            yield from [self._whole_block] * group.blocks
            return
        # Together on a CPU, to save calls; one by one on a GPU, to save memory.
        blocks = group.blocks if self.x.is_cpu else 1
        examples = group.updates * self.batch_size
        for order in group.order.split(blocks * examples, dim=2):
            yield from self._gather(order, group.updates)

    def _group_size(self, blocks: int, updates: int) -> int:
        """Return how many of the next `blocks` blocks to put into a group."""
        if not self.x.is_cpu:
            # Powers of two, because a graph is captured for each number of blocks.
            return min(1 << (blocks.bit_length() - 1), _RECORDED_BLOCKS)
        if self.batch_size == self.train_size:
            return 1
        block_bytes = self.x[0].nbytes * len(self.seed_row) * self.batch_size * updates
        return min(blocks, max(1, _GATHERED_BYTES // block_bytes))

    def _epoch(self, epoch: int, stop: int) -> Tensor:
        """Return each seed's order in an epoch, one of those until update `stop`.

        Returns
        -------
        Tensor of int64, shape (2, n_seeds, train_size)
            Rows of the pool, and positions in the training set.
        """
        epochs, orders = self._orders
        if epoch not in epochs:
            n = -(-stop // self.epoch_updates) - epoch
            n = min(n, max(1, _SHUFFLED_EXAMPLES // self.members.numel()))
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
        """Yield the blocks of `updates` minibatches of an order, see `BlockGroup`."""
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
