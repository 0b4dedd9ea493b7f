"""What a study's configuration says: a mapping, checked and completed, becomes a `Study`.

Imported whenever the workflow is parsed, so nothing heavy is imported here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from noisescale.errors import ConfigError
from noisescale.study.catalog import CLASS_COUNTS
from noisescale.study.checks import check_against_data
from noisescale.study.grid import SWEPT
from noisescale.study.model import (
    BatchRange,
    DatasetSpec,
    EvidenceSpec,
    Experiment,
    Statistics,
    Study,
)
from noisescale.study.schema import Schema, show

_FEWEST_BATCH_SIZES = {"generalization_gap": 2, "weight_decay": 1}
"""Batch sizes that each curve needs; 3 for all others, so that a peak can lie between them."""

_SEVERAL = {"learning_rate", "train_size", "momentum", "weight_decay", "label_noise"}
"""Experiments that need two values or more on their own axis: a fit or a curve runs along it."""

_FEWEST_PRECISIONS = 3
"""Prior precisions that figures 1 and 2 need to show a minimum."""


def load_study(config: Mapping[str, Any], schema_path: Path) -> Study:
    """Return the study that a configuration describes.

    Parameters
    ----------
    config
        The configuration, such as Snakemake's `config`. It is not changed.
    schema_path
        The JSON Schema (in YAML) that describes it.

    Returns
    -------
    Study
        Complete: defaults are filled in, and ranges and single values have become lists (but for
        ranges of batch sizes, which depend on the training set of each curve).

    Raises
    ------
    ConfigError
        In one line: the key, its value, what was expected, how to mend it.
    """
    settings = Schema.read(schema_path).check(config)
    blocks = dict(settings["experiments"])
    if not blocks:
        raise ConfigError("experiments is {}, or all null: expected one or more; add one")
    evidence = blocks.pop("evidence", None)
    base = settings["base"]
    if not _budget(base, "base"):
        raise ConfigError("base.updates is missing: expected updates or epochs; add one of the two")
    study = Study(
        name=settings["study"],
        title=settings["title"],
        dataset=_dataset(settings["dataset"]),
        device=settings["device"],
        precision=settings["precision"],
        seeds_per_shard=int(settings["seeds_per_shard"]),
        evaluations_per_decade=int(settings["evaluations_per_decade"]),
        experiments={name: _experiment(name, block, base) for name, block in blocks.items()},
        evidence=evidence and _evidence(evidence),
        statistics=Statistics(
            int(settings["statistics"]["bootstrap"]), float(settings["statistics"]["confidence"])
        ),
    )
    if study.dataset.name in CLASS_COUNTS:
        train, test = CLASS_COUNTS[study.dataset.name]
        everything = [a + b for a, b in zip(train, test, strict=True)]
        check_against_data(study, sum(train), dict(enumerate(train)), dict(enumerate(everything)))
    return study


def _dataset(settings: dict[str, Any]) -> DatasetSpec:
    name, path = settings["name"], settings.get("path")
    if name == "npz" and path is None:
        raise ConfigError("dataset.path is missing: expected the file of the npz data set; add it")
    if name != "npz" and path is not None:
        raise ConfigError(
            f"dataset.path is {show(path)} beside dataset.name {name}: expected null, since only "
            "npz has a path; set dataset.name: npz, or remove the path"
        )
    if path is not None:
        path = str(Path(path).expanduser())
        if "{" in path or "}" in path:
            raise ConfigError(
                f"dataset.path is {show(path)}: expected a path without braces, which Snakemake "
                "takes for wildcards; rename the file"
            )
    return DatasetSpec(name, path, settings["data_root"])


def _experiment(name: str, block: dict[str, Any], base: dict[str, Any]) -> Experiment:
    """Return an experiment: its own axes, and those of the base that it does not name."""
    where = f"experiments.{name}"
    # A budget of one's own stands in for the base's, whether that is updates or epochs.
    inherited = set(base) - ({"updates", "epochs"} if _budget(block, where) else set())
    axes = {
        axis: resolve(block[axis], f"{where}.{axis}")
        if axis in block
        else resolve(base[axis], f"base.{axis}")
        for axis, resolve in _AXES.items()
        if axis in block or axis in inherited
    }
    own = SWEPT[name]
    if name in _SEVERAL and len(axes[own]) < 2:
        raise ConfigError(
            f"{where}.{own} is {show(block[own])}, a single value: expected 2 or more, since the "
            "experiment shows what changes along them; add some"
        )
    experiment = Experiment(name, axes, _batch_size(block["batch_size"], f"{where}.batch_size"))
    for train_size in axes["train_size"]:
        _check_curve(experiment, train_size, block["batch_size"])
    return experiment


def _check_curve(experiment: Experiment, train_size: int, given: Any) -> None:
    """Check the batch sizes of a curve with `train_size` training examples."""
    where = f"experiments.{experiment.name}.batch_size"
    if isinstance(experiment.batch_size, BatchRange):
        explicit = {f"{where}.from": experiment.batch_size.start}
    elif isinstance(given, list):
        explicit = {f"{where}[{i}]": value for i, value in enumerate(experiment.batch_size)}
    else:
        explicit = {where: given}
    for key, value in explicit.items():
        if value != "full" and value > train_size:
            raise ConfigError(
                f"{key} is {value}: expected at most {train_size}, the train_size of a curve; make "
                "it smaller, or write full for the whole training set"
            )
    sizes = experiment.batch_sizes(train_size)
    fewest = _FEWEST_BATCH_SIZES.get(experiment.name, 3)
    if len(sizes) < fewest:
        raise ConfigError(
            f"{where} is {show(given)}, which gives {len(sizes)} ({', '.join(map(str, sizes))}) at "
            f"train_size {train_size}: expected {fewest} batch sizes or more; add some"
        )


def _evidence(block: dict[str, Any]) -> EvidenceSpec:
    where = "experiments.evidence"
    precisions = sorted(_floats(block["prior_precision"], f"{where}.prior_precision"))
    if len(precisions) < _FEWEST_PRECISIONS:
        raise ConfigError(
            f"{where}.prior_precision is {show(block['prior_precision'])}: expected "
            f"{_FEWEST_PRECISIONS} values or more, since a minimum is looked for; add some"
        )
    return EvidenceSpec(
        classes=_whole(block["classes"], f"{where}.classes"),
        pool=block["pool"],
        train_size=int(block["train_size"]),
        test_size=int(block["test_size"]),
        prior_precision=precisions,
        label_noise=_floats(block["label_noise"], f"{where}.label_noise"),
        preprocessing=block["preprocessing"],
        seeds=_seeds(block["seeds"], f"{where}.seeds"),
    )


def _budget(block: dict[str, Any], where: str) -> bool:
    """Return whether a block says how long its runs are; raise where it does so twice."""
    if "updates" in block and "epochs" in block:
        raise ConfigError(
            f"{where}.epochs is {show(block['epochs'])} beside {where}.updates "
            f"{show(block['updates'])}: expected one of the two; remove one, or set it to null"
        )
    return "updates" in block or "epochs" in block


def _values(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _setting_label(value: Any, where: str) -> list[str]:
    """Resolve names, or hidden widths: 100.0 and "100" are the same width."""
    words = [v if isinstance(v, str) else str(int(v)) for v in _values(value)]
    for i, word in enumerate(words):
        if word in words[:i]:
            raise ConfigError(
                f"{where} is {show(value)}, with {word} twice: expected different values; "
                "remove one"
            )
    return words


def _whole(value: Any, where: str) -> list[int]:
    """Resolve whole numbers."""
    if isinstance(value, dict):
        return list(dict.fromkeys(round(v) for v in _geometric(value, where)))
    return [int(v) for v in _values(value)]


def _floats(value: Any, where: str) -> list[float]:
    """Resolve numbers; what lies inside a range has 4 significant digits.

    They are part of what identifies a run, so that platforms must agree on every bit of them.
    """
    if isinstance(value, dict):
        first, *inner = _geometric(value, where)
        last = inner.pop() if inner else first
        inner = [float(f"{v:.4g}") for v in inner]
        return list(dict.fromkeys([float(first), *(v for v in inner if v < last), float(last)]))
    return [float(v) for v in _values(value)]


def _seeds(value: Any, where: str) -> list[int]:
    """Resolve seeds: a count n means 0 … n − 1."""
    return _whole(value, where) if isinstance(value, list) else list(range(int(value)))


_AXES = {
    "hidden": _setting_label,
    "preprocessing": _setting_label,
    "train_size": _whole,
    "learning_rate": _floats,
    "momentum": _floats,
    "weight_decay": _floats,
    "label_noise": _floats,
    "updates": _whole,
    "epochs": _floats,
    "seeds": _seeds,
}
"""The axes that the base may name, each with what makes a list of its values."""


def _batch_size(value: Any, where: str) -> list[int | str] | BatchRange:
    if isinstance(value, dict):
        stop = None if value["to"] == "full" else int(value["to"])
        return BatchRange(int(value["from"]), stop, _steps_per_octave(value, where, stop))
    return [v if isinstance(v, str) else int(v) for v in _values(value)]


def _geometric(limits: dict[str, Any], where: str) -> list[float]:
    """Return the values of a range, evenly spaced in the logarithm; both ends are among them."""
    start, stop = limits["from"], limits["to"]
    steps = _steps_per_octave(limits, where, stop)
    # The last step is dropped where it falls on the end itself, to within rounding.
    count = math.ceil(math.log2(stop / start) * steps - 1e-9)
    return [start * 2 ** (k / steps) for k in range(count)] + [stop]


def _steps_per_octave(limits: dict[str, Any], where: str, stop: float | None) -> float:
    """Return a range's steps per factor of two; check them, and the order of the ends."""
    octave, decade = limits.get("per_octave"), limits.get("per_decade")
    if (octave is None) == (decade is None):
        state = "has no step" if octave is None else "has two kinds of step"
        raise ConfigError(
            f"{where} is {show(limits)}, which {state}: expected one of per_decade and per_octave; "
            + ("add one" if octave is None else "remove one, or set it to null")
        )
    if stop is not None and stop < limits["from"]:
        raise ConfigError(
            f"{where}.to is {stop}: expected at least {where}.from, {limits['from']}; exchange them"
        )
    return float(octave) if decade is None else decade * math.log10(2)
