"""What figures are drawn from: the study, its collected results, and the fitted scaling laws."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from noisescale import records
from noisescale.errors import RecordError
from noisescale.study import Study


@dataclass(frozen=True)
class Inputs:
    """The results of a study; those that the wanted figures do not need are None.

    Attributes
    ----------
    runs, evidence
        Columns as in `records.RUNS` and `records.EVIDENCE`.
    laws
        What ``scaling_laws.json`` holds.
    """

    study: Study
    runs: pd.DataFrame | None
    evidence: pd.DataFrame | None
    laws: dict[str, Any] | None


def read(
    study_path: Path,
    runs_path: Path | None,
    evidence_path: Path | None,
    laws_path: Path | None,
) -> Inputs:
    """Read and check the files that are given.

    Raises
    ------
    RecordError
        A file is missing, damaged, or not one of ours.
    """
    return Inputs(
        study=read_study(study_path),
        runs=runs_path and records.read_table(runs_path, records.RUNS).to_pandas(),
        evidence=evidence_path and records.read_table(evidence_path, records.EVIDENCE).to_pandas(),
        laws=laws_path and read_json(laws_path),
    )


def read_study(path: Path) -> Study:
    """Return the study that `Study.to_json` wrote to a file."""
    try:
        return Study.from_json(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _unreadable(path, error) from error


def read_json(path: Path) -> dict[str, Any]:
    """Return the contents of a JSON file."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> RecordError:
    return RecordError(
        f"{path}: cannot be read ({type(error).__name__}: {error}); "
        "delete the file and run the workflow again"
    )
