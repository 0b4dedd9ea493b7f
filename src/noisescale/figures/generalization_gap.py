"""Figure 3: test accuracy and cross-entropy during training, small batch and full batch."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
from matplotlib.figure import Figure

from noisescale import curves
from noisescale.figures import Spec, layout, marks, scales, style, tables
from noisescale.figures.inputs import Inputs
from noisescale.study import Study

_PANELS = {"a": "accuracy", "b": "cross_entropy"}
_LABELS = {"a": "accuracy", "b": "cross-entropy (nats)"}


def tabulate(spec: Spec, inputs: Inputs) -> pd.DataFrame:
    """Return mean learning curves of the test set and, for accuracy, of the training set."""
    rows = curves.experiment_rows(inputs.study, inputs.runs, "generalization_gap")
    rows = rows[rows["update"] > 0]
    parts = []
    for letter, measure in _PANELS.items():
        for split in ("test", "train"):
            summary = curves.summarize(
                rows,
                ["variant", "train_size", "batch_size", "update"],
                f"{split}_{measure}",
                inputs.study.statistics,
            )
            for (variant, train_size, size), part in summary.groupby(
                ["variant", "train_size", "batch_size"], sort=False
            ):
                series = f"{tables.batch(size, train_size)}, {split}"
                parts.append(tables.curve(letter, series, part, "update", variant))
    return tables.stack(parts)


def compose(spec: Spec, table: pd.DataFrame, study: Study) -> Figure:
    """Draw the two panels."""
    figure, axes = layout.panels(table, {"a": "accuracy", "b": "cross-entropy"}, height=2.7)
    looks = _looks(table)
    # One axis of cross-entropy for all networks, which what diverged does not stretch.
    shown = table[table["panel"] == "b"]
    losses = (shown if marks.lost(shown).all() else shown[~marks.lost(shown)])["y"]
    for (variant, letter), ax in axes.items():
        rows = marks.panel(table, letter, variant)
        if letter == "a":
            scales.learning_curve(ax, rows)
        else:
            scales.logarithmic(ax, "x", rows["x"])
            scales.logarithmic(ax, "y", losses)
        marks.draw(ax, rows, looks)
        ax.set(xlabel="updates", ylabel=_LABELS[letter])
    layout.legend(figure, looks)
    ends = table[table["series"].str.endswith("test") & (table["panel"] == "a")]
    ends = ends.groupby(["row", "series"]).last()
    layout.footnote(figure, table, study, runs=ends)
    return figure


def _looks(table: pd.DataFrame) -> dict[str, style.Look]:
    """One colour and marker for each batch size; solid for test, dotted for train."""
    names = tables.order(table["series"])
    batches = style.named(tables.order(name.rsplit(", ", 1)[0] for name in names))
    looks = {}
    for name in names:
        batch, split = name.rsplit(", ", 1)
        line = "-" if split == "test" else (0, (1, 1.5))
        looks[name] = replace(batches[batch], line=line, filled=split == "test")
    return looks
