"""Figure 9: the peak of accuracy against batch size at a fixed number of epochs, not of updates."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from noisescale.figures.plotting import accuracy_panel, layout, marks, plot_data, style
from noisescale.figures.registry import FigureSpec
from noisescale.results.load import Results
from noisescale.study.model import Study

_UPDATES = "fixed updates"


def tabulate(spec: FigureSpec, inputs: Results) -> pd.DataFrame:
    """Return accuracies at fixed epochs (a) and, if the study has them, at fixed updates (b)."""
    parts = [
        accuracy_panel.tabulate(
            inputs, "fixed_epochs", "a", lambda e: f"{plot_data.number(e)} epochs"
        )
    ]
    if "batch_size" in inputs.study.experiments:
        beside = accuracy_panel.tabulate(inputs, "batch_size", "b", lambda _: _UPDATES)
        # Rows of panels are variants: both experiments must have the same to stand side by side.
        if set(beside["row"]) == set(parts[0]["row"]):
            parts.append(beside)
    return plot_data.stack(parts)


def compose(spec: FigureSpec, table: pd.DataFrame, study: Study) -> Figure:
    """Draw the panels with the same axes."""
    titles = {"a": "at fixed epochs", "b": "at fixed updates"}
    width = style.WIDTH if (table["panel"] == "b").any() else style.HALF
    figure, axes = layout.panels(table, titles, height=2.8, width=width)
    looks = layout.series_looks(table[table["panel"] == "a"], ordered=True)
    shown = looks | {_UPDATES: style.Look("0.15", "o", "-")}
    for (variant, letter), ax in axes.items():
        accuracy_panel.draw(ax, marks.panel(table, letter, variant), shown)
    for variant in plot_data.order(table["row"]):
        beside = [ax for (row, _), ax in axes.items() if row == variant]
        lows, highs = zip(*(ax.get_ylim() for ax in beside), strict=True)
        lefts, rights = zip(*(ax.get_xlim() for ax in beside), strict=True)
        for ax in beside:
            ax.set(xlim=(min(lefts), max(rights)), ylim=(min(lows), max(highs)))
    layout.legend(figure, looks)
    layout.footnote(figure, table, study, runs=table[table["kind"] == "curve"])
    return figure
