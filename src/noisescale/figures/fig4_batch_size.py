"""Figure 4: training at a range of batch sizes, and the optimum batch size."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.figure import Figure

from noisescale.figures.plotting import accuracy_panel, axis_scales, layout, marks, plot_data, style
from noisescale.figures.registry import FigureSpec
from noisescale.results.load import Results
from noisescale.statistics import bootstrap
from noisescale.study.model import Study

_SHOWN = 6
"""The number of learning curves shown; more are hard to distinguish."""
_FINAL = "final"


def tabulate(spec: FigureSpec, inputs: Results) -> pd.DataFrame:
    """Return learning curves for a few batch sizes (a) and final accuracies for all (b)."""
    rows = plot_data.runs_of(inputs, "batch_size")
    rows = rows[rows["update"] > 0]
    parts = []
    for variant in plot_data.order(rows["variant"]):
        mine = rows[rows["variant"] == variant]
        mine = mine[mine["batch_size"].isin(_spread(np.unique(mine["batch_size"])))]
        summary = bootstrap.summarize(
            mine, ["batch_size", "update"], "test_accuracy", inputs.study.statistics
        )
        for (size,), part in plot_data.groups(summary, "batch_size"):
            parts.append(plot_data.curve("a", f"B = {size}", part, "update", variant))
    parts.append(accuracy_panel.tabulate(inputs, "batch_size", "b", lambda _: _FINAL))
    return plot_data.stack(parts)


def _spread(sizes: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return at most `_SHOWN` of the sizes, evenly spread, with both ends."""
    return sizes[np.unique(np.linspace(0, len(sizes) - 1, _SHOWN).round().astype(int))]


def compose(spec: FigureSpec, table: pd.DataFrame, study: Study) -> Figure:
    """Draw learning curves on the left, final accuracies on the right, for each variant."""
    titles = {"a": "test accuracy during training", "b": "test accuracy at the end"}
    figure, axes = layout.panels(table, titles, height=2.8)
    left = table[table["panel"] == "a"]
    looks = layout.series_looks(left, ordered=True) | {_FINAL: style.Look(style.DARK, "o", "-")}
    for (variant, letter), ax in axes.items():
        rows = marks.panel(table, letter, variant)
        if letter == "b":
            accuracy_panel.draw(ax, rows, looks)
            continue
        axis_scales.learning_curve(ax, rows)
        marks.draw(ax, rows, looks)
        ax.set(xlabel="updates", ylabel="test accuracy")
    shown = {series: look for series, look in looks.items() if series != _FINAL}
    ends = table[(table["panel"] == "b") & (table["kind"] == "curve")]
    layout.legend(figure, shown)
    layout.footnote(figure, table, study, runs=ends)
    return figure
