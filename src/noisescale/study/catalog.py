"""The known data sets: their sizes and classes, as far as a study is planned and checked by them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Shape:
    """The sizes of a data set that costs depend on; those of MNIST by default."""

    n_inputs: int = 784
    n_classes: int = 10
    n_train: int = 60_000
    n_test: int = 10_000


DATASET_SHAPES = {"digits": Shape(64, 10, 1000, 797)}
"""Sizes of the data sets that do not have MNIST's, for the estimate of costs."""


CLASS_COUNTS: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
    "digits": (
        (99, 101, 98, 102, 101, 101, 101, 100, 97, 100),
        (79, 81, 79, 81, 80, 81, 80, 79, 77, 80),
    ),
    "mnist": (
        (5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949),
        (980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009),
    ),
    "fashion_mnist": ((6000,) * 10, (1000,) * 10),
    "kmnist": ((6000,) * 10, (1000,) * 10),
}
"""Images of each class in the (training, test) split, to check a study before data are fetched."""
