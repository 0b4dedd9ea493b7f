"""A benchmark case: network, data, batch size, momentum, and number of networks in a stack."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch

from noisescale.data.dataset import Dataset
from noisescale.models.mlp.initialization import initial_weights
from noisescale.models.registry import get_architecture
from noisescale.study.catalog import Shape
from noisescale.study.grid import Run
from noisescale.training.device_dataset import DeviceDataset, to_device
from noisescale.training.shuffling import permutations

LEARNING_RATE = 0.01
SEEDS = 10
"""Number of different seeds in a stack; a study, too, trains each seed at many settings."""


@dataclass(frozen=True)
class Case:
    """A training that is timed. Every contender makes the same updates of the same networks.

    Attributes
    ----------
    model
        Inputs, hidden units and classes, such as ``784-800-10``.
    stack
        Number of networks.
    """

    model: str
    train_size: int
    batch_size: int
    momentum: float
    stack: int = 1

    @cached_property
    def sizes(self) -> list[int]:
        """Number of inputs, of hidden units in each layer, and of classes."""
        return [int(size) for size in self.model.split("-")]

    @property
    def shape(self) -> Shape:
        """Sizes of the data set."""
        return Shape(self.sizes[0], self.sizes[-1], self.train_size, self.sizes[-1])

    @cached_property
    def runs(self) -> list[Run]:
        """The networks as runs of a study."""
        run = Run(
            hidden="x".join(map(str, self.sizes[1:-1])),
            preprocessing="raw",
            train_size=self.train_size,
            batch_size=self.batch_size,
            learning_rate=LEARNING_RATE,
            momentum=self.momentum,
            weight_decay=0.0,
            label_noise=0.0,
            updates=10_000,
            seed=0,
        )
        return [replace(run, seed=seed) for seed in self.seeds]

    @property
    def seeds(self) -> list[int]:
        """Seed of each network."""
        return [i % SEEDS for i in range(self.stack)]

    @cached_property
    def data(self) -> tuple[np.ndarray, np.ndarray]:
        """Inputs and labels of the training set, which all networks share."""
        draw = np.random.default_rng(0)
        x = draw.random((self.train_size, self.sizes[0]), dtype=np.float32)
        return x, draw.integers(self.sizes[-1], size=self.train_size)

    def initial(self, seed: int) -> list[np.ndarray]:
        """Return the initial weights of each layer of a network, with the bias in the last row."""
        return initial_weights(seed, self.sizes)

    def orders(self, epoch: int, device: str = "cpu") -> torch.Tensor:
        """Return the indices of an epoch's minibatches, shape (updates, stack, batch_size).

        They index the training set in the order in which the seed draws it.
        """
        updates = self.train_size // self.batch_size
        seeds = torch.arange(SEEDS, device=device)
        order = permutations(seeds, epoch, self.train_size)[:, : updates * self.batch_size]
        order = order.unflatten(1, (updates, self.batch_size)).transpose(0, 1)
        return order[:, self.seeds]

    @property
    def flops(self) -> float:
        """Operations of an update: the products of both passes, but no gradient of the inputs."""
        first = self.sizes[0] * self.sizes[1]
        rest = sum(a * b for a, b in zip(self.sizes[1:], self.sizes[2:], strict=False))
        return self.batch_size * (4 * first + 6 * rest)

    @property
    def bytes(self) -> float:
        """Bytes that an update must move: weights and velocities, each read and written."""
        parameters = sum((a + 1) * b for a, b in zip(self.sizes, self.sizes[1:], strict=False))
        return 4 * parameters * (4 if self.momentum else 2)


def random_dataset(shape: Shape, device: str) -> DeviceDataset:
    """Return a data set of uniformly random inputs and labels."""
    draw = np.random.default_rng(0)

    def split(n: int) -> tuple[np.ndarray, np.ndarray]:
        x = draw.random((n, shape.n_inputs), dtype=np.float32)
        return x, draw.integers(shape.n_classes, size=n)

    data = Dataset("", *split(shape.n_train), *split(shape.n_test), shape.n_classes, digest="")
    return to_device(data, device, get_architecture("mlp"))
