"""Check a study's data before any job runs."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import numpy.typing as npt

from noisescale.data.dataset import read_labels
from noisescale.data.mnist import FILES, FOLDERS, load_mnist, mnist_folder
from noisescale.data.npz import load_user_labels, load_user_npz
from noisescale.data.study_data import check_sizes
from noisescale.errors import DataError
from noisescale.study.model import DatasetSpec, Study

Labels = npt.NDArray[np.int64]

MAX_CHECKED_BYTES = 2**25
"""Of a user's own file that unpacks to more (32 MiB), only the labels are checked beforehand."""


def check_data(study: Study, prepared: Path | None = None) -> None:
    """Check the data of a study before any job runs, as far as this takes less than a second.

    A user's own file is read completely if it is small, its labels in any case; the files of MNIST,
    Fashion-MNIST and KMNIST are verified if all four are present. Nothing is downloaded or written.

    Parameters
    ----------
    study
        The study.
    prepared
        The study's ``data.npz``, if it was prepared from the files that there are now. Then only
        the sizes are compared with those that the study asks for.

    Raises
    ------
    ConfigError
        The study asks for more examples than there are, or for classes that do not exist.
    DataError
        The data cannot be read, or cannot be used.
    """
    spec = study.dataset
    if spec.path and not Path(spec.path).expanduser().is_file():
        raise DataError(f"dataset.path: {spec.path}: no such file; expected an .npz with your data")
    if prepared is not None:
        try:
            check_sizes(study, *read_labels(prepared))
            return
        except DataError:
            pass  # It is damaged, and will be prepared again from what is checked below.
    if spec.path:
        check_sizes(study, *_user_labels(spec))
    elif spec.name in FOLDERS and all((mnist_folder(spec) / name).is_file() for name in FILES):
        load_mnist(spec)


def _user_labels(spec: DatasetSpec) -> tuple[Labels, Labels]:
    """Return the labels of a user's own file, which is checked."""
    if _unpacked_bytes(Path(str(spec.path)).expanduser()) > MAX_CHECKED_BYTES:
        return load_user_labels(spec)
    (_, y_train, _, y_test), _ = load_user_npz(spec)
    return y_train, y_test


def _unpacked_bytes(path: Path) -> int:
    """Return the size of an archive's members; 0 for another file, refused later."""
    try:
        with zipfile.ZipFile(path) as archive:
            return sum(member.file_size for member in archive.infolist())
    except Exception:  # zipfile has a dozen kinds for damaged bytes
        return 0
