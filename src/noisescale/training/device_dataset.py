"""A data set on the device, preprocessed, in the form that an architecture reads."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from noisescale.data.dataset import Dataset
from noisescale.models.architecture import Architecture


@dataclass(frozen=True)
class DeviceDataset:
    """A preprocessed data set on the device that trains.

    Attributes
    ----------
    x, x_test : Tensor of float32, shapes (n_pool, …) and (n_test, …)
        Examples, from `Architecture.prepare_inputs`.
    y : Tensor of int64, shape (n_pool,)
        True classes of the pool, on the CPU.
    y_test : Tensor of int64, shape (n_test,)
        Classes of the test examples.
    n_inputs
        Number of inputs of an example, before `Architecture.prepare_inputs`.
    n_classes
        Number of classes.
    """

    x: Tensor
    y: Tensor
    x_test: Tensor
    y_test: Tensor
    n_inputs: int
    n_classes: int


def to_device(dataset: Dataset, device: str, architecture: Architecture) -> DeviceDataset:
    """Move a preprocessed data set to the device, as the architecture reads it."""
    return DeviceDataset(
        x=architecture.prepare_inputs(dataset.X_train, device),
        y=torch.from_numpy(dataset.y_train),
        x_test=architecture.prepare_inputs(dataset.X_test, device),
        y_test=torch.from_numpy(dataset.y_test).to(device),
        n_inputs=dataset.X_train.shape[1],
        n_classes=dataset.n_classes,
    )
