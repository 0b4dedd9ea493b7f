"""The known data sets and their sizes, with which a study is planned and checked without any data.

`noisescale.data.sources` has the functions that fetch them, under the same names.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Shape:
    """The sizes of a data set that costs depend on; those of MNIST by default."""

    n_inputs: int = 784
    n_classes: int = 10
    n_train: int = 60_000
    n_test: int = 10_000


@dataclass(frozen=True)
class DatasetEntry:
    """A data set as it is known before it is fetched.

    Attributes
    ----------
    name
        The value of ``dataset.name`` in the configuration.
    origin
        Where the data come from, in words.
    shape
        Its sizes; for a user's own file, which is not read while planning, those of MNIST.
    train_counts, test_counts
        Number of examples of each class in the training and in the test split; empty for a user's
        own file.
    """

    name: str
    origin: str
    shape: Shape
    train_counts: tuple[int, ...] = ()
    test_counts: tuple[int, ...] = ()


DATASETS = {
    entry.name: entry
    for entry in (
        DatasetEntry(
            name="digits",
            origin="embedded in scikit-learn",
            shape=Shape(n_inputs=64, n_classes=10, n_train=1000, n_test=797),
            train_counts=(99, 101, 98, 102, 101, 101, 101, 100, 97, 100),
            test_counts=(79, 81, 79, 81, 80, 81, 80, 79, 77, 80),
        ),
        DatasetEntry(
            name="mnist",
            origin="through torchvision",
            shape=Shape(),
            train_counts=(5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949),
            test_counts=(980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009),
        ),
        DatasetEntry(
            name="fashion_mnist",
            origin="through torchvision",
            shape=Shape(),
            train_counts=(6000,) * 10,
            test_counts=(1000,) * 10,
        ),
        DatasetEntry(
            name="kmnist",
            origin="through torchvision",
            shape=Shape(),
            train_counts=(6000,) * 10,
            test_counts=(1000,) * 10,
        ),
        DatasetEntry(name="npz", origin="a file of your own", shape=Shape()),
    )
}
"""Every data set that a configuration can name."""


def shape_of(name: str) -> Shape:
    """Return the sizes of a data set for planning; those of MNIST if they are not known."""
    entry = DATASETS.get(name)
    return Shape() if entry is None else entry.shape
