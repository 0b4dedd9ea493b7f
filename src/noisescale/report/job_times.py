"""How long the jobs of a study took, as Snakemake measured it, and how long was predicted."""

from __future__ import annotations

import csv
import datetime
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

COMPUTING_STAGES = ("train", "evidence")
"""The stages that compute results; all others only process them."""


@dataclass(frozen=True)
class StageTime:
    """The last jobs of a stage.

    Attributes
    ----------
    stage
        The name of the stage.
    jobs
        The number of its jobs.
    seconds
        The sum of their wall-clock times.
    """

    stage: str
    jobs: int
    seconds: float


@dataclass(frozen=True)
class TotalTime:
    """The time of all stages.

    Attributes
    ----------
    seconds
        The sum of the wall-clock times of the last jobs of all stages.
    overhead
        The share of it that was neither training nor the evidence sweep, from 0 to 1.
    """

    seconds: float
    overhead: float


@dataclass(frozen=True)
class PredictedTime:
    """The predicted and the actual time of training jobs.

    Attributes
    ----------
    predicted, actual
        The sums over the jobs that recorded a prediction, in seconds.
    earlier_workflow_runs
        Whether some of the jobs belong to earlier workflow runs.
    """

    predicted: float
    actual: float
    earlier_workflow_runs: bool

    @property
    def ratio(self) -> float:
        """The actual time divided by the predicted time."""
        return self.actual / self.predicted


def read_job_times(folder: Path) -> list[StageTime]:
    """Return the time of each stage, longest first, from the files of Snakemake's ``benchmark:``.

    Parameters
    ----------
    folder
        Has a file ``<stage>.tsv`` for each stage, or a folder ``<stage>`` if it has several jobs.
    """
    found: dict[str, list[float]] = {}
    for path in sorted(Path(folder).rglob("*.tsv")):
        stage = path.relative_to(folder).parts[0].removesuffix(".tsv")
        try:
            with path.open(newline="", encoding="utf-8") as file:
                rows = list(csv.DictReader(file, delimiter="\t"))
            seconds = float(rows[-1]["s"])
        except (OSError, csv.Error, IndexError, KeyError, TypeError, ValueError):
            continue  # another kind of file, or a truncated one: the table lacks one time
        if not 0 <= seconds < math.inf:
            continue
        found.setdefault(stage, []).append(seconds)
    times = [StageTime(stage, len(seconds), sum(seconds)) for stage, seconds in found.items()]
    return sorted(times, key=lambda time: -time.seconds)


def total_time(times: Sequence[StageTime]) -> TotalTime | None:
    """Return the time of all stages; None if no time was recorded."""
    total = sum(time.seconds for time in times)
    if not total:
        return None
    computing = sum(time.seconds for time in times if time.stage in COMPUTING_STAGES)
    return TotalTime(total, 1 - computing / total)


def predicted_time(
    shards: Sequence[Mapping[str, Any]], times: Sequence[StageTime] = ()
) -> PredictedTime | None:
    """Compare the predicted time of the training jobs with the actual time.

    Parameters
    ----------
    shards
        The provenance of each training job's file.
    times
        The times of the stages in the last workflow run, if known.

    Returns
    -------
    PredictedTime or None
        None if no job recorded a prediction.
    """
    predicted = [shard for shard in shards if shard.get("forecast")]
    if not predicted:
        return None
    last = sum(time.jobs for time in times if time.stage == "train")
    return PredictedTime(
        predicted=sum(shard["forecast"] for shard in predicted),
        actual=sum(training_seconds(shard) or 0.0 for shard in predicted),
        earlier_workflow_runs=0 < last < len(shards),
    )


def training_seconds(provenance: Mapping[str, Any]) -> float | None:
    """Return the computing time that a table's provenance records, in seconds."""
    seconds = provenance.get("seconds")
    return seconds.get("training") if isinstance(seconds, dict) else seconds


def duration(seconds: float | None) -> str:
    """Return a time as text, e.g. ``0:02:05`` or ``12.3 s``; empty for None."""
    if seconds is None:
        return ""
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{datetime.timedelta(seconds=round(seconds))}"
