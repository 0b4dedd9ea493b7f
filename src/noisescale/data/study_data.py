"""The prepared data of a study, checked to be those that the study asks for.

It knows nothing of where data come from, so that stages that only read them need no torchvision.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from noisescale.data.dataset import Dataset, load_dataset
from noisescale.errors import DataError
from noisescale.study.checks import check_against_data
from noisescale.study.model import Study

Labels = npt.NDArray[np.int64]


def load_data_of(study: Study, path: Path) -> Dataset:
    """Read the prepared data set of a study.

    Parameters
    ----------
    study
        The study.
    path
        Its ``data.npz``.

    Raises
    ------
    ConfigError
        The study asks for more examples than there are, or for classes that do not exist.
    DataError
        The file is missing or damaged, or contains another data set.
    """
    dataset = load_dataset(path)
    if dataset.name != study.dataset.name:
        raise DataError(
            f"{path}: contains {dataset.name}, but study {study.name} expects "
            f"{study.dataset.name}; use the data.npz in the folder of this study's results"
        )
    check_sizes(study, dataset.y_train, dataset.y_test)
    return dataset


def check_sizes(study: Study, y_train: Labels, y_test: Labels) -> None:
    """Check that a study asks for no more examples than there are, and for classes that exist.

    Parameters
    ----------
    study
        The study.
    y_train, y_test : ndarray of int64, shape (n,)
        The labels of both splits.

    Raises
    ------
    ConfigError
        In one line: the key, its value, what was expected, the remedy.
    """
    n_classes = int(y_train.max()) + 1
    train, test = (
        dict(enumerate(np.bincount(y, minlength=n_classes).tolist())) for y in (y_train, y_test)
    )
    check_against_data(study, len(y_train), train, {c: train[c] + test[c] for c in train})
