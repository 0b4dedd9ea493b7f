"""The catalogue of data sets says what the fetched data are."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from noisescale.data.dataset import load_dataset
from noisescale.data.prepare import prepare_dataset
from noisescale.data.sources import SOURCES
from noisescale.study.catalog import DATASETS, Shape, shape_of
from noisescale.study.model import DatasetSpec


def test_every_data_set_of_the_catalogue_can_be_fetched_and_no_other() -> None:
    assert list(DATASETS) == list(SOURCES)
    assert all(entry.name == name for name, entry in DATASETS.items())


@pytest.mark.parametrize("name", ["digits", pytest.param("mnist", marks=pytest.mark.mnist)])
def test_the_entry_of_a_data_set_is_what_its_data_are(name: str, tmp_path: Path) -> None:
    root = os.environ.get("NOISESCALE_DATA")
    if name == "mnist" and not root:
        pytest.skip("NOISESCALE_DATA is not set")
    prepare_dataset(DatasetSpec(name, None, root or "data"), tmp_path / "data.npz")
    dataset = load_dataset(tmp_path / "data.npz")
    entry = DATASETS[name]
    assert entry.train_counts == tuple(np.bincount(dataset.y_train))
    assert entry.test_counts == tuple(np.bincount(dataset.y_test))
    assert entry.shape.n_inputs == dataset.X_train.shape[1]


@pytest.mark.parametrize("name", sorted(set(DATASETS) - {"npz"}))
def test_the_shape_of_a_data_set_agrees_with_its_counts(name: str) -> None:
    entry = DATASETS[name]
    counts = (sum(entry.train_counts), sum(entry.test_counts))
    assert (entry.shape.n_train, entry.shape.n_test) == counts
    assert entry.shape.n_classes == len(entry.train_counts) == len(entry.test_counts)


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist", "kmnist"])
def test_the_mnist_family_has_60000_and_10000_images(name: str) -> None:
    entry = DATASETS[name]
    assert [sum(entry.train_counts), sum(entry.test_counts)] == [60000, 10000]


def test_a_data_set_of_unknown_sizes_is_planned_as_mnist() -> None:
    assert shape_of("npz") == shape_of("of an earlier version") == shape_of("mnist") == Shape()
    assert shape_of("digits") == Shape(64, 10, 1000, 797)
