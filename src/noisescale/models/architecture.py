"""What an architecture provides so that its networks can be trained.

Training, packing and the estimate of costs know networks only through these two protocols. To add
an architecture, write a class that fits `Architecture` and register it under a name in
`noisescale.models.registry`. `noisescale.models.mlp` is the multilayer perceptron of the paper;
``tests/models/test_second_architecture.py`` has a softmax regression in thirty lines.

Nothing here imports torch: the workflow plans with `Architecture`, too.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from noisescale.models.work import Work
from noisescale.study.catalog import Shape
from noisescale.study.grid import Run

if TYPE_CHECKING:
    from torch import Tensor

    from noisescale.models.block import Block
    from noisescale.models.training_sets import TrainingSets


class StackedModel(Protocol):
    """The S networks of a stack with the state of their optimizer, trained together.

    On a GPU, `advance` is recorded as a CUDA graph and replayed: it changes tensors in place, does
    not wait for the device, and its shapes depend on the block alone.

    Attributes
    ----------
    pool : Tensor, shape (n_pool, …)
        Examples from which minibatches are gathered; usually `TrainingSets.x`.
    pool_rows : Tensor of int64, shape (n_seeds, train_size)
        Each training set, as rows of `pool`; usually `TrainingSets.members`.
    block_updates : int
        Largest number of updates in a block for `advance`; 1 if it makes one update at a time.
    widest : int
        Largest number of values that `predictor` computes for one example in one layer. Bounds
        the number of examples that a GPU evaluates together.
    """

    pool: Tensor
    pool_rows: Tensor
    block_updates: int
    widest: int

    def __len__(self) -> int:
        """Return the number of networks, S."""
        ...

    def advance(self, block: Block, finite_signal: Tensor) -> None:
        """Make the updates of a block with every network.

        Parameters
        ----------
        block
            The minibatches.
        finite_signal : Tensor, shape (block.updates, S)
            Output; non-finite from the update at which a network diverges.
        """
        ...

    def predictor(self) -> Callable[[Tensor], Tensor]:
        """Return the current networks' logits as a function of examples.

        Returns
        -------
        callable
            Maps examples of shape (n, …), the same for all networks, or (S, n, …) to logits of
            shape (S, n, n_classes). Valid until the next call of `advance` or `select`.
        """
        ...

    def select(self, mask: Tensor) -> None:
        """Keep the networks for which `mask` (Tensor of bool, shape (S,)) is true."""
        ...

    def state(self) -> dict[str, Tensor]:
        """Return the tensors that training changes, each of shape (S, …), without copying them.

        A training is resumed by copying stored values into these tensors.
        """
        ...


class Architecture(Protocol):
    """A family of networks: how to build a stack of them, and what training them costs."""

    def stack_key(self, run: Run) -> tuple[Hashable, ...]:
        """Return what runs must share to be trained in one stack.

        In addition to preprocessing, training set size, batch size and number of updates, which
        all runs of a stack share (`noisescale.models.registry.stack_key`).
        """
        ...

    def prepare_inputs(self, x: npt.NDArray[np.float32], device: str) -> Tensor:
        """Return examples, shape (n, n_inputs), on the device in the form that networks read."""
        ...

    def build(self, runs: Sequence[Run], sets: TrainingSets) -> StackedModel:
        """Return the networks of a stack with their initial weights.

        What a run's network computes must not depend on the other runs of the stack.

        Parameters
        ----------
        runs
            Runs of equal `noisescale.models.registry.stack_key`.
        sets
            Their training sets, with inputs from `prepare_inputs`.
        """
        ...

    def update_work(self, run: Run, shape: Shape, stack: int, device: str) -> Work:
        """Return a run's work for one update in a stack of `stack` runs on ``cpu`` or ``cuda``."""
        ...

    def evaluation_work(self, run: Run, shape: Shape) -> Work:
        """Return a run's work for one evaluation, on its training set and the test set."""
        ...

    def run_bytes(self, run: Run, shape: Shape, device: str) -> int:
        """Return the memory that a run holds while it trains: weights, velocity, minibatches."""
        ...

    def shared_bytes(self, runs: Sequence[Run], shape: Shape) -> int:
        """Return the memory that runs hold together: what is stored once per training set."""
        ...
