"""The data set digits, prepared once."""

import pytest

from noisescale.data.dataset import load_dataset
from noisescale.data.prepare import prepare_dataset
from noisescale.study.model import DatasetSpec


@pytest.fixture(scope="session")
def digits_path(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "digits.npz"
    prepare_dataset(DatasetSpec("digits", None, "data"), path)
    return path


@pytest.fixture(scope="session")
def digits(digits_path):
    return load_dataset(digits_path)
