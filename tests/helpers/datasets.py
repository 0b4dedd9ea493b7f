"""Small data sets, and the form of errors about data sets."""

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
