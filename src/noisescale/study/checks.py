"""Checks that involve several blocks of a study, or a study and its data."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from noisescale.errors import ConfigError
from noisescale.study.catalog import DATASETS
from noisescale.study.experiments import EXPERIMENTS
from noisescale.study.model import BatchRange, EvidenceSpec, Experiment, Study

MAX_RUNS = 2_000_000
"""Most runs of an experiment. To list more takes minutes, and the tables exceed the memory."""

_MIN_PRECISIONS = 3
"""Fewest prior precisions along which figures 1 and 2 can show a minimum."""


def check_study(study: Study) -> None:
    """Check that a study has enough values for each of its figures, and that its data set fits it.

    Raises
    ------
    ConfigError
        In one line: the key, its value, what was expected, the remedy.
    """
    for experiment in study.experiments.values():
        _check_swept(experiment)
        _check_number_of_runs(experiment)
        for train_size in experiment.axes["train_size"]:
            _check_curve(experiment, train_size)
    if study.evidence is not None and len(study.evidence.prior_precision) < _MIN_PRECISIONS:
        raise ConfigError(
            f"experiments.evidence.prior_precision is {_several(study.evidence.prior_precision)}: "
            f"expected {_MIN_PRECISIONS} values or more, to show a minimum; add some"
        )
    entry = DATASETS.get(study.dataset.name)
    if entry is not None and entry.train_counts:
        train = dict(enumerate(entry.train_counts))
        both = {label: n + entry.test_counts[label] for label, n in train.items()}
        check_against_data(study, entry.shape.n_train, train, both)


def _check_number_of_runs(experiment: Experiment) -> None:
    """Check, before runs are listed, that an experiment has no more than can be planned."""
    sizes = [len(experiment.batch_sizes(size)) for size in experiment.axes["train_size"]]
    others = [len(v) for axis, v in experiment.axes.items() if axis != "train_size"]
    runs = sum(sizes) * math.prod(others)
    if runs > MAX_RUNS:
        counts = {axis: len(v) for axis, v in experiment.axes.items() if len(v) > 1}
        counts["batch_size"] = max(sizes)
        largest = max(counts, key=lambda axis: counts[axis])
        raise ConfigError(
            f"experiments.{experiment.name} is {runs:,} runs: expected at most {MAX_RUNS:,}; "
            f"choose fewer values, such as of {largest}, which has {counts[largest]:,}"
        )


def _several(values: list[float] | list[int]) -> str:
    return f"[{', '.join(f'{value:g}' for value in values)}]"


def _check_swept(experiment: Experiment) -> None:
    """Check that an experiment has enough values of the parameter that it sweeps."""
    kind = EXPERIMENTS[experiment.name]
    values = experiment.axes.get(kind.swept, [])
    if kind.swept != "batch_size" and len(values) < kind.min_values:
        raise ConfigError(
            f"experiments.{kind.name}.{kind.swept} is {_several(values)}, a single value: "
            f"expected {kind.min_values} or more, since the experiment shows what changes along "
            "them; add some"
        )


def _check_curve(experiment: Experiment, train_size: int) -> None:
    """Check the batch sizes of a curve with `train_size` training examples."""
    key = f"experiments.{experiment.name}.batch_size"
    for inner, value in _stated_batch_sizes(experiment, key):
        if value > train_size:
            raise ConfigError(
                f"{inner} is {value}: expected at most {train_size}, the train_size of a curve; "
                "make it smaller, or write full for the whole training set"
            )
    sizes = experiment.batch_sizes(train_size)
    fewest = EXPERIMENTS[experiment.name].min_batch_sizes
    if len(sizes) < fewest:
        raise ConfigError(
            f"{key} is {_several(sizes)} at train_size {train_size}: expected {fewest} batch sizes "
            "or more; add some"
        )


def _stated_batch_sizes(experiment: Experiment, key: str) -> Iterator[tuple[str, int]]:
    """Yield the keys and values of the batch sizes that a curve must be able to have."""
    if isinstance(experiment.batch_size, BatchRange):
        yield f"{key}.from", experiment.batch_size.start
        return
    for i, value in enumerate(experiment.batch_size):
        if isinstance(value, int):
            yield (f"{key}[{i}]" if len(experiment.batch_size) > 1 else key), value


def check_against_data(
    study: Study, n_train: int, counts: Mapping[int, int], all_counts: Mapping[int, int]
) -> None:
    """Check a study against its data: whether there are enough images, and its classes exist.

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
        In one line: the key, its value, what was expected, the remedy.
    """
    data = study.dataset.name
    for name, experiment in study.experiments.items():
        largest = max(experiment.axes["train_size"])
        if largest > n_train:
            raise ConfigError(
                f"experiments.{name}.train_size (its own or the base's) is {largest}: expected "
                f"at most {n_train}, the training images of {data}; make it smaller"
            )
    if study.evidence is not None:
        available = all_counts if study.evidence.pool == "all" else counts
        _check_classes(study.evidence, data, available)
        _check_pool(study.evidence, data, available)


def _check_classes(evidence: EvidenceSpec, data: str, available: Mapping[int, int]) -> None:
    """Check that the data have both classes."""
    for i, label in enumerate(evidence.classes):
        if not available.get(label):
            raise ConfigError(
                f"experiments.evidence.classes[{i}] is {label}: expected a class of {data}, one of "
                f"{', '.join(str(c) for c in sorted(available) if available[c])}"
            )


def _check_pool(evidence: EvidenceSpec, data: str, available: Mapping[int, int]) -> None:
    """Check that the training and test sets can be drawn without overlap."""
    label = min(evidence.classes, key=lambda c: available[c])
    have, half = available[label], evidence.train_size // 2
    if half + evidence.test_size // 2 <= have:
        return
    if half < have:
        key, value, most = "test_size", evidence.test_size, 2 * (have - half)
        other = f" next to train_size {evidence.train_size}"
    else:
        key, value, most, other = "train_size", evidence.train_size, 2 * have, ""
    wider = ", or set pool: all" if evidence.pool == "train" else ""
    raise ConfigError(
        f"experiments.evidence.{key} is {value}: expected at most {most}{other}, since half are "
        f"of class {label}, of which pool {evidence.pool} of {data} has {have} images; "
        f"make it smaller{wider}"
    )
