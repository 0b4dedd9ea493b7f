"""A study as plain data: what the configuration says, checked and with all defaults filled in."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from noisescale.errors import RecordError
from noisescale.storage.digests import dumps_verified, loads_verified

BatchSize = int | Literal["full"]
"""A number of examples, or ``"full"``: the whole training set."""


@dataclass(frozen=True)
class DatasetSpec:
    """Where the examples come from: a known name, or a user's own ``.npz`` file."""

    name: str
    path: str | None
    data_root: str


@dataclass(frozen=True)
class BatchRange:
    """Batch sizes spaced evenly in log2 between two ends (``stop=None``: the training set).

    The range ends at the size of the training set where that is smaller than ``stop``.
    """

    start: int
    stop: int | None
    per_octave: float

    def resolve(self, train_size: int) -> list[int]:
        """Return the distinct batch sizes for a training set of `train_size` examples.

        The last one is the end of the range itself, whether or not it falls on the grid.
        """
        last = train_size if self.stop is None else min(self.stop, train_size)
        sizes = set()
        step = 0
        octaves = math.log2(max(1, last / self.start))
        # Also ends before a power too large for a number; the second condition is the exact one.
        while step / self.per_octave <= octaves + 1 and (
            (size := round(self.start * 2 ** (step / self.per_octave))) < last
        ):
            sizes.add(size)
            step += 1
        return sorted(sizes | {last}) if self.start <= last else []


@dataclass(frozen=True)
class Experiment:
    """One block of the study: every combination of its axes' values is trained.

    `axes` has a list for each of hidden, preprocessing, train_size, learning_rate, momentum,
    weight_decay, label_noise, seeds, and exactly one of updates and epochs.
    """

    name: str
    axes: dict[str, list[Any]]
    batch_size: list[BatchSize] | BatchRange

    def batch_sizes(self, train_size: int) -> list[int]:
        """Return the batch sizes of a curve with `train_size` training examples."""
        if isinstance(self.batch_size, BatchRange):
            return self.batch_size.resolve(train_size)
        return sorted({b if isinstance(b, int) else train_size for b in self.batch_size})


@dataclass(frozen=True)
class EvidenceSpec:
    """Part I: logistic regression on two classes, over the precision of the prior."""

    classes: list[int]
    pool: str
    train_size: int
    test_size: int
    prior_precision: list[float]
    label_noise: list[float]
    preprocessing: str
    seeds: list[int]


@dataclass(frozen=True)
class Statistics:
    """How uncertainty is computed: number of bootstrap resamples, level of the intervals."""

    bootstrap: int
    confidence: float


@dataclass(frozen=True)
class Study:
    """A whole study. `experiments` are trainings (Part II); `evidence` is Part I, or None."""

    name: str
    title: str
    dataset: DatasetSpec
    device: str
    precision: str
    seeds_per_shard: int
    evaluations_per_decade: int
    experiments: dict[str, Experiment]
    evidence: EvidenceSpec | None
    statistics: Statistics

    def to_json(self) -> str:
        """Return the study as JSON text, which `from_json` reads."""
        return dumps_verified(asdict(self), indent=1, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Study:
        """Return the study that `to_json` wrote.

        Raises
        ------
        ValueError, KeyError, TypeError, AttributeError
            The text is damaged, or not that of a study.
        """
        d = loads_verified(text)
        return cls(
            **d
            | {
                "dataset": DatasetSpec(**d["dataset"]),
                "experiments": {k: _experiment(v) for k, v in d["experiments"].items()},
                "evidence": d["evidence"] and EvidenceSpec(**d["evidence"]),
                "statistics": Statistics(**d["statistics"]),
            }
        )

    @classmethod
    def read(cls, path: Path) -> Study:
        """Return the study in a file.

        Raises
        ------
        RecordError
            The file is missing or damaged, or not that of a study.
        """
        try:
            return cls.from_json(Path(path).read_text(encoding="utf-8"))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise RecordError(
                f"{path}: not a study, or damaged ({type(error).__name__}: {error}); expected the "
                "study.json of a folder in results; give that one, or run the workflow again"
            ) from error


def _experiment(d: dict[str, Any]) -> Experiment:
    batch_size = d["batch_size"]
    if isinstance(batch_size, dict):
        batch_size = BatchRange(**batch_size)
    return Experiment(d["name"], d["axes"], batch_size)
