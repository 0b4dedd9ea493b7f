"""Figure 9: accuracy against batch size at a fixed number of epochs instead of updates."""

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
        at_fixed_updates = accuracy_panel.tabulate(inputs, "batch_size", "b", lambda _: _UPDATES)
        # A row of panels is a variant, so both experiments must have the same variants.
        if set(at_fixed_updates["row"]) == set(parts[0]["row"]):
            parts.append(at_fixed_updates)
    return plot_data.stack(parts)


def compose(spec: FigureSpec, table: pd.DataFrame, study: Study) -> Figure:
    """Draw fixed epochs on the left, fixed updates on the right, with the same axes."""
    titles = {"a": "at fixed epochs", "b": "at fixed updates"}
    width = style.WIDTH if (table["panel"] == "b").any() else style.HALF
    figure, axes = layout.panels(table, titles, height=2.8, width=width)
    looks = layout.series_looks(table[table["panel"] == "a"], ordered=True)
    shown = looks | {_UPDATES: style.Look(style.DARK, "o", "-")}
    for (variant, letter), ax in axes.items():
        accuracy_panel.draw(ax, marks.panel(table, letter, variant), shown)
    for variant in plot_data.order(table["row"]):
        panels = [ax for (row, _), ax in axes.items() if row == variant]
        lows, highs = zip(*(ax.get_ylim() for ax in panels), strict=True)
        lefts, rights = zip(*(ax.get_xlim() for ax in panels), strict=True)
        for ax in panels:
            ax.set(xlim=(min(lefts), max(rights)), ylim=(min(lows), max(highs)))
    layout.legend(figure, looks)
    layout.footnote(figure, table, study, runs=table[table["kind"] == "curve"])
    return figure
