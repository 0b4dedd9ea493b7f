"""The multilayer perceptron (ReLU, softmax, cross-entropy) as an `Architecture`.

`noisescale.models.mlp.sgd` has the forward pass, the backward pass and the momentum update;
`input_layer` the ways to train the first layer and `strategy` the choice among them; `stack` builds
a stack from runs; `cost` estimates work and memory.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from noisescale.models.mlp import cost
from noisescale.models.work import Work
from noisescale.study.catalog import Shape
from noisescale.study.grid import Run

if TYPE_CHECKING:
    from torch import Tensor

    from noisescale.models.mlp.stack import MLPStack
    from noisescale.models.training_sets import TrainingSets


class MLP:
    """Perceptrons whose hidden widths a run names by its `hidden`, such as ``400x200``."""

    def stack_key(self, run: Run) -> tuple[Hashable, ...]:
        """Return what runs of one stack share: widths and the kind of update."""
        return run.hidden, run.momentum, run.weight_decay > 0

    def prepare_inputs(self, x: npt.NDArray[np.float32], device: str) -> Tensor:
        """Return examples with a column of ones for the bias, see `stack.prepare_inputs`."""
        from noisescale.models.mlp.stack import prepare_inputs

        return prepare_inputs(x, device)

    def build(self, runs: Sequence[Run], sets: TrainingSets) -> MLPStack:
        """Return the stack with its initial weights."""
        from noisescale.models.mlp.stack import MLPStack

        return MLPStack(runs, sets)

    def update_work(self, run: Run, shape: Shape, stack: int, device: str) -> Work:
        """Return a run's work for one update."""
        return cost.update_work(run, shape, stack, device)

    def evaluation_work(self, run: Run, shape: Shape) -> Work:
        """Return a run's work for one evaluation."""
        return cost.evaluation_work(run, shape)

    def run_bytes(self, run: Run, shape: Shape, device: str) -> int:
        """Return the memory that a run holds while it trains."""
        return cost.run_bytes(run, shape, device)

    def shared_bytes(self, runs: Sequence[Run], shape: Shape) -> int:
        """Return the memory of the training sets and Gram matrices of the dual."""
        return cost.shared_bytes(runs, shape)
