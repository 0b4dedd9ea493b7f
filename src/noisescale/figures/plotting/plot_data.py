"""The tidy table of a figure: one row for each point, vertex or mark that is plotted."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from noisescale.results.load import Results
from noisescale.results.selection import experiment_rows
from noisescale.statistics import bootstrap
from noisescale.study.model import Statistics

_T = TypeVar("_T", bound=Hashable)

COLUMNS = {
    "row": "str",
    "panel": "str",
    "kind": "str",
    "series": "str",
    "x": "float64",
    "y": "float64",
    "low": "float64",
    "high": "float64",
    "n_seeds": "Int64",
    "n_diverged": "Int64",
    "note": "str",
}
"""The columns of a figure's .csv and their types.

row
    The variant, that is the value of a further varying parameter, whose row of panels this is in;
    empty if nothing else varies.
panel
    The letter of the panel.
kind
    How it is drawn, see `noisescale.figures.plotting.marks`.
series
    The curve that it belongs to, or the text of a reference line or remark.
x, y, low, high
    The position, and the interval of y (of x for the kind ``position``).
n_seeds, n_diverged
    The number of seeds that it is computed from, and how many of their runs diverged.
note
    ``at least``, ``at most`` or ``unsure`` for a censored peak, else empty.
"""


def runs_of(inputs: Results, experiment: str) -> pd.DataFrame:
    """Return the rows of an experiment, see `noisescale.results.selection.experiment_rows`."""
    return experiment_rows(inputs.study, inputs.required_runs, experiment)


def groups(rows: pd.DataFrame, *columns: str) -> Iterator[tuple[tuple[Any, ...], pd.DataFrame]]:
    """Group rows by columns, in the order of their first rows.

    Yields
    ------
    values, rows
        The values of the columns, as a tuple, and the rows that have them.
    """
    for values, part in rows.groupby(list(columns), sort=False):
        yield tuple(values), part


def rows(panel: str, kind: str, **columns: Any) -> pd.DataFrame:
    """Return rows of one panel and kind, whose columns are scalars or sequences of one length."""
    given = {"panel": panel, "kind": kind} | columns
    lengths = {len(v) for v in given.values() if _is_sequence(v)} or {1}
    (length,) = lengths
    frame = pd.DataFrame({"row": [""] * length})
    for name, value in given.items():
        frame[name] = list(value) if _is_sequence(value) else value
    return complete(frame)


def curve(panel: str, series: str, summary: pd.DataFrame, x: str, row: str = "") -> pd.DataFrame:
    """Return a curve's rows from a summary by `noisescale.statistics.bootstrap.summarize`."""
    return rows(
        panel,
        "curve",
        row=row,
        series=series,
        x=summary[x].to_numpy(),
        y=summary["mean"].to_numpy(),
        low=summary["low"].to_numpy(),
        high=summary["high"].to_numpy(),
        n_seeds=summary["n_seeds"].to_numpy(),
        n_diverged=summary["n_diverged"].to_numpy() if "n_diverged" in summary else None,
    )


def minimum(panel: str, series: str, summary: pd.DataFrame, x: str) -> pd.DataFrame:
    """Return a row for the minimum of a mean curve, or no row if it is at an end of the sweep."""
    lowest = summary.iloc[np.array([summary["mean"].argmin()])] if len(summary) else summary
    lowest = lowest[~lowest[x].isin([summary[x].min(), summary[x].max()])]
    return curve(panel, series, lowest, x).assign(kind="minimum")


def task(inputs: Results, label_noise: float, value: str) -> pd.DataFrame:
    """Return the summary of `value` against the prior precision at one level of label noise."""
    evidence = inputs.required_evidence
    rows = evidence[evidence["label_noise"] == label_noise]
    if not len(rows):
        return pd.DataFrame(columns=["prior_precision", "mean", "low", "high", "n_seeds"])
    return bootstrap.summarize(rows, ["prior_precision"], value, inputs.study.statistics)


def lowest(inputs: Results, of: str, value: str) -> pd.DataFrame:
    """Return the mean of `value` at the minimum of `of`, against label noise.

    The minimum over λ is taken for each seed separately. `value` is a column of the evidence sweep,
    or ``log_prior_precision``: log10 λ.
    """
    rows = inputs.required_evidence
    rows = rows.loc[rows.groupby(["seed", "label_noise"])[of].idxmin()]
    rows = rows.assign(log_prior_precision=np.log10(rows["prior_precision"]))
    return bootstrap.summarize(rows, ["label_noise"], value, inputs.study.statistics)


def above_largest_batch(
    rows: pd.DataFrame, cells: Sequence[str], statistics: Statistics
) -> pd.DataFrame:
    """Return the final test accuracy of each batch size minus that of the largest, paired by seed.

    Parameters
    ----------
    rows
        Rows of final evaluations.
    cells
        The columns whose values identify a curve, without the batch size.

    Returns
    -------
    pandas.DataFrame
        As by `bootstrap.summarize`, a row for each curve and batch size.
    """
    rows = rows.sort_values("batch_size")
    full = rows.groupby([*cells, "seed"])["test_accuracy"].transform("last")
    rows = rows.assign(difference=rows["test_accuracy"] - full)
    return bootstrap.summarize(rows, [*cells, "batch_size"], "difference", statistics)


def complete(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with all columns of a figure's table and their types."""
    frame = frame.reindex(columns=list(COLUMNS))
    for name, kind in COLUMNS.items():
        if kind == "str":
            frame[name] = ["" if pd.isna(text) else str(text) for text in frame[name]]
    return frame.astype({name: kind for name, kind in COLUMNS.items() if kind != "str"})


def stack(parts: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Return the parts of a figure's table as one table."""
    parts = [part for part in parts if len(part)]
    return pd.concat(parts, ignore_index=True) if parts else complete(pd.DataFrame())


def order(values: Iterable[_T]) -> list[_T]:
    """Return the distinct values in the order in which they first appear."""
    return list(dict.fromkeys(values))


def batch(size: int, train_size: int) -> str:
    """Return the name of a batch size in a legend."""
    return f"full batch ({size})" if size == train_size else f"batch size {size}"


def number(value: float) -> str:
    """Return a number as it is written in a legend: 0.1, 1000, 1e-05."""
    return f"{int(value)}" if float(value).is_integer() and abs(value) < 1e6 else f"{value:.3g}"


def _is_sequence(value: Any) -> bool:
    return hasattr(value, "__len__") and not isinstance(value, str)
