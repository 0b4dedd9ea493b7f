"""A stack of runs as perceptrons: initial weights, inputs, and how the first layer is trained."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache, partial

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from noisescale.models.mlp.initialization import initial_weights
from noisescale.models.mlp.layer_sizes import layer_sizes
from noisescale.models.mlp.sgd import StackedMLP, forward
from noisescale.models.mlp.strategy import block_updates, uses_dual
from noisescale.models.training_sets import TrainingSets
from noisescale.study.grid import Run


class MLPStack(StackedMLP):
    """The networks of a stack of runs; a `noisescale.models.architecture.StackedModel`.

    Parameters
    ----------
    runs
        Runs of equal `noisescale.models.registry.stack_key`.
    sets
        Their training sets, with inputs from `prepare_inputs`.
    """

    def __init__(self, runs: Sequence[Run], sets: TrainingSets) -> None:
        run = runs[0]
        self.block_updates = block_updates(run, sets.n_inputs, sets.x.device.type)
        self.widest = max(layer_sizes(run, sets.n_inputs, sets.n_classes)[1:])
        self.pool, self.pool_rows = sets.x, sets.members
        training_sets = None
        if uses_dual(run, sets.n_inputs):
            # In the dual, an example is a row of its training set's Gram matrix.
            x = sets.x[sets.members]
            self.pool = torch.bmm(x, x.mT).flatten(0, 1)
            rows = torch.arange(len(self.pool), device=x.device)
            self.pool_rows = rows.view_as(sets.members)
            training_sets = x, sets.seed_row

        def per_run(values: list[float]) -> Tensor:
            return torch.tensor(values, device=sets.x.device)

        super().__init__(
            _initial_layers(run, sets),
            learning_rate=per_run([run.learning_rate for run in runs]),
            weight_decay=per_run([run.weight_decay for run in runs]),
            momentum=run.momentum,
            batch_size=run.batch_size,
            training_sets=training_sets,
        )

    def predictor(self) -> Callable[[Tensor], Tensor]:
        """Return the current networks' logits as a function of examples."""
        return partial(forward, layers=self.layers)


def prepare_inputs(x: npt.NDArray[np.float32], device: str) -> Tensor:
    """Return examples on the device, with a column of ones that the bias is multiplied with.

    A GPU multiplies matrices whose rows start at multiples of 32 bytes faster than others: there,
    columns of zeros follow, whose weights are zero and stay so.

    Parameters
    ----------
    x : ndarray, shape (n, n_inputs)
    device
        ``cpu`` or ``cuda``.

    Returns
    -------
    Tensor, shape (n, n_inputs + 1 + padding)
    """
    padding = 0 if device == "cpu" else -(x.shape[1] + 1) % 8
    with_ones = torch.nn.functional.pad(torch.from_numpy(x), (0, 1), value=1.0)
    return torch.nn.functional.pad(with_ones, (0, padding)).to(device)


def _initial_layers(run: Run, sets: TrainingSets) -> list[Tensor]:
    """Return the initial weights, shapes (S, inputs + 1, outputs), zero for padded inputs."""
    device = sets.x.device
    sizes = layer_sizes(run, sets.n_inputs, sets.n_classes)
    # Cache on a GPU only; on a CPU the cache would not be reused.
    initial = initial_weights if device.type == "cpu" else _cached_initial_weights
    layers = [
        torch.stack([torch.from_numpy(layer) for layer in of_seeds]).to(device)[sets.seed_row]
        for of_seeds in zip(*(initial(seed, sizes) for seed in sets.seeds), strict=True)
    ]
    padding = sets.x.shape[1] - (sets.n_inputs + 1)
    layers[0] = torch.nn.functional.pad(layers[0], (0, 0, 0, padding))
    return layers


@lru_cache(maxsize=16)
def _cached_initial_weights(seed: int, sizes: tuple[int, ...]) -> list[npt.NDArray[np.float32]]:
    """Return a seed's initial weights, which several stacks need one after the other."""
    return initial_weights(seed, sizes)
