"""Figure 8: the generalization gap against the strength of weight decay."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from noisescale import curves
from noisescale.figures import Spec, layout, marks, scales, tables
from noisescale.figures.inputs import Inputs
from noisescale.study import Study

_GAP = "small batch − large batch"


def tabulate(spec: Spec, inputs: Inputs) -> pd.DataFrame:
    """Return final test accuracy for each batch size (a) and, of two, their difference (b)."""
    rows = curves.final_rows(curves.experiment_rows(inputs.study, inputs.runs, "weight_decay"))
    statistics = inputs.study.statistics
    parts = []
    for variant in tables.order(rows["variant"]):
        mine = rows[rows["variant"] == variant]
        cells = ["train_size", "batch_size", "weight_decay"]
        summary = curves.summarize(mine, cells, "test_accuracy", statistics)
        for (train_size, size), part in summary.groupby(["train_size", "batch_size"]):
            series = tables.batch(size, train_size)
            parts.append(tables.curve("a", series, part, "weight_decay", variant))
        if mine["batch_size"].nunique() == 2:
            paired = tables.above_largest_batch(mine, ["weight_decay"], statistics)
            difference = paired[paired["batch_size"] == paired["batch_size"].min()]
            parts += [
                tables.curve("b", _GAP, difference, "weight_decay", variant),
                tables.rows("b", "level", row=variant, series="no gap", y=0.0),
            ]
    return tables.stack(parts)


def compose(spec: Spec, table: pd.DataFrame, study: Study) -> Figure:
    """Draw accuracy on the left and the gap on the right, for each variant."""
    titles = {"a": "test accuracy at the end", "b": "generalization gap, paired by seed"}
    figure, axes = layout.panels(table, titles, height=2.8)
    accuracies = table[table["panel"] == "a"]
    looks = layout.series_looks(accuracies, ordered=accuracies["series"].nunique() > 4)
    for (variant, letter), ax in axes.items():
        rows = marks.panel(table, letter, variant)
        scales.logarithmic(ax, "x", rows["x"])
        ax.set_ylim(*scales.full(rows))
        marks.draw(ax, rows, looks)
        marks.diverged(ax, rows, looks)
        ylabel = "final test accuracy" if letter == "a" else _GAP
        ax.set(xlabel="weight decay (L2 coefficient)", ylabel=ylabel)
    layout.legend(figure, looks)
    layout.footnote(figure, table, study, runs=accuracies)
    return figure
