"""Figure 1: a linear model memorizes random labels and generalizes on true ones."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from noisescale.figures.plotting import axis_scales, layout, marks, plot_data, style
from noisescale.figures.registry import FigureSpec
from noisescale.results.load import Results
from noisescale.study.model import Study


def tabulate(spec: FigureSpec, inputs: Results) -> pd.DataFrame:
    """Return mean accuracies (a, b) and margins (c, d) against the prior precision."""
    parts = []
    for letter, margin, noise in (("a", "c", 1.0), ("b", "d", 0.0)):
        for series in ("train", "test"):
            summary = plot_data.task(inputs, noise, f"{series}_accuracy")
            parts.append(plot_data.curve(letter, series, summary, "prior_precision"))
        summary = plot_data.task(inputs, noise, "margin")
        parts.append(plot_data.curve(margin, "train", summary, "prior_precision"))
    if len(table := plot_data.stack(parts)):
        parts += [
            plot_data.rows(x, "level", series="chance", y=0.5) for x in "ab" if _has(table, x)
        ]
    return plot_data.stack(parts)


def compose(spec: FigureSpec, table: pd.DataFrame, study: Study) -> Figure:
    """Draw accuracies above, margins below; random labels left, true labels right."""
    titles = {
        "a": "random labels",
        "b": "true labels",
        "c": "random labels: mean margin",
        "d": "true labels: mean margin",
    }
    figure, axes = layout.panels(table, titles, columns=table["panel"].nunique() // 2, height=2.1)
    looks = style.named(["train", "test"])
    margins = table.loc[table["panel"].isin(["c", "d"]), "y"]
    for (_, letter), ax in axes.items():
        rows = marks.panel(table, letter)
        axis_scales.logarithmic(ax, "x", rows["x"])
        if letter in "ab":
            ax.set_ylim(0.38, 1.03)
            ax.set_ylabel("accuracy")
        else:
            if margins.min() > 0 and margins.max() > 5 * margins.min():
                axis_scales.logarithmic(ax, "y", margins)
            else:
                ax.set_ylim(*axis_scales.full(table[table["panel"].isin(["c", "d"])]))
            ax.set(xlabel="prior precision λ", ylabel="margin")
        marks.draw(ax, rows, looks)
    layout.legend(figure, looks)
    layout.footnote(figure, table, study)
    return figure


def _has(table: pd.DataFrame, letter: str) -> bool:
    return bool((table["panel"] == letter).any())
