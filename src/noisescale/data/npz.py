"""Read untrusted .npz files: users' own data, and the data sets prepared from them."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from noisescale.errors import DataError
from noisescale.study.model import DatasetSpec

Array = npt.NDArray[Any]
Splits = tuple[Array, Array, Array, Array]
"""X_train (n, D) of uint8 or float32, y_train (n,) of int64, X_test, y_test."""

ARRAYS = ("X_train", "y_train", "X_test", "y_test")

MAX_BYTES = 8 * 2**30
"""An .npz whose arrays unpack to more than this (8 GiB) is refused before it is unpacked."""

MAX_SPREAD_RATIO = 10.0
"""Splits whose standard deviations differ by more than this factor are not in the same units.

Pixels of 0 … 1 in one split and of 0 … 255 in the other differ by a factor of 255.
"""

_REMEDY = "write it again with numpy.savez"


def load_user_npz(spec: DatasetSpec) -> tuple[Splits, float]:
    """Read a user's own file with X_train, y_train, X_test, y_test.

    Images may have any shape, the same in both splits, and are flattened. The inputs are

    - integers or booleans 0 and 1: the numbers 0.0 and 1.0;
    - uint8, or other integers with a largest value of 128 … 255: grey levels 0 … 255, scaled by
      1/255;
    - floats, taken as they are (in float32).

    Everything else is refused, because its units are ambiguous: integers beyond 255
    (uint16 images may have 10, 12 or 16 bits), negative integers, wide integers with small values,
    and grey levels 0 … 255 that are stored as floats. Labels are integers 0 … n_classes − 1.

    Returns
    -------
    splits : Splits
        The four arrays.
    scale : float
        The factor that gives the inputs in the units above.

    Raises
    ------
    DataError
        The file cannot be read, or is not such a data set.
    """
    path = _user_path(spec)
    arrays = read_arrays(path, ARRAYS, _REMEDY)
    for split in ("train", "test"):
        _check_inputs(path, f"X_{split}", arrays[f"X_{split}"])
        arrays[f"y_{split}"] = _labels(path, f"y_{split}", arrays[f"y_{split}"])
        n, m = len(arrays[f"X_{split}"]), len(arrays[f"y_{split}"])
        if n != m:
            raise DataError(f"{path}: {n} examples in X_{split}, but {m} labels in y_{split}")
    train, test, scale = _in_same_units(path, arrays["X_train"], arrays["X_test"])
    _check_classes(path, arrays["y_train"], arrays["y_test"])
    return (train, arrays["y_train"], test, arrays["y_test"]), scale


def load_user_labels(spec: DatasetSpec) -> tuple[Array, Array]:
    """Read only the labels of a user's own file, y_train and y_test; errors as `load_user_npz`."""
    path = _user_path(spec)
    arrays = read_arrays(path, ("y_train", "y_test"), _REMEDY)
    train, test = (_labels(path, key, y) for key, y in arrays.items())
    _check_classes(path, train, test)
    return train, test


def _user_path(spec: DatasetSpec) -> Path:
    if not spec.path:
        raise DataError("dataset.path: missing; expected the path of an .npz file")
    return Path(spec.path).expanduser()


def count_test_images_in_train(arrays: Mapping[str, Array]) -> int:
    """Return the number of test images that are equal to an image of the training split."""
    train = {row.tobytes() for row in arrays["X_train"]}
    return sum(row.tobytes() in train for row in arrays["X_test"])


def _check_inputs(path: Path, key: str, X: Array) -> None:
    if X.ndim < 2 or X.size == 0:
        raise DataError(f"{path}: {key} has shape {X.shape}; expected (examples, inputs …)")
    if X.dtype.kind not in "buif":
        raise DataError(f"{path}: {key} is of type {X.dtype}; expected uint8 (0 … 255) or floats")


def _in_same_units(path: Path, train: Array, test: Array) -> tuple[Array, Array, float]:
    """Return the inputs of both splits, flattened, and their scale."""
    if train.shape[1:] != test.shape[1:]:
        raise DataError(
            f"{path}: the examples of X_train have shape {train.shape[1:]}, but those of X_test "
            f"{test.shape[1:]}; expected the same shape, in the same order of axes"
        )
    if (train.dtype.kind == "f") != (test.dtype.kind == "f"):
        raise DataError(
            f"{path}: X_train is of type {train.dtype}, but X_test of type {test.dtype}; expected "
            "integers in both or floats in both"
        )
    train, test = train.reshape(len(train), -1), test.reshape(len(test), -1)
    if train.dtype.kind == "f":
        train, test, scale = _floats(path, "X_train", train), _floats(path, "X_test", test), 1.0
        _check_not_grey_levels(path, train, test)
    else:
        train, test, scale = _integers(path, train, test)
    spreads = [float(X.std(dtype=np.float64)) for X in (train, test)]
    if min(spreads) > 0 and max(spreads) > MAX_SPREAD_RATIO * min(spreads):
        raise DataError(
            f"{path}: X_train has values {train.min():g} … {train.max():g}, but X_test "
            f"{test.min():g} … {test.max():g}, of a standard deviation {spreads[0]:.3g} and "
            f"{spreads[1]:.3g}; expected the same units in both, scale them alike"
        )
    return train, test, scale


