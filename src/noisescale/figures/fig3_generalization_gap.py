"""Figure 3: accuracy and cross-entropy during training, for small and full batch."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
from matplotlib.figure import Figure

from noisescale.figures.plotting import axis_scales, layout, marks, plot_data, style
from noisescale.figures.registry import FigureSpec
from noisescale.results.load import Results
from noisescale.statistics import bootstrap
from noisescale.study.model import Study

_PANELS = {"a": "accuracy", "b": "cross_entropy"}
_LABELS = {"a": "accuracy", "b": "cross-entropy (nats)"}


def tabulate(spec: FigureSpec, inputs: Results) -> pd.DataFrame:
    """Return mean learning curves on the test set and on the training set."""
    rows = plot_data.runs_of(inputs, "generalization_gap")
    rows = rows[rows["update"] > 0]
    parts = []
    for letter, measure in _PANELS.items():
        for split in ("test", "train"):
            summary = bootstrap.summarize(
                rows,
                ["variant", "train_size", "batch_size", "update"],
                f"{split}_{measure}",
                inputs.study.statistics,
            )
            for (variant, train_size, size), part in plot_data.groups(
                summary, "variant", "train_size", "batch_size"
            ):
                series = f"{plot_data.batch(size, train_size)}, {split}"
                parts.append(plot_data.curve(letter, series, part, "update", variant))
    return plot_data.stack(parts)


def compose(spec: FigureSpec, table: pd.DataFrame, study: Study) -> Figure:
    """Draw accuracy on the left, cross-entropy on the right, for each variant."""
    figure, axes = layout.panels(table, {"a": "accuracy", "b": "cross-entropy"}, height=2.7)
    looks = _looks(table)
    # All networks share an axis of cross-entropy, which diverged runs must not stretch.
    shown = table[table["panel"] == "b"]
    diverged = marks.has_diverged(shown)
    losses = (shown if diverged.all() else shown[~diverged])["y"]
    for (variant, letter), ax in axes.items():
        rows = marks.panel(table, letter, variant)
        if letter == "a":
            axis_scales.learning_curve(ax, rows)
        else:
            axis_scales.logarithmic(ax, "x", rows["x"])
            axis_scales.logarithmic(ax, "y", losses)
        marks.draw(ax, rows, looks)
        ax.set(xlabel="updates", ylabel=_LABELS[letter])
    layout.legend(figure, looks)
    ends = table[table["series"].str.endswith("test") & (table["panel"] == "a")]
    ends = ends.groupby(["row", "series"]).last()
    layout.footnote(figure, table, study, runs=ends)
    return figure


def _looks(table: pd.DataFrame) -> dict[str, style.Look]:
    """Return a colour and a marker for each batch size; solid for test, dotted for train."""
    names = plot_data.order(table["series"])
    batches = style.named(plot_data.order(name.rsplit(", ", 1)[0] for name in names))
    looks = {}
    for name in names:
        batch, split = name.rsplit(", ", 1)
        if split == "test":
            looks[name] = replace(batches[batch], line="-")
        else:
            looks[name] = replace(batches[batch], line=(0, (1, 1.5)), filled=False)
    return looks
