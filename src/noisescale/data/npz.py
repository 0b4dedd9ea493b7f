"""Read .npz files that are not trusted: a user's own data, and our prepared ones."""

from __future__ import annotations

import math
import zipfile
from pathlib import Path

import numpy as np

from noisescale.errors import DataError
from noisescale.study.model import DatasetSpec

MAX_BYTES = 8 * 2**30
"""An .npz whose four arrays unpack to more than this (8 GiB) is refused before it is unpacked."""

ARRAYS = ("X_train", "y_train", "X_test", "y_test")

Splits = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
"""X_train (n, D) of uint8 or float32, y_train (n,) of int64, X_test, y_test."""


def load_user_npz(spec: DatasetSpec) -> tuple[Splits, float]:
    """Read a user's file with X_train, y_train, X_test, y_test.

    Images may have any trailing shape and are flattened; uint8 means 0 … 255 and is scaled by
    1/255, floats are taken as they are (in float32). Labels are integers 0 … n_classes − 1.
    """
    if not spec.path:
        raise DataError("dataset.path: missing; expected the path of an .npz file")
    path = Path(spec.path).expanduser()
    arrays = read_arrays(path, ARRAYS, "write it again with numpy.savez")
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


def read_arrays(path: Path, keys: tuple[str, ...], mend: str) -> dict[str, np.ndarray]:
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
