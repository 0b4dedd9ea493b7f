"""Data sets: found or downloaded, checked, stored as one file; and the inputs' preprocessing.

`prepare` turns any data set into the same small file, once; every later stage only calls `load`.
To add a data set, write a function like `_digits` and name it in `_SOURCES`.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import math
import os
import socket
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from noisescale import records
from noisescale.errors import DataError
from noisescale.study import DatasetSpec

SCHEMA_VERSION = 1
MAX_BYTES = 8 * 2**30
"""An .npz whose four arrays unpack to more than this (8 GiB) is refused before it is unpacked."""

WHITENING_RANK = 1e-7
"""Directions with less than this fraction of the largest variance count as constant.

Pixels in [0, 1] of 8 bits carry a rounding noise of variance (1/255)²/12, which is about 3e-7 of
the largest variance in MNIST: below it there is nothing but noise to blow up.
"""

ARRAYS = ("X_train", "y_train", "X_test", "y_test")
_CHUNK = 4096

Splits = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
"""X_train (n, D) of uint8 or float32, y_train (n,) of int64, X_test, y_test."""


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
    if spec.name not in _SOURCES:
        known = ", ".join(_SOURCES)
        raise DataError(f"dataset.name: {spec.name!r} is not known; expected one of {known}")
    splits, scale = _SOURCES[spec.name](spec)
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
    arrays = _read_npz(Path(path), (*ARRAYS, "scale", "meta"), mend)
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
        return json.loads(str(_read_npz(Path(path), ("meta",), mend)["meta"]))["digest"]
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path}: not a data file prepared by noisescale; {mend}") from error


def preprocess(dataset: Dataset, kind: str) -> Dataset:
    """Return the data set with its inputs rescaled by statistics of its training split.

    Parameters
    ----------
    kind
        ``raw``
            As they are.
        ``standardize``
            Every input has mean 0 and variance 1 over the training split; an input that is
            constant there becomes 0, also in the test split.
        ``whiten``
            Principal components, by falling variance, each with mean 0 and variance 1 over the
            training split. Components with less than `WHITENING_RANK` of the largest variance
            become 0, so that the number of inputs stays D. The sign of a component is fixed by
            its largest weight, which is positive.
    """
    if kind == "raw":
        return dataset
    X = dataset.X_train
    mean = sum(chunk.sum(axis=0) for chunk in _chunks(X)) / len(X)
    if kind == "standardize":
        variance = sum(((chunk - mean) ** 2).sum(axis=0) for chunk in _chunks(X)) / len(X)
        # Sums of equal float32 are exact in float64: a constant input has a variance of 0.
        scale = 1 / np.sqrt(np.where(variance > 0, variance, np.inf))

        def transform(chunk: np.ndarray) -> np.ndarray:
            return (chunk - mean) * scale

    elif kind == "whiten":
        covariance = sum((chunk - mean).T @ (chunk - mean) for chunk in _chunks(X)) / len(X)
        variance, directions = (a[..., ::-1] for a in np.linalg.eigh(covariance))
        largest = np.abs(directions).argmax(axis=0, keepdims=True)
        directions = directions * np.sign(np.take_along_axis(directions, largest, axis=0))
        kept = (variance > 0) & (variance > WHITENING_RANK * variance[0])
        matrix = directions / np.sqrt(np.where(kept, variance, np.inf))

        def transform(chunk: np.ndarray) -> np.ndarray:
            return (chunk - mean) @ matrix

    else:
        raise ValueError(f"preprocessing {kind!r}; expected raw, standardize or whiten")

    def apply(inputs: np.ndarray) -> np.ndarray:
        return np.concatenate([transform(c).astype(np.float32) for c in _chunks(inputs)])

    return replace(dataset, X_train=apply(X), X_test=apply(dataset.X_test))


def _chunks(X: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the rows in float64, few at a time: the whole of it may not fit in memory."""
    for first in range(0, len(X), _CHUNK):
        yield X[first : first + _CHUNK].astype(np.float64)


def _digest(name: str, arrays: dict[str, np.ndarray], scale: float) -> str:
    digest = hashlib.sha256(json.dumps([name, float(scale).hex()]).encode())
    for key in ARRAYS:
        array = np.ascontiguousarray(arrays[key])
        digest.update(f"{key} {array.dtype.str} {array.shape}".encode())
        digest.update(array)
    return digest.hexdigest()


# --- digits: embedded in scikit-learn -------------------------------------------------------------


def _digits(spec: DatasetSpec) -> tuple[Splits, float]:
    """Return 8 × 8 images of digits with 17 grey levels: 1,000 for training, 797 for testing.

    Every class has the same share of both splits. The order is drawn from raw Philox bits, which
    NumPy promises not to change.
    """
    from sklearn.datasets import load_digits

    X, y = load_digits(return_X_y=True)
    order = np.argsort(np.random.Philox(key=1710_06451).random_raw(len(y)), kind="stable")
    X, y = X[order].astype(np.uint8), y[order].astype(np.int64)
    # An image's rank within its class, as a fraction of the class: the 1,000 lowest are training.
    rank = np.empty(len(y))
    for c in range(10):
        members = np.flatnonzero(y == c)
        rank[members] = (np.arange(len(members)) + 0.5) / len(members)
    train = np.zeros(len(y), dtype=bool)
    train[np.argsort(rank, kind="stable")[:1000]] = True
    return (X[train], y[train], X[~train], y[~train]), 1 / 16


