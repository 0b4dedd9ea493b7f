"""Where the known data sets come from: scikit-learn's digits, and MNIST and its kin.

To add one, write a function like `_digits`, name it in `SOURCES`, and enter its sizes in
`noisescale.study.catalog`.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import math
import os
import socket
import zlib
from pathlib import Path

import numpy as np

from noisescale.data.npz import Splits, load_user_npz
from noisescale.errors import DataError
from noisescale.storage.digests import sha256
from noisescale.study.model import DatasetSpec


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
            if (found := sha256(folder / name)) != expected:
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


SOURCES = {
    "digits": _digits,
    "mnist": _mnist,
    "fashion_mnist": _mnist,
    "kmnist": _mnist,
    "npz": load_user_npz,
}
"""What makes a data set's splits and the scale of its inputs, by name."""
