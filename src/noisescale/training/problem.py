"""A data set on the device, preprocessed, as the training of a stack reads it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from noisescale.data.dataset import Dataset


@dataclass(frozen=True)
class DeviceDataset:
    """A preprocessed data set on the device that trains.

    Attributes
    ----------
    x, x_test : Tensor of float32, shapes (n_pool, columns) and (n_test, columns)
        Examples: their inputs, a column of ones for the bias, and columns of zeros.
    y : Tensor of int64, shape (n_pool,)
        True classes of the pool, on the CPU.
    y_test : Tensor of int64, shape (n_test,)
        Classes of the test examples.
    padding
        Number of columns of zeros, whose weights are zero and stay so.
    """

    x: Tensor
    y: Tensor
    x_test: Tensor
    y_test: Tensor
    n_classes: int
    padding: int = 0

    @property
    def n_inputs(self) -> int:
        """Number of inputs of an example."""
        return self.x.shape[1] - 1 - self.padding


def to_device(dataset: Dataset, device: str) -> DeviceDataset:
    """Move a data set to the device, with a column of ones beside the inputs for the bias.

    A GPU multiplies matrices whose rows start at multiples of 32 bytes faster than others.
    """
    padding = 0 if device == "cpu" else -(dataset.X_train.shape[1] + 1) % 8

    def examples(x: np.ndarray) -> Tensor:
        with_ones = torch.nn.functional.pad(torch.from_numpy(x), (0, 1), value=1.0)
        return torch.nn.functional.pad(with_ones, (0, padding)).to(device)

    return DeviceDataset(
        x=examples(dataset.X_train),
        y=torch.from_numpy(dataset.y_train),
        x_test=examples(dataset.X_test),
        y_test=torch.from_numpy(dataset.y_test).to(device),
        n_classes=dataset.n_classes,
        padding=padding,
    )