# --- MNIST and its kin: downloaded by torchvision, or found under data_root -----------------------

_MNIST_SHA256 = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
"""Of the unpacked files. torchvision knows only the packed files' checksums."""

_TORCHVISION = {"mnist": "MNIST", "fashion_mnist": "FashionMNIST", "kmnist": "KMNIST"}
_TIMEOUT = 30.0
"""Seconds without an answer after which a download is given up."""


def _mnist(spec: DatasetSpec) -> tuple[Splits, float]:
    """Return 28 × 28 grey images in 10 classes: 60,000 for training, 10,000 for testing.

    Read from ``<data_root>/<MNIST | FashionMNIST | KMNIST>/raw``, which torchvision fills where a
    file is missing. The environment variable NOISESCALE_DATA overrides data_root.
    """
    root = Path(os.environ.get("NOISESCALE_DATA") or spec.data_root).expanduser()
    folder = root / _TORCHVISION[spec.name] / "raw"
    if not all((folder / name).is_file() for name in _MNIST_SHA256):
        _download(_TORCHVISION[spec.name], root, folder)
    splits = []
    for split, n in (("train", 60000), ("t10k", 10000)):
        images = _read_idx(folder / f"{split}-images-idx3-ubyte", (n, 28, 28))
        labels = _read_idx(folder / f"{split}-labels-idx1-ubyte", (n,))
        splits += [images.reshape(n, -1), labels.astype(np.int64)]
    if spec.name == "mnist":
        for name, expected in _MNIST_SHA256.items():
            if (found := records.sha256(folder / name)) != expected:
                raise DataError(
                    f"{folder / name}: sha256 {found[:12]}…, expected {expected[:12]}…; "
                    "delete it to have it downloaded again, or put the right file there"
                )
    if any(not np.array_equal(np.unique(labels), np.arange(10)) for labels in splits[1::2]):
        raise DataError(f"{folder}: labels are not 0 … 9; delete the files and fetch them again")
    return tuple(splits), 1 / 255


def _read_idx(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """Read an array of unsigned bytes in Yann LeCun's IDX format, of a shape known beforehand."""
    header = bytes([0, 0, 8, len(shape)]) + b"".join(n.to_bytes(4, "big") for n in shape)
    size = len(header) + math.prod(shape)
    mend = "delete it to have it downloaded again, or put the right file there"
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); {mend}") from error
    if len(content) != size:
        raise DataError(f"{path}: {len(content)} bytes, expected {size}; {mend}")
    if not content.startswith(header):
        raise DataError(f"{path}: not an IDX file of {shape} unsigned bytes; {mend}")
    return np.frombuffer(content, dtype=np.uint8, offset=len(header)).reshape(shape)


def _download(name: str, root: Path, folder: Path) -> None:
    """Have torchvision fetch and unpack the packed files, whose checksums it verifies."""
    from torchvision import datasets

    source = getattr(datasets, name)
    timeout = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_TIMEOUT)
    try:
        source(str(root), download=True)
    except (RuntimeError, OSError, EOFError, http.client.HTTPException, zlib.error) as error:
        raise DataError(
            f"{folder}: {name} is not there and cannot be downloaded ({error}); expected "
            f"{_first_unfit(folder, source.resources)}; mend the connection, put the four .gz "
            f"files there by hand, or set NOISESCALE_DATA to a folder that has {name}/raw"
        ) from error
    finally:
        socket.setdefaulttimeout(timeout)


def _first_unfit(folder: Path, resources: list[tuple[str, str]]) -> str:
    """Say which packed file is missing or wrong, with the checksum that it should have."""
    for name, expected in resources:
        found = "nothing"
        with contextlib.suppress(OSError):
            found = hashlib.md5((folder / name).read_bytes(), usedforsecurity=False).hexdigest()
        if found != expected:
            return f"{name} with md5 {expected}, found {found}"
    return "a folder that can be written to"


# --- npz: the user's own --------------------------------------------------------------------------


