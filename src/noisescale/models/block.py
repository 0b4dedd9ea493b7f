"""The minibatches of a few consecutive updates."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Block:
    """The minibatches of a few consecutive updates of S runs.

    Attributes
    ----------
    x : Tensor, shape (S, updates · batch_size, …)
        Their examples: rows of `StackedModel.pool`.
    targets : Tensor, shape (S, updates · batch_size, n_classes)
        One-hot labels.
    positions : Tensor of int64, shape (S, updates · batch_size)
        The examples' positions in the run's training set.
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
