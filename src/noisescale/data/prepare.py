"""The stage that writes a study's data set as one file, and checks that the study fits it."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np

from noisescale.data.dataset import SCHEMA_VERSION, Dataset, dataset_digest, to_dataset
from noisescale.data.npz import ARRAYS, Array, count_test_images_in_train
from noisescale.data.sources import SOURCES, source_digest
from noisescale.data.study_data import check_sizes
from noisescale.errors import DataError
from noisescale.storage.files import atomic_write
from noisescale.study.model import DatasetSpec, Study

_LOGGER = logging.getLogger(__name__)


def open_dataset(dataset: str | DatasetSpec) -> Dataset:
    """Return a data set in memory, without the workflow and without writing a file.

    Parameters
    ----------
    dataset
        A known name such as ``"digits"``, the path of your own ``.npz`` file, or a specification.

    Returns
    -------
    Dataset
        Not yet preprocessed.

    Raises
    ------
    DataError
        The data cannot be found, downloaded or read, or cannot be used.

    Examples
    --------
    >>> import noisescale as ns
    >>> digits = ns.open_dataset("digits")
    >>> digits.X_train.shape, digits.n_classes
    ((1000, 64), 10)
    """
    if isinstance(dataset, str):
        own = dataset.endswith(".npz")
        dataset = DatasetSpec("npz" if own else dataset, dataset if own else None, "data")
    arrays, scale = _read_source(dataset)
    return to_dataset(dataset.name, arrays, scale)


def _read_source(spec: DatasetSpec) -> tuple[dict[str, Array], float]:
    """Return a data set's arrays as they are stored, and the scale of its inputs."""
    if spec.name not in SOURCES:
        known = ", ".join(SOURCES)
        raise DataError(f"dataset.name: {spec.name!r} is not known; expected one of {known}")
    splits, scale = SOURCES[spec.name](spec)
    return dict(zip(ARRAYS, splits, strict=True)), scale


def prepare_dataset(spec: DatasetSpec, output: Path) -> None:
    """Find or download a data set, check it, and write it to `output`.

    The file is an uncompressed ``.npz`` with X_train and X_test (uint8 or float32), y_train and
    y_test (int64), ``scale`` (the inputs are X times scale) and ``meta`` (JSON, see
    `noisescale.data.dataset.read_dataset_metadata`). Equal data give equal bytes.

    Raises
    ------
    DataError
        The data cannot be found, downloaded or read, or cannot be used.
    RecordError
        `output` cannot be written.
    """
    arrays, scale = _read_source(spec)
    _write(spec, arrays, scale, output)


def _write(spec: DatasetSpec, arrays: dict[str, Array], scale: float, output: Path) -> None:
    """Write the file that `prepare_dataset` describes."""
    meta: dict[str, Any] = {
        "kind": "data",
        "schema_version": SCHEMA_VERSION,
        "name": spec.name,
        "n_classes": int(arrays["y_train"].max()) + 1,
        "source": source_digest(spec),
        "digest": dataset_digest(spec.name, arrays, scale),
    }
    if spec.path:
        shared = count_test_images_in_train(arrays)
        meta["test_images_in_train"] = shared
        if shared:
            _LOGGER.warning(
                "%s: %d of %d images in X_test also occur in X_train; test accuracies are too high",
                spec.path,
                shared,
                len(arrays["y_test"]),
            )
    with atomic_write(output) as temporary, open(temporary, "wb") as file:
        contents: dict[str, Any] = arrays | {
            "scale": np.float64(scale),
            "meta": np.array(json.dumps(meta)),
        }
        np.savez(file, allow_pickle=False, **contents)


def data_stage(study_path: Path, output: Path) -> None:
    """Write a study's data set to `output`, if the study fits it.

    Raises
    ------
    ConfigError
        The study asks for more examples than there are, or for classes that do not exist.
    DataError, RecordError
        As `prepare_dataset`.
    """
    study = Study.read(study_path)
    arrays, scale = _read_source(study.dataset)
    check_sizes(study, arrays["y_train"], arrays["y_test"])
    _write(study.dataset, arrays, scale, output)
