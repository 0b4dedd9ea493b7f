"""The sources of the known data sets.

To add one, write a function such as `_digits`, name it in `SOURCES`, and enter its sizes in
`noisescale.study.catalog`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from noisescale.data.mnist import FILES, FOLDERS, load_mnist, mnist_folder
from noisescale.data.npz import Splits, load_user_npz
from noisescale.storage.digests import sha256
from noisescale.study.model import DatasetSpec


def source_digest(spec: DatasetSpec) -> str | None:
    """Return a digest of the current source files of a data set.

    It is stored in the prepared data set, so that a changed file or folder is detected.

    Returns
    -------
    str or None
        The SHA-256 of a user's own file, or a digest of the four files of MNIST, Fashion-MNIST or
        KMNIST. None if a file is absent, or if the data are embedded in a library.
    """
    if spec.path:
        paths = [Path(spec.path).expanduser()]
    elif spec.name in FOLDERS:
        paths = [mnist_folder(spec) / name for name in FILES]
    else:
        return None
    try:
        digests = [sha256(path) for path in paths]
    except OSError:
        return None
    return digests[0] if spec.path else hashlib.sha256(" ".join(digests).encode()).hexdigest()


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


SOURCES: dict[str, Callable[[DatasetSpec], tuple[Splits, float]]] = {
    "digits": _digits,
    "mnist": load_mnist,
    "fashion_mnist": load_mnist,
    "kmnist": load_mnist,
    "npz": load_user_npz,
}
"""The function that returns a data set's splits and the scale of its inputs, by name."""
