"""Figure 4: training at a range of batch sizes, and the batch size that generalizes best."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from noisescale import curves
from noisescale.figures import Spec, accuracy, layout, marks, scales, style, tables
from noisescale.figures.inputs import Inputs
from noisescale.study import Study

_SHOWN = 6
"""More learning curves than this cannot be told apart."""
_FINAL = "final"


def tabulate(spec: Spec, inputs: Inputs) -> pd.DataFrame:
    """Return learning curves for a few batch sizes (a), final accuracy for all of them (b)."""
    rows = curves.experiment_rows(inputs.study, inputs.runs, "batch_size")
    rows = rows[rows["update"] > 0]
    parts = []
    for variant in tables.order(rows["variant"]):
        mine = rows[rows["variant"] == variant]
        mine = mine[mine["batch_size"].isin(_spread(np.unique(mine["batch_size"])))]
        summary = curves.summarize(
            mine, ["batch_size", "update"], "test_accuracy", inputs.study.statistics
        )
        for size, part in summary.groupby("batch_size"):
            parts.append(tables.curve("a", f"B = {size}", part, "update", variant))
    parts.append(accuracy.tabulate(inputs, "batch_size", "b", lambda _: _FINAL))
    return tables.stack(parts)


def _spread(sizes: np.ndarray) -> np.ndarray:
    """Return at most `_SHOWN` of the sizes, evenly spread, with both ends."""
    return sizes[np.unique(np.linspace(0, len(sizes) - 1, _SHOWN).round().astype(int))]


def compose(spec: Spec, table: pd.DataFrame, study: Study) -> Figure:
    """Draw learning curves on the left, final accuracies on the right, for each variant."""
    titles = {"a": "test accuracy during training", "b": "test accuracy at the end"}
    figure, axes = layout.panels(table, titles, height=2.8)
    left = table[table["panel"] == "a"]
    looks = layout.series_looks(left, ordered=True) | {_FINAL: style.Look("0.15", "o", "-")}
    for (variant, letter), ax in axes.items():
        rows = marks.panel(table, letter, variant)
        if letter == "b":
            accuracy.draw(ax, rows, looks)
            continue
        scales.learning_curve(ax, rows)
        marks.draw(ax, rows, looks)
        ax.set(xlabel="updates", ylabel="test accuracy")
    shown = {series: look for series, look in looks.items() if series != _FINAL}
    ends = table[(table["panel"] == "b") & (table["kind"] == "curve")]
    layout.legend(figure, shown)
    layout.footnote(figure, table, study, runs=ends)
    return figure
