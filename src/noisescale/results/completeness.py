"""Checks that the collected tables are complete.

A table that lacks some runs is a valid file, and would silently give an incomplete figure.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from noisescale.errors import RecordError
from noisescale.results.schemas import AGREEMENT, CLAIMS, EVIDENCE, RUNS
from noisescale.storage.tables import read_metadata, read_table
from noisescale.study.grid import unique_runs
from noisescale.study.model import Study
from noisescale.study.schedule import evaluation_updates


def read_runs(path: Path, study: Study, last_only: bool = False) -> pd.DataFrame:
    """Return a study's table of runs, with every run and every evaluation that the study expects.

    Parameters
    ----------
    path
        The collected table.
    study
        The study that it must be complete for.
    last_only
        Return only the last evaluation of each run.

    Returns
    -------
    pandas.DataFrame
        Columns as in `schemas.RUNS`.

    Raises
    ------
    RecordError
        The file is missing, damaged, not one of ours, or incomplete.
    """
    table = read_table(path, RUNS)
    check_runs(path, table, study)
    if last_only:
        table = table.filter(pc.equal(table["update"], table["updates"]))
    return table.to_pandas()


def check_runs(path: Path, table: pa.Table, study: Study) -> None:
    """Check that a table has every run of a study once, from its start to its end.

    Parameters
    ----------
    path
        The table's file, for the error.
    table
        Columns as in `schemas.RUNS`.
    study
        The study that it must be complete for.

    Raises
    ------
    RecordError
        A run or an evaluation is missing, or occurs twice.
    """
    rows = table.select(["run_id", "update", "updates"]).to_pandas()
    ids = {run.run_id for run in unique_runs(study)}
    if absent := ids - set(rows["run_id"]):
        raise _unfit(path, f"lacks {len(absent)} of the study's {len(ids)} runs")
    if rows.duplicated(["run_id", "update"]).any():
        raise _unfit(path, "has an evaluation of a run twice")
    for budget, evaluated in rows.groupby("updates"):
        expected = evaluation_updates(budget, study.evaluations_per_decade)
        complete = len(evaluated) == len(expected) * evaluated["run_id"].nunique()
        if not (complete and set(evaluated["update"]) == set(expected)):
            raise _unfit(path, f"lacks evaluations of some runs of {budget} updates")


def read_evidence(path: Path, study: Study) -> pd.DataFrame:
    """Return a study's table of evidence, with a row for each seed, label noise and prior.

    Parameters
    ----------
    path
        The table.
    study
        The study that it must be complete for.

    Returns
    -------
    pandas.DataFrame
        Columns as in `schemas.EVIDENCE`.

    Raises
    ------
    RecordError
        The file is missing, damaged, not one of ours, or of another sweep.
    """
    table = read_table(path, EVIDENCE).to_pandas()
    if spec := study.evidence:
        names = ["seed", "label_noise", "prior_precision"]
        swept: list[Sequence[Any]] = [spec.seeds, spec.label_noise, spec.prior_precision]
        expected: pd.MultiIndex = pd.MultiIndex.from_product(swept, names=names).sort_values()
        if not pd.MultiIndex.from_frame(table[names]).sort_values().equals(expected):
            raise _unfit(path, "has other seeds, label noises or prior precisions than the study")
    return table


def _unfit(path: Path, what: str) -> RecordError:
    return RecordError(f"{path}: {what}; give the right file, or run the workflow again")


def is_intact(path: Path) -> bool:
    """Return whether a file is one of our result tables and agrees with the digest it carries."""
    for schema in (RUNS, EVIDENCE, CLAIMS, AGREEMENT):
        with contextlib.suppress(RecordError):
            read_table(path, schema)
            return "digest" in read_metadata(path)
    return False
