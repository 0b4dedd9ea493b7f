"""A panel of several figures: final test accuracy against batch size, with the peaks marked."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pandas as pd
from matplotlib.axes import Axes

from noisescale.figures.plotting import axis_scales, marks, plot_data
from noisescale.figures.plotting.style import Look
from noisescale.results.load import Results
from noisescale.results.scaling_laws import Peak, Reason, peak_table
from noisescale.results.selection import final_rows
from noisescale.statistics import bootstrap
from noisescale.study.experiments import EXPERIMENTS

X_LABEL = "batch size B"
Y_LABEL = "final test accuracy"


def final(inputs: Results, experiment: str) -> pd.DataFrame:
    """Return mean final test accuracies of an experiment with intervals.

    Parameters
    ----------
    inputs
        The study and its runs.
    experiment
        The experiment.

    Returns
    -------
    pandas.DataFrame
        Columns variant, value (of the swept parameter; 0 where that is the batch size),
        batch_size, noise_scale, and those of `bootstrap.summarize`. Variants in the study's order.
    """
    rows = final_rows(plot_data.runs_of(inputs, experiment))
    swept = EXPERIMENTS[experiment].swept
    value = 0.0 if swept == "batch_size" else rows[swept]
    variants = plot_data.order(rows["variant"])
    # The noise scale is a function of the batch size on each curve, so it adds no cells.
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
    """Return the fitted peaks of an experiment's curves.

    Parameters
    ----------
    inputs
        The laws; without them there are no peaks.
    experiment
        The experiment.

    Returns
    -------
    pandas.DataFrame
        Columns as the fields of `noisescale.results.scaling_laws.Peak`, with `value` 0 where the
        swept parameter is the batch size, as in `final`; and `note`, which is empty for a usable
        peak, otherwise ``at most``, ``at least`` (it is at an end of the range) or ``unsure``.
    """
    chosen = inputs.laws.peaks_of(experiment) if inputs.laws else []
    found = peak_table(chosen).assign(note=[_note(peak) for peak in chosen])
    return found.fillna({"value": 0.0}).sort_values("value", kind="stable")


def _note(peak: Peak) -> str:
    """Return the note of a peak: the end of the range that its interval reaches, if censored."""
    if not peak.censored:
        return ""
    if peak.reason is not Reason.EDGE:
        return "unsure"
    optimum = peak.batch_opt_estimate
    low = min(optimum.low, peak.batch_argmax) <= 1.1 * peak.batch_min
    high = max(optimum.high, peak.batch_argmax) >= peak.batch_max / 1.1
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
        Returns the name of a curve from its value of the swept parameter.
    """
    summary, found = final(inputs, experiment), peaks(inputs, experiment)
    parts = []
    for (variant, value), part in plot_data.groups(summary, "variant", "value"):
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
    """Draw a panel from the rows of `tabulate`."""
    axis_scales.logarithmic(ax, "x", rows["x"])
    ax.set_ylim(*axis_scales.around_peaks(rows))
    marks.draw(ax, rows, looks)
    marks.diverged(ax, rows, looks)
    ax.set(xlabel=X_LABEL, ylabel=Y_LABEL)
