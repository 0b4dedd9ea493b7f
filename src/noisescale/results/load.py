"""What figures are drawn from: the study, its collected results, and the fitted scaling laws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from noisescale.errors import RecordError
from noisescale.results.completeness import read_evidence, read_runs
from noisescale.storage.digests import loads_verified
from noisescale.study.model import Study

LAW_KEYS = ("statistics", "peaks", "exponents", "joint", "prediction", "bends", "collapse")
"""What ``scaling_laws.json`` has, see `noisescale.laws.scaling.fit_scaling_laws`."""


@dataclass(frozen=True)
class Results:
    """The results of a study; those that the wanted figures do not need are None.

    Attributes
    ----------
    runs, evidence
        Columns as in `schemas.RUNS` and `schemas.EVIDENCE`.
    laws
        What ``scaling_laws.json`` holds.
    """

    study: Study
    runs: pd.DataFrame | None
    evidence: pd.DataFrame | None
    laws: dict[str, Any] | None


def read_results(
    study_path: Path,
    runs_path: Path | None,
    evidence_path: Path | None,
    laws_path: Path | None,
) -> Results:
    """Read and check the files that are given.

    Raises
    ------
    RecordError
        A file is missing, damaged, not one of ours, or lacks something that the study wants.
    """
    study = Study.read(study_path)
    return Results(
        study=study,
        runs=runs_path and read_runs(runs_path, study),
        evidence=evidence_path and read_evidence(evidence_path, study),
        laws=laws_path and read_json(laws_path, LAW_KEYS),
    )


def read_json(path: Path, keys: Sequence[str]) -> dict[str, Any]:
    """Return the contents of a sealed JSON file that has these keys.

    Raises
    ------
    RecordError
        The file is missing, damaged, or something else.
    """
    try:
        content = loads_verified(Path(path).read_text(encoding="utf-8"))
        if absent := set(keys) - content.keys():
            raise ValueError(f"no {min(absent)}")
        return content
    except (OSError, ValueError) as error:
        raise RecordError(
            f"{path}: cannot be read ({type(error).__name__}: {error}); "
            "delete the file and run the workflow again"
        ) from error