def _npz(spec: DatasetSpec) -> tuple[Splits, float]:
    """Read a user's file with X_train, y_train, X_test, y_test.

    Images may have any trailing shape and are flattened; uint8 means 0 … 255 and is scaled by
    1/255, floats are taken as they are (in float32). Labels are integers 0 … n_classes − 1.
    """
    if not spec.path:
        raise DataError("dataset.path: missing; expected the path of an .npz file")
    path = Path(spec.path).expanduser()
    arrays = _read_npz(path, ARRAYS, "write it again with numpy.savez")
    for split in ("train", "test"):
        arrays[f"X_{split}"] = _inputs(path, f"X_{split}", arrays[f"X_{split}"])
        arrays[f"y_{split}"] = _labels(path, f"y_{split}", arrays[f"y_{split}"])
        n, m = len(arrays[f"X_{split}"]), len(arrays[f"y_{split}"])
        if n != m:
            raise DataError(f"{path}: {n} examples in X_{split}, but {m} labels in y_{split}")
    train, test = arrays["X_train"], arrays["X_test"]
    if train.shape[1] != test.shape[1]:
        raise DataError(
            f"{path}: {train.shape[1]} inputs per example in X_train, but {test.shape[1]} in "
            "X_test; expected the same"
        )
    if train.dtype != test.dtype:
        raise DataError(f"{path}: one of X_train and X_test is uint8; expected both or neither")
    classes = np.unique(arrays["y_train"])
    if len(classes) < 2 or classes[-1] != len(classes) - 1:
        absent = np.setdiff1d(np.arange(min(classes[-1], len(classes)) + 1), classes)
        reason = f"no {absent[0]}" if len(absent) else "only one class"
        raise DataError(
            f"{path}: y_train has {reason}; expected two or more classes, numbered from 0 "
            "without a gap (numpy.unique(y, return_inverse=True) numbers them so)"
        )
    if (largest := arrays["y_test"].max()) > classes[-1]:
        raise DataError(f"{path}: y_test has class {largest}, which y_train lacks")
    return tuple(arrays[key] for key in ARRAYS), 1 / 255 if train.dtype == np.uint8 else 1.0


def _inputs(path: Path, key: str, X: np.ndarray) -> np.ndarray:
    if X.ndim < 2 or X.size == 0:
        raise DataError(f"{path}: {key} has shape {X.shape}; expected (examples, inputs …)")
    X = X.reshape(len(X), -1)
    if X.dtype == np.uint8:
        return X
    if X.dtype.kind != "f":
        raise DataError(
            f"{path}: {key} is of type {X.dtype}; expected uint8 (0 … 255) or floats, "
            f"for example {key}.astype('float32')"
        )
    with np.errstate(over="ignore"):
        X = X.astype(np.float32)
    if not np.isfinite(X).all():
        raise DataError(f"{path}: {key} has values that are NaN, infinite or beyond float32")
    return X


def _labels(path: Path, key: str, y: np.ndarray) -> np.ndarray:
    if y.dtype.kind not in "iu":
        raise DataError(f"{path}: {key} is of type {y.dtype}; expected integers, the classes")
    if y.ndim != 1 or y.size == 0:
        raise DataError(f"{path}: {key} has shape {y.shape}; expected (examples,)")
    if y.min() < 0 or y.max() > np.iinfo(np.int32).max:
        raise DataError(f"{path}: {key} has class {y.min()} … {y.max()}; expected 0, 1, 2 …")
    return y.astype(np.int64)


def _read_npz(path: Path, keys: tuple[str, ...], mend: str) -> dict[str, np.ndarray]:
    """Read arrays from an .npz that is not trusted: no pickles, no surprise in memory.

    What a file declares about itself is checked against its size before anything is unpacked.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file; expected an .npz with {', '.join(keys)}")
    arrays = {}
    try:
        with zipfile.ZipFile(path) as archive:
            absent = [key for key in keys if f"{key}.npy" not in archive.namelist()]
            if absent:
                raise DataError(
                    f"{path}: no array {', '.join(absent)}; expected {', '.join(keys)}; {mend}"
                )
            size = sum(archive.getinfo(f"{key}.npy").file_size for key in keys)
            if size > MAX_BYTES:
                raise DataError(
                    f"{path}: unpacks to {size / 2**30:.1f} GiB, expected at most "
                    f"{MAX_BYTES / 2**30:g}; use fewer examples, or uint8"
                )
            for key in keys:
                with archive.open(f"{key}.npy") as member:
                    _check_header(path, key, member, archive.getinfo(f"{key}.npy").file_size)
                with archive.open(f"{key}.npy") as member:
                    arrays[key] = np.lib.format.read_array(member, allow_pickle=False)
    except DataError:
        raise
    except Exception as error:  # zipfile, zlib and NumPy have a dozen kinds for damaged bytes
        reason = str(error) or type(error).__name__
        raise DataError(f"{path}: damaged, or not an .npz file ({reason}); {mend}") from error
    return arrays


def _check_header(path: Path, key: str, member: zipfile.ZipExtFile, size: int) -> None:
    version = np.lib.format.read_magic(member)
    if version == (1, 0):
        shape, _, dtype = np.lib.format.read_array_header_1_0(member)
    else:
        shape, _, dtype = np.lib.format.read_array_header_2_0(member)
    if dtype.hasobject:
        raise DataError(f"{path}: {key} holds pickled Python objects; expected plain numbers")
    if min(shape, default=0) < 0 or member.tell() + math.prod(shape) * dtype.itemsize != size:
        raise ValueError(f"{key} declares another size than it has")


_SOURCES = {
    "digits": _digits,
    "mnist": _mnist,
    "fashion_mnist": _mnist,
    "kmnist": _mnist,
    "npz": _npz,
}
