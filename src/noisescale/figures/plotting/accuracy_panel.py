"""Final test accuracy against batch size, one curve per setting, peaks marked: in many figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pandas as pd
from matplotlib.axes import Axes

from noisescale.figures.plotting import axis_scales, marks, plot_data
from noisescale.figures.plotting.style import Look
from noisescale.results.load import Results
from noisescale.results.selection import experiment_rows, final_rows
from noisescale.statistics import bootstrap
from noisescale.study.grid import SWEPT

X_LABEL = "batch size B"
Y_LABEL = "final test accuracy"


def final(inputs: Results, experiment: str) -> pd.DataFrame:
    """Return mean final test accuracies of an experiment with intervals.

    Returns
    -------
    pandas.DataFrame
        Columns variant, value (of the experiment's own axis; 0 where that is the batch size),
        batch_size, noise_scale, and those of `bootstrap.summarize`. Variants in the study's order.
    """
    rows = final_rows(experiment_rows(inputs.study, inputs.runs, experiment))
    axis = SWEPT[experiment]
    value = 0.0 if axis == "batch_size" else rows[axis]
    variants = plot_data.order(rows["variant"])
    # The noise scale is a function of the batch size on each curve, so it makes no more cells.
    rows = rows.assign(value=value, variant=pd.Categorical(rows["variant"], variants))
    cells = ["variant", "value", "batch_size", "noise_scale"]
    parts = [
        bootstrap.summarize(
            rows[rows["variant"] == v], cells, "test_accuracy", inputs.study.statistics
        )
        for v in variants
    ]
    summary = pd.concat(parts, ignore_index=True)
    return summary.assign(variant=summary["variant"].astype(str))


def peaks(inputs: Results, experiment: str) -> pd.DataFrame:
    """Return the fitted peaks of an experiment's curves, see `noisescale.laws.peaks.Peaks`.

    Two columns are added: `value` is 0 where the own axis is the batch size, as in `final`; `note`
    is empty for a peak that is sure, else ``at most``, ``at least`` (it is at an end of the range)
    or ``unsure``.
    """
    found = pd.DataFrame((inputs.laws or {}).get("peaks", []))
    if not len(found) or not (found["experiment"] == experiment).any():
        return pd.DataFrame(columns=["variant", "value", "note"])
    found = found[found["experiment"] == experiment].copy()
    found["value"] = found["value"].astype(float).fillna(0.0)
    found["note"] = [_note(peak) for peak in found.itertuples()]
    return found.sort_values("value", kind="stable")


def _note(peak) -> str:
    """Say in which direction a censored peak may lie: that of the end its interval reaches."""
    if not peak.censored:
        return ""
    if peak.reason != "edge":
        return "unsure"
    low = min(peak.batch_opt_low, peak.batch_argmax) <= 1.1 * peak.batch_min
    high = max(peak.batch_opt_high, peak.batch_argmax) >= peak.batch_max / 1.1
    if low == high:
        return "unsure"
    return "at most" if low else "at least"


def tabulate(
    inputs: Results, experiment: str, panel: str, label: Callable[[float], str]
) -> pd.DataFrame:
    """Return curves with their peaks as rows of a figure's table.

    Parameters
    ----------
    label
        The name of a curve from its value on the experiment's own axis.
    """
    summary, found = final(inputs, experiment), peaks(inputs, experiment)
    parts = []
    for (variant, value), part in summary.groupby(["variant", "value"], sort=False):
        parts.append(plot_data.curve(panel, label(value), part, "batch_size", variant))
        for peak in found[(found["variant"] == variant) & (found["value"] == value)].itertuples():
            parts.append(
                plot_data.rows(
                    panel,
                    "peak",
                    row=variant,
                    series=label(value),
                    x=peak.batch_opt,
                    y=peak.accuracy,
                    low=peak.accuracy_low,
                    high=peak.accuracy_high,
                    n_seeds=peak.n_seeds,
                    note=peak.note,
                )
            )
    return plot_data.stack(parts)


def draw(ax: Axes, rows: pd.DataFrame, looks: Mapping[str, Look]) -> None:
    """Draw such a panel."""
    axis_scales.logarithmic(ax, "x", rows["x"])
    ax.set_ylim(*axis_scales.around_peaks(rows))
    marks.draw(ax, rows, looks)
    marks.diverged(ax, rows, looks)
    ax.set(xlabel=X_LABEL, ylabel=Y_LABEL)
