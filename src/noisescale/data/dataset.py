"""A data set in memory, and the one kind of file that every stage reads it from."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from noisescale.data.npz import ARRAYS, read_arrays
from noisescale.errors import DataError
from noisescale.study.catalog import Shape

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Dataset:
    """A data set in memory.

    Attributes
    ----------
    X_train, X_test
        Inputs, float32, shape (n, D).
    y_train, y_test
        Labels 0 … n_classes − 1, int64, shape (n,).
    digest
        SHA-256 of the name and the contents: changes if and only if they do.
    """

    name: str
    X_train: np.ndarray
    y_train: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray
    n_classes: int
    digest: str


def load_dataset(path: Path) -> Dataset:
    """Read what `noisescale.data.prepare.prepare_dataset` wrote.

    Raises
    ------
    DataError
        The file is missing, damaged, or was not written by this version of it.
    """
    mend = "delete it and run the workflow again"
    arrays = read_arrays(Path(path), (*ARRAYS, "scale", "meta"), mend)
    try:
        scale, meta = float(arrays.pop("scale")), json.loads(str(arrays.pop("meta")))
        name, n_classes, digest = meta["name"], meta["n_classes"], meta["digest"]
        ours = meta["schema_version"] == SCHEMA_VERSION and digest == dataset_digest(
            name, arrays, scale
        )
    except (KeyError, TypeError, ValueError):
        ours = False
    if not ours:
        raise DataError(f"{path}: not a data file prepared by this version of noisescale; {mend}")
    for key in ("X_train", "X_test"):
        arrays[key] = arrays[key].astype(np.float32)
        arrays[key] *= np.float32(scale)
    return Dataset(name=name, n_classes=n_classes, digest=digest, **arrays)


def read_dataset_metadata(path: Path) -> dict[str, Any]:
    """Return what a prepared data set says of itself, without reading it; errors as `load_dataset`.

    Its name, n_classes, digest, and source: the SHA-256 of a user's own file, else None.
    """
    mend = "delete it and run the workflow again"
    try:
        meta = json.loads(str(read_arrays(Path(path), ("meta",), mend)["meta"]))
        return {key: meta[key] for key in ("name", "n_classes", "digest", "source")}
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path}: not a data file prepared by noisescale; {mend}") from error


def dataset_digest(name: str, arrays: dict[str, np.ndarray], scale: float) -> str:
    """Return a data set's digest: of its name, its four arrays and the scale of its inputs."""
    digest = hashlib.sha256(json.dumps([name, float(scale).hex()]).encode())
    for key in ARRAYS:
        array = np.ascontiguousarray(arrays[key])
        digest.update(f"{key} {array.dtype.str} {array.shape}".encode())
        digest.update(array)
    return digest.hexdigest()


def dataset_shape(dataset: Dataset) -> Shape:
    """Return the sizes of a data set that costs depend on."""
    n_train, n_inputs = dataset.X_train.shape
    return Shape(n_inputs, dataset.n_classes, n_train, len(dataset.X_test))