def _floats(path: Path, key: str, X: Array) -> Array:
    with np.errstate(over="ignore"):
        X = X.astype(np.float32)
    if not np.isfinite(X).all():
        raise DataError(f"{path}: {key} has values that are NaN, infinite or beyond float32")
    return X


def _check_not_grey_levels(path: Path, train: Array, test: Array) -> None:
    """Refuse 8-bit images stored as floats: training on 0 … 255 diverges or learns little."""
    low, high = min(train.min(), test.min()), max(train.max(), test.max())
    if low >= 0 and high == 255 and all((np.rint(X) == X).all() for X in (train, test)):
        raise DataError(
            f"{path}: X_train and X_test are floats, but have only whole numbers 0 … 255, as grey "
            "levels of 8 bits; store them as they are with .astype('uint8'), or divide them by 255"
        )


def _integers(path: Path, train: Array, test: Array) -> tuple[Array, Array, float]:
    """Return both splits as uint8, and the scale that their range implies."""
    low, high = min(int(train.min()), int(test.min())), max(int(train.max()), int(test.max()))
    wide = any(X.dtype not in (np.uint8, np.bool_) for X in (train, test))
    if low < 0 or high > 255 or (wide and 1 < high < 128):
        raise DataError(
            f"{path}: X_train and X_test are of type {train.dtype} with values {low} … {high}, "
            "whose largest possible value is not known; expected 0 and 1, grey levels 0 … 255, or "
            "floats: divide them by their largest possible value, such as (X / 65535)"
            ".astype('float32') for 16 bits"
        )
    return train.astype(np.uint8), test.astype(np.uint8), 1.0 if high <= 1 else 1 / 255


def _labels(path: Path, key: str, y: Array) -> Array:
    if y.dtype.kind not in "iu":
        raise DataError(f"{path}: {key} is of type {y.dtype}; expected integers, the classes")
    if y.ndim != 1 or y.size == 0:
        raise DataError(f"{path}: {key} has shape {y.shape}; expected (examples,)")
    if y.min() < 0 or y.max() > np.iinfo(np.int32).max:
        raise DataError(f"{path}: {key} has class {y.min()} … {y.max()}; expected 0, 1, 2 …")
    return y.astype(np.int64)


def _check_classes(path: Path, train: Array, test: Array) -> None:
    classes = np.unique(train)
    if len(classes) < 2 or classes[-1] != len(classes) - 1:
        absent = np.setdiff1d(np.arange(min(classes[-1], len(classes)) + 1), classes)
        reason = f"no {absent[0]}" if len(absent) else "only one class"
        raise DataError(
            f"{path}: y_train has {reason}; expected two or more classes, numbered from 0 "
            "without a gap (numpy.unique(y, return_inverse=True) numbers them so)"
        )
    if (largest := test.max()) > classes[-1]:
        raise DataError(f"{path}: y_test has class {largest}, which y_train lacks")


def read_arrays(path: Path, keys: tuple[str, ...], remedy: str) -> dict[str, Array]:
    """Read arrays from an untrusted .npz: no pickles, and at most `MAX_BYTES`.

    Parameters
    ----------
    path
        The file.
    keys
        Names of the arrays; others in the file are not read.
    remedy
        How to remedy a file that cannot be read; the end of the error message.

    Raises
    ------
    DataError
        The file is missing, damaged or too large, or lacks an array.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file; expected an .npz with {', '.join(keys)}")
    arrays = {}
    key = ""
    try:
        with zipfile.ZipFile(path) as archive:
            absent = [key for key in keys if f"{key}.npy" not in archive.namelist()]
            if absent:
                raise DataError(
                    f"{path}: no array {', '.join(absent)}; expected {', '.join(keys)}; {remedy}"
                )
            size = sum(archive.getinfo(f"{key}.npy").file_size for key in keys)
            if size > MAX_BYTES:
                raise DataError(
                    f"{path}: unpacks to {size / 2**30:.1f} GiB, expected at most "
                    f"{MAX_BYTES / 2**30:g}; use fewer examples, or uint8"
                )
            for key in keys:
                with archive.open(f"{key}.npy") as member:
                    # Like numpy.load, but limited to the size above even if the header is wrong.
                    arrays[key] = np.lib.format.read_array(member, allow_pickle=False)
                    if member.read(1):
                        raise ValueError("more bytes than its header declares")
    except DataError:
        raise
    except Exception as error:  # zipfile, zlib and NumPy raise many types for damaged data
        reason = str(error) or type(error).__name__
        what = f"{key} is damaged, or not numbers" if key else "damaged, or not an .npz file"
        raise DataError(f"{path}: {what} ({reason}); {remedy}") from error
    return arrays
