"""The job that makes a study's data set into one file, and checks that the study fits it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from noisescale.data.dataset import SCHEMA_VERSION, dataset_digest, load_dataset
from noisescale.data.npz import ARRAYS
from noisescale.data.sources import SOURCES
from noisescale.errors import DataError
from noisescale.storage.digests import sha256, write_checksum
from noisescale.storage.files import atomic_write
from noisescale.study.checks import check_against_data
from noisescale.study.model import DatasetSpec, Study


def prepare_dataset(spec: DatasetSpec, output: Path) -> None:
    """Find or download a data set, check it, and write it to `output`.

    The file is an uncompressed ``.npz`` with X_train and X_test (uint8 or float32), y_train and
    y_test (int64), ``scale`` (X times scale is what ``raw`` means) and ``meta`` (JSON). Equal data
    give equal bytes. Its checksum is written beside it.

    Raises
    ------
    DataError
        The data cannot be found, downloaded or read, or are not fit for a study.
    RecordError
        `output` cannot be written.
    """
    if spec.name not in SOURCES:
        known = ", ".join(SOURCES)
        raise DataError(f"dataset.name: {spec.name!r} is not known; expected one of {known}")
    splits, scale = SOURCES[spec.name](spec)
    arrays = dict(zip(ARRAYS, splits, strict=True))
    meta = {
        "kind": "data",
        "schema_version": SCHEMA_VERSION,
        "name": spec.name,
        "n_classes": int(arrays["y_train"].max()) + 1,
        "source": sha256(spec.path) if spec.path else None,
        "digest": dataset_digest(spec.name, arrays, scale),
    }
    with atomic_write(output) as temporary, open(temporary, "wb") as file:
        np.savez(file, **arrays, scale=np.float64(scale), meta=np.array(json.dumps(meta)))
    write_checksum(output)


def data_stage(study_path: Path, output: Path) -> None:
    """Write a study's data set to `output`, if the study fits it.

    Raises
    ------
    ConfigError
        The study wants more examples, or other classes, than there are.
    DataError, RecordError
        As `prepare_dataset`.
    """
    study = Study.read(study_path)
    prepare_dataset(study.dataset, output)
    dataset = load_dataset(output)
    train, test = (
        dict(enumerate(np.bincount(y, minlength=dataset.n_classes).tolist()))
        for y in (dataset.y_train, dataset.y_test)
    )
    check_against_data(study, len(dataset.y_train), train, {c: train[c] + test[c] for c in train})
