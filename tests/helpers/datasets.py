"""Small data sets, and the form of errors about data sets."""

import io
import zipfile

import numpy as np


def user_arrays(**changes):
    """Return 12 + 6 images of 2 × 3 pixels in three classes, a valid data set except `changes`."""
    rng = np.random.default_rng(0)
    valid = {
        "X_train": rng.integers(0, 256, (12, 2, 3), dtype=np.uint8),
        "y_train": np.arange(12) % 3,
        "X_test": rng.integers(0, 256, (6, 2, 3), dtype=np.uint8),
        "y_test": np.arange(6) % 3,
    }
    return {key: value for key, value in (valid | changes).items() if value is not None}


def one_line(excinfo, *parts):
    """Return whether an error is one line with these parts."""
    message = str(excinfo.value)
    assert "\n" not in message and len(message) < 900
    for part in parts:
        assert str(part) in message
    return True


def in_both(values, dtype=None):
    """Return X_train and X_test that have these values and no others, in equal shares."""
    X = np.resize(np.asarray(values, dtype), (12, 2, 3))
    return {"X_train": X, "X_test": X[:6]}


def header(shape, descr="|u1"):
    """Return the head of an .npy file that declares `shape`, without its contents."""
    file = io.BytesIO()
    fields = {"descr": descr, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, fields)
    return file.getvalue()


def rewritten(path, **members):
    """Write a valid .npz in which some members have other bytes."""
    np.savez(path, **user_arrays())
    with zipfile.ZipFile(path) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    contents |= {f"{key}.npy": content for key, content in members.items()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
