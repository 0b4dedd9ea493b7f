"""From the blocks of a configuration to a `Study`: every setting becomes the list of its values."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from noisescale.study.config import (
    BaseBlock,
    DatasetBlock,
    EvidenceBlock,
    ExperimentBlock,
    StudyConfig,
)
from noisescale.study.config_values import BatchSizeRange, Range
from noisescale.study.model import (
    BatchRange,
    BatchSize,
    DatasetSpec,
    EvidenceSpec,
    Experiment,
    Statistics,
    Study,
)


def resolve_study(config: StudyConfig) -> Study:
    """Return the study of a configuration.

    Ranges and single values become lists, except for ranges of batch sizes, which depend on the
    training set of each curve; keys that an experiment omits are taken from the base.
    """
    blocks = config.experiments.trained
    evidence = config.experiments.evidence
    return Study(
        name=config.study,
        title=config.title,
        dataset=_dataset(config.dataset),
        device=config.device,
        precision=config.precision,
        seeds_per_shard=config.seeds_per_shard,
        evaluations_per_decade=config.evaluations_per_decade,
        experiments={name: _experiment(name, b, config.base) for name, b in blocks.items()},
        evidence=None if evidence is None else _evidence(evidence),
        statistics=Statistics(config.statistics.bootstrap, config.statistics.confidence),
    )


def _dataset(block: DatasetBlock) -> DatasetSpec:
    path = None if block.path is None else str(Path(block.path).expanduser())
    return DatasetSpec(block.name, path, block.data_root)


def _experiment(name: str, block: ExperimentBlock, base: BaseBlock) -> Experiment:
    own_budget = block.updates is not None or block.epochs is not None
    axes = {}
    for axis, resolve in _AXES.items():
        value = getattr(block, axis)
        # updates or epochs of the experiment replace those of the base.
        if value is None and not (own_budget and axis in ("updates", "epochs")):
            value = getattr(base, axis)
        if value is not None:
            axes[axis] = resolve(value)
    return Experiment(name, axes, _batch_size(block.batch_size))


def _evidence(block: EvidenceBlock) -> EvidenceSpec:
    return EvidenceSpec(
        classes=block.classes,
        pool=block.pool,
        train_size=block.train_size,
        test_size=block.test_size,
        prior_precision=sorted(_floats(block.prior_precision)),
        label_noise=block.label_noise,
        preprocessing=block.preprocessing,
        seeds=_seeds(block.seeds),
    )


def _batch_size(
    value: BatchSizeRange | list[BatchSize] | BatchSize,
) -> list[BatchSize] | BatchRange:
    if isinstance(value, BatchSizeRange):
        stop = None if value.stop == "full" else value.stop
        return BatchRange(value.start, stop, value.steps_per_octave)
    return value if isinstance(value, list) else [value]


def _labels(value: str | list[str]) -> list[str]:
    return value if isinstance(value, list) else [value]


def _whole(value: Range | list[int] | int) -> list[int]:
    if isinstance(value, Range):
        return list(dict.fromkeys(round(v) for v in value.values()))
    return value if isinstance(value, list) else [value]


def _floats(value: Range | list[float] | float) -> list[float]:
    """Resolve numbers; what lies inside a range has 4 significant digits.

    They are part of what identifies a run, so that platforms must agree on every bit of them.
    """
    if isinstance(value, Range):
        first, *inner = value.values()
        last = inner.pop() if inner else first
        rounded = (float(f"{v:.4g}") for v in inner)
        return list(dict.fromkeys([first, *(v for v in rounded if v < last), last]))
    return value if isinstance(value, list) else [value]


def _seeds(value: list[int] | int) -> list[int]:
    """Resolve seeds: a count n means 0 … n − 1."""
    return value if isinstance(value, list) else list(range(value))


_AXES: dict[str, Callable[[Any], list[Any]]] = {
    "hidden": _labels,
    "preprocessing": _labels,
    "train_size": _whole,
    "learning_rate": _floats,
    "momentum": _floats,
    "weight_decay": _floats,
    "label_noise": _floats,
    "updates": _whole,
    "epochs": _floats,
    "seeds": _seeds,
}
"""The axes that the base has, too, each with what makes a list of its values."""
