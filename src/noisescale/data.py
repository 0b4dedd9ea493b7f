"""Data sets: any of them, once, becomes the same file; every later stage only calls `load`."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from noisescale import npz, records
from noisescale.errors import DataError
from noisescale.npz import ARRAYS
from noisescale.sources import SOURCES
from noisescale.study import DatasetSpec

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


def prepare(spec: DatasetSpec, output: Path) -> None:
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
        "digest": _digest(spec.name, arrays, scale),
    }
    with records.replacing(output) as temporary, open(temporary, "wb") as file:
        np.savez(file, **arrays, scale=np.float64(scale), meta=np.array(json.dumps(meta)))
    records.write_checksum(output)


def load(path: Path) -> Dataset:
    """Read what `prepare` wrote.

    Raises
    ------
    DataError
        The file is missing, damaged, or was not written by this version of `prepare`.
    """
    mend = "delete it and run the workflow again"
    arrays = npz.read(Path(path), (*ARRAYS, "scale", "meta"), mend)
    try:
        scale, meta = float(arrays.pop("scale")), json.loads(str(arrays.pop("meta")))
        name, n_classes, digest = meta["name"], meta["n_classes"], meta["digest"]
        ours = meta["schema_version"] == SCHEMA_VERSION and digest == _digest(name, arrays, scale)
    except (KeyError, TypeError, ValueError):
        ours = False
    if not ours:
        raise DataError(f"{path}: not a data file prepared by this version of noisescale; {mend}")
    for key in ("X_train", "X_test"):
        arrays[key] = arrays[key].astype(np.float32)
        arrays[key] *= np.float32(scale)
    return Dataset(name=name, n_classes=n_classes, digest=digest, **arrays)


def read_digest(path: Path) -> str:
    """Return the digest of a prepared data set without reading its examples; errors as `load`."""
    mend = "delete it and run the workflow again"
    try:
        return json.loads(str(npz.read(Path(path), ("meta",), mend)["meta"]))["digest"]
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path}: not a data file prepared by noisescale; {mend}") from error


def _digest(name: str, arrays: dict[str, np.ndarray], scale: float) -> str:
    digest = hashlib.sha256(json.dumps([name, float(scale).hex()]).encode())
    for key in ARRAYS:
        array = np.ascontiguousarray(arrays[key])
        digest.update(f"{key} {array.dtype.str} {array.shape}".encode())
        digest.update(array)
    return digest.hexdigest()
