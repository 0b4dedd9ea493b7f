"""The job that prepares a study's data set, and checks that the study fits it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from noisescale.config import check_against_data
from noisescale.data import load, prepare
from noisescale.study import Study


def main(study_path: Path, output: Path) -> None:
    """Write a study's data set to `output`, if the study fits it.

    Raises
    ------
    ConfigError
        The study wants more examples, or other classes, than there are.
    DataError, RecordError
        As `prepare`.
    """
    study = Study.from_json(Path(study_path).read_text(encoding="utf-8"))
    prepare(study.dataset, output)
    dataset = load(output)
    train, test = (
        dict(enumerate(np.bincount(y, minlength=dataset.n_classes).tolist()))
        for y in (dataset.y_train, dataset.y_test)
    )
    check_against_data(study, len(dataset.y_train), train, {c: train[c] + test[c] for c in train})
