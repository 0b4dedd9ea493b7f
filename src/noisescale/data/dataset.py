"""A data set in memory, and the prepared file that every stage reads it from."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from noisescale.data.npz import ARRAYS, Array, read_arrays
from noisescale.errors import DataError
from noisescale.study.catalog import Shape

SCHEMA_VERSION = 1

_REMEDY = (
    "expected what the command `noisescale data` writes, results/<study>/data.npz; run it, or the "
    "workflow, again (a file of your own belongs in dataset.path of the study)"
)


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
        SHA-256 of the name and the contents.
    """

    name: str
    X_train: npt.NDArray[np.float32]
    y_train: npt.NDArray[np.int64]
    X_test: npt.NDArray[np.float32]
    y_test: npt.NDArray[np.int64]
    n_classes: int
    digest: str


def load_dataset(path: Path) -> Dataset:
    """Read a data set that `noisescale.data.prepare.prepare_dataset` wrote.

    Raises
    ------
    DataError
        The file is missing or damaged, or was not written by this version of noisescale.
    """
    arrays = read_arrays(Path(path), (*ARRAYS, "scale", "meta"), _REMEDY)
    try:
        scale, meta = float(arrays.pop("scale")), json.loads(str(arrays.pop("meta")))
        name, n_classes, digest = meta["name"], meta["n_classes"], meta["digest"]
        ours = meta["schema_version"] == SCHEMA_VERSION and digest == dataset_digest(
            name, arrays, scale
        )
    except (KeyError, TypeError, ValueError):
        ours = False
    if not ours:
        raise DataError(f"{path}: not a data file of this version of noisescale; {_REMEDY}")
    return _scaled(name, arrays, scale, n_classes, digest)


def to_dataset(name: str, arrays: dict[str, Array], scale: float) -> Dataset:
    """Return a data set from its arrays as they are stored, and the scale of its inputs."""
    n_classes = int(arrays["y_train"].max()) + 1
    return _scaled(name, arrays, scale, n_classes, dataset_digest(name, arrays, scale))


def _scaled(
    name: str, arrays: dict[str, Array], scale: float, n_classes: int, digest: str
) -> Dataset:
    inputs = {key: arrays[key].astype(np.float32) for key in ("X_train", "X_test")}
    for array in inputs.values():
        array *= np.float32(scale)
    return Dataset(name=name, n_classes=n_classes, digest=digest, **(arrays | inputs))


def read_dataset_metadata(path: Path) -> dict[str, Any]:
    """Return the metadata of a prepared data set, without reading its arrays.

    Returns
    -------
    dict
        ``name``, ``n_classes`` and ``digest`` as in `Dataset`; ``source``: what
        `noisescale.data.sources.source_digest` returned when it was prepared;
        ``test_images_in_train``: the number of test images that also occur in the training split
        of a user's own file, None for other data sets.

    Raises
    ------
    DataError
        As `load_dataset`.
    """
    try:
        meta = json.loads(str(read_arrays(Path(path), ("meta",), _REMEDY)["meta"]))
        found = {key: meta[key] for key in ("name", "n_classes", "digest", "source")}
        return found | {"test_images_in_train": meta.get("test_images_in_train")}
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path}: not a data file of noisescale; {_REMEDY}") from error


def read_labels(path: Path) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return y_train and y_test of a prepared data set; errors as `load_dataset`.

    The digest, which would need all of the file to be read, is not verified.
    """
    arrays = read_arrays(Path(path), ("y_train", "y_test"), _REMEDY)
    return arrays["y_train"], arrays["y_test"]


def dataset_digest(name: str, arrays: dict[str, Array], scale: float) -> str:
    """Return the SHA-256 of a data set's name, its four arrays, and the scale of its inputs."""
    digest = hashlib.sha256(json.dumps([name, float(scale).hex()]).encode())
    for key in ARRAYS:
        array = np.ascontiguousarray(arrays[key])
        digest.update(f"{key} {array.dtype.str} {array.shape}".encode())
        digest.update(array.data)
    return digest.hexdigest()


def dataset_shape(dataset: Dataset) -> Shape:
    """Return the sizes of a data set, from which costs are estimated."""
    n_train, n_inputs = dataset.X_train.shape
    return Shape(n_inputs, dataset.n_classes, n_train, len(dataset.X_test))
