"""The rows of the table of runs that belong to an experiment."""

from __future__ import annotations

import numpy as np
import pandas as pd

from noisescale.errors import RecordError
from noisescale.study.grid import expand_cells
from noisescale.study.model import Study


def experiment_rows(study: Study, runs: pd.DataFrame, experiment: str) -> pd.DataFrame:
    """Return the rows of the runs of an experiment, each with its place in the experiment.

    Parameters
    ----------
    study
        The study that has the experiment.
    runs
        Columns as in `schemas.RUNS`.
    experiment
        One of the study's experiments.

    Returns
    -------
    pandas.DataFrame
        The columns of `runs`, and `experiment`, `variant` and `epochs` of `grid.Cell` (`epochs` is
        NaN unless the experiment fixes the number of epochs), in the order of the design.

    Raises
    ------
    RecordError
        Some of the experiment's runs are not in the table.
    """
    cells = list(expand_cells(study.experiments[experiment]))
    places = pd.DataFrame(
        {
            "run_id": [cell.run.run_id for cell in cells],
            "experiment": experiment,
            "variant": [cell.variant for cell in cells],
            "epochs": np.array([cell.epochs for cell in cells], dtype=float),
        }
    )
    rows = places.merge(runs, on="run_id", how="left")
    missing = rows["update"].isna().sum()
    if missing:
        raise RecordError(
            f"experiments.{experiment}: {missing} of its {len(places)} runs are not in the table "
            "of runs; run the workflow to train them"
        )
    return rows[[*runs.columns, "experiment", "variant", "epochs"]]


def final_rows(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of each run's last evaluation.

    Parameters
    ----------
    rows
        Columns as in `schemas.RUNS`.
    """
    return rows[rows["update"] == rows["updates"]]
