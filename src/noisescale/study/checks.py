"""Checks of a study against the data it is to be run on."""

from __future__ import annotations

from collections.abc import Mapping

from noisescale.errors import ConfigError
from noisescale.study.model import Study


def check_against_data(
    study: Study, n_train: int, counts: Mapping[int, int], all_counts: Mapping[int, int]
) -> None:
    """Check what only the data can tell: that there are images enough, and such classes.

    Parameters
    ----------
    study
        The study.
    n_train
        Number of training images in the data set.
    counts, all_counts
        Number of images of each class in the training split, and in both splits together.

    Raises
    ------
    ConfigError
        In one line: the key, its value, what was expected, how to mend it.
    """
    data = study.dataset.name
    for name, experiment in study.experiments.items():
        largest = max(experiment.axes["train_size"])
        if largest > n_train:
            raise ConfigError(
                f"experiments.{name}.train_size (its own or the base's) is {largest}: expected "
                f"at most {n_train}, the training images of {data}; make it smaller"
            )
    if study.evidence is None:
        return

    where, evidence = "experiments.evidence", study.evidence
    available = all_counts if evidence.pool == "all" else counts
    for i, label in enumerate(evidence.classes):
        if not available.get(label):
            raise ConfigError(
                f"{where}.classes[{i}] is {label}: expected a class of {data}, one of "
                f"{', '.join(str(c) for c in sorted(available) if available[c])}"
            )
    label = min(evidence.classes, key=lambda c: available[c])
    have, half = available[label], evidence.train_size // 2
    if half + evidence.test_size // 2 > have:
        key, most = ("test_size", 2 * (have - half)) if half < have else ("train_size", 2 * have)
        other = f" beside train_size {evidence.train_size}" if key == "test_size" else ""
        wider = ", or set pool: all" if evidence.pool == "train" else ""
        raise ConfigError(
            f"{where}.{key} is {getattr(evidence, key)}: expected at most {most}{other}, since "
            f"half are of class {label}, of which pool {evidence.pool} of {data} has {have} "
            f"images; make it smaller{wider}"
        )
