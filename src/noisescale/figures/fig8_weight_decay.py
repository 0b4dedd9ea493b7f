"""Figure 8: the generalization gap against the strength of weight decay."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from noisescale.figures.plotting import axis_scales, layout, marks, plot_data
from noisescale.figures.registry import FigureSpec
from noisescale.results.load import Results
from noisescale.results.selection import final_rows
from noisescale.statistics import bootstrap
from noisescale.study.model import Study

_GAP = "small batch − large batch"


def tabulate(spec: FigureSpec, inputs: Results) -> pd.DataFrame:
    """Return final test accuracy for each batch size (a), and their difference if two (b)."""
    rows = final_rows(plot_data.runs_of(inputs, "weight_decay"))
    statistics = inputs.study.statistics
    parts = []
    for variant in plot_data.order(rows["variant"]):
        mine = rows[rows["variant"] == variant]
        cells = ["train_size", "batch_size", "weight_decay"]
        summary = bootstrap.summarize(mine, cells, "test_accuracy", statistics)
        for (train_size, size), part in plot_data.groups(summary, "train_size", "batch_size"):
            series = plot_data.batch(size, train_size)
            parts.append(plot_data.curve("a", series, part, "weight_decay", variant))
        if mine["batch_size"].nunique() == 2:
            paired = plot_data.above_largest_batch(mine, ["weight_decay"], statistics)
            difference = paired[paired["batch_size"] == paired["batch_size"].min()]
            parts += [
                plot_data.curve("b", _GAP, difference, "weight_decay", variant),
                plot_data.rows("b", "level", row=variant, series="no gap", y=0.0),
            ]
    return plot_data.stack(parts)


def compose(spec: FigureSpec, table: pd.DataFrame, study: Study) -> Figure:
    """Draw accuracy on the left, the gap on the right, for each variant."""
    titles = {"a": "test accuracy at the end", "b": "generalization gap, paired by seed"}
    figure, axes = layout.panels(table, titles, height=2.8)
    accuracies = table[table["panel"] == "a"]
    looks = layout.series_looks(accuracies, ordered=accuracies["series"].nunique() > 4)
    for (variant, letter), ax in axes.items():
        rows = marks.panel(table, letter, variant)
        axis_scales.logarithmic(ax, "x", rows["x"])
        ax.set_ylim(*axis_scales.full(rows))
        marks.draw(ax, rows, looks)
        marks.diverged(ax, rows, looks)
        ylabel = "final test accuracy" if letter == "a" else _GAP
        ax.set(xlabel="weight decay (L2 coefficient)", ylabel=ylabel)
    layout.legend(figure, looks)
    layout.footnote(figure, table, study, runs=accuracies)
    return figure
