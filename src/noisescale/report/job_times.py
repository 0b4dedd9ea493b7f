"""Where a study's time went: what its jobs took, as Snakemake measured them."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from pathlib import Path

TRAINING_STAGES = ("train", "evidence")
"""The stages that a study is run for."""


@dataclass(frozen=True)
class StageTime:
    """The last jobs of a stage: their number, and the seconds they took, one after another."""

    stage: str
    jobs: int
    seconds: float


def read_job_times(folder: Path) -> list[StageTime]:
    """Return the time of each stage, from the files that Snakemake's ``benchmark:`` writes.

    Parameters
    ----------
    folder
        Has a file ``STAGE.tsv``, or for several jobs a folder ``STAGE``, of each stage.
    """
    found: dict[str, list[float]] = {}
    for path in sorted(Path(folder).rglob("*.tsv")):
        stage = path.relative_to(folder).parts[0].removesuffix(".tsv")
        try:
            with path.open(newline="", encoding="utf-8") as file:
                rows = list(csv.DictReader(file, delimiter="\t"))
            seconds = float(rows[-1]["s"])
        except (OSError, csv.Error, IndexError, KeyError, TypeError, ValueError):
            continue  # a file of something else, or cut off: a time less in a table
        if not 0 <= seconds < math.inf:
            continue
        found.setdefault(stage, []).append(seconds)
    timings = [StageTime(stage, len(seconds), sum(seconds)) for stage, seconds in found.items()]
    return sorted(timings, key=lambda timing: -timing.seconds)
