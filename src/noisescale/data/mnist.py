"""MNIST and the data sets in its format: Fashion-MNIST and KMNIST, read from their IDX files."""

from __future__ import annotations

import gzip
import hashlib
import http.client
import logging
import math
import os
import urllib.request
import zlib
from pathlib import Path

import numpy as np

from noisescale.data.npz import Array, Splits
from noisescale.errors import DataError, RecordError
from noisescale.storage.files import atomic_write
from noisescale.study.model import DatasetSpec

_LOGGER = logging.getLogger(__name__)

FOLDERS = {"mnist": "MNIST", "fashion_mnist": "FashionMNIST", "kmnist": "KMNIST"}
"""The folder below data_root, and the class of torchvision, by the name of the data set."""

FILES = {
    "train-images-idx3-ubyte": (60000, 28, 28),
    "train-labels-idx1-ubyte": (60000,),
    "t10k-images-idx3-ubyte": (10000, 28, 28),
    "t10k-labels-idx1-ubyte": (10000,),
}
"""The unpacked files of each data set, and the shape of what they contain."""

SHA256 = {
    name: dict(zip(FILES, digests, strict=True))
    for name, digests in {
        "mnist": (
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        ),
        "fashion_mnist": (
            "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
            "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
            "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
            "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        ),
    }.items()
}
"""Digests of the unpacked files; torchvision has only those of the packed files.

There are none for KMNIST: its files are refused only if they belong to another data set.
"""

_TIMEOUT = 30.0
"""Timeout of a download in seconds, without an answer."""


def mnist_folder(spec: DatasetSpec) -> Path:
    """Return the folder that a data set's files are read from.

    It is ``<data_root>/<MNIST | FashionMNIST | KMNIST>/raw``, torchvision's layout. The environment
    variable NOISESCALE_DATA overrides data_root.
    """
    root = Path(os.environ.get("NOISESCALE_DATA") or spec.data_root).expanduser()
    return root / FOLDERS[spec.name] / "raw"


def load_mnist(spec: DatasetSpec) -> tuple[Splits, float]:
    """Return 28 × 28 grey images in 10 classes: 60,000 for training, 10,000 for testing.

    Files that are absent from `mnist_folder` are unpacked from the ``.gz`` files there, which are
    downloaded if they are absent, too.

    Raises
    ------
    DataError
        A file can be neither found nor downloaded, is damaged, or belongs to another data set.
    """
    folder = mnist_folder(spec)
    if not all((folder / name).is_file() for name in FILES):
        _fetch(spec.name, folder)
    X_train, y_train, X_test, y_test = (
        _read_idx(spec.name, folder / name, shape) for name, shape in FILES.items()
    )
    for labels in (y_train, y_test):
        if not np.array_equal(np.unique(labels), np.arange(10)):
            raise DataError(
                f"{folder}: labels are not 0 … 9; move the files away to have them downloaded again"
            )
    return (
        (
            X_train.reshape(len(X_train), -1),
            y_train.astype(np.int64),
            X_test.reshape(len(X_test), -1),
            y_test.astype(np.int64),
        ),
        1 / 255,
    )


def _read_idx(dataset: str, path: Path, shape: tuple[int, ...]) -> Array:
    """Read an array of unsigned bytes in Yann LeCun's IDX format, of a known shape."""
    header = bytes([0, 0, 8, len(shape)]) + b"".join(n.to_bytes(4, "big") for n in shape)
    size = len(header) + math.prod(shape)
    remedy = "move it away to have it downloaded again, or put the right file there"
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); {remedy}") from error
    if len(content) != size:
        raise DataError(f"{path}: {len(content)} bytes, expected {size}; {remedy}")
    if not content.startswith(header):
        raise DataError(f"{path}: not an IDX file of {shape} unsigned bytes; {remedy}")
    found = hashlib.sha256(content).hexdigest()
    for other, digests in SHA256.items():
        if other != dataset and found in digests.values():
            raise DataError(
                f"{path}: by its sha256, a file of {other}, expected one of {dataset}; "
                f"move it to {FOLDERS[other]}/raw, and have the right one downloaded"
            )
    expected = SHA256.get(dataset, {}).get(path.name, found)
    if found != expected:
        raise DataError(f"{path}: sha256 {found[:12]}…, expected {expected[:12]}…; {remedy}")
    return np.frombuffer(content, dtype=np.uint8, offset=len(header)).reshape(shape)


def _fetch(dataset: str, folder: Path) -> None:
    """Unpack the files that are absent from a folder, and download what is needed for it.

    torchvision knows the mirrors and the checksums of the packed files, but its own download would
    wait without limit for a server that does not answer.
    """
    from torchvision import datasets

    source = getattr(datasets, FOLDERS[dataset])
    for name, md5 in source.resources:
        packed, unpacked = folder / name, folder / name.removesuffix(".gz")
        try:
            if unpacked.is_file():
                continue
            if _md5(packed) != md5:
                _download([f"{mirror}{name}" for mirror in source.mirrors], packed, md5)
            with gzip.open(packed) as file, atomic_write(unpacked) as temporary:
                temporary.write_bytes(file.read())
        except (RecordError, OSError, EOFError, http.client.HTTPException, zlib.error) as error:
            raise DataError(
                f"{folder}: {FOLDERS[dataset]} is not there and cannot be downloaded ({error}); "
                f"expected {name} with md5 {md5}, found {_md5(packed) or 'nothing'}"
                f"{_files_nearby(folder)}; check the network, put the four .gz files there by "
                f"hand, or set NOISESCALE_DATA to a folder that has {FOLDERS[dataset]}/raw"
            ) from error


def _download(urls: list[str], path: Path, md5: str) -> None:
    """Download a file from the first of its mirrors that has it."""
    failures = []
    for url in urls:
        _LOGGER.info("downloading %s", url)
        try:
            with urllib.request.urlopen(url, timeout=_TIMEOUT) as response:
                content = response.read()
        except (OSError, http.client.HTTPException) as error:
            failures.append(f"{url}: {error}")
            continue
        found = hashlib.md5(content, usedforsecurity=False).hexdigest()
        if found == md5:
            with atomic_write(path) as temporary:
                temporary.write_bytes(content)
            return
        failures.append(f"{url}: corrupted, its md5 is {found}")
    raise OSError("; ".join(failures))


def _md5(path: Path) -> str | None:
    """Return the MD5 checksum of a file; None if it cannot be read."""
    try:
        return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
    except OSError:
        return None


def _files_nearby(folder: Path) -> str:
    """Describe which files of the data set are in the folder, or nearby under another name."""
    there = [name for name in FILES if (folder / name).is_file()]
    reports = [f"; of the unpacked files, there are only {', '.join(there)}"] if there else []
    dataset_folder, root = folder.parent, folder.parents[1]
    for name in FILES:
        for end in ("", ".gz"):
            expected = folder / f"{name}{end}"
            # Some archives have a dot in the names.
            names = (expected.name, expected.name.replace("-idx", ".idx"))
            places = (folder, folder / "raw", dataset_folder, root, root / "raw")
            for found in (place / other for place in places for other in names):
                if found != expected and found.is_file():
                    reports.append(f"; {found} lies where {expected} is expected")
    # One example is enough to show the problem.
    return "".join(reports[:2])
