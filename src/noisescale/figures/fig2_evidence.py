"""Figure 2: the evidence distinguishes a model that generalizes from one that memorizes."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from noisescale.figures.plotting import axis_scales, layout, marks, plot_data, style
from noisescale.figures.registry import FigureSpec
from noisescale.results.load import Results
from noisescale.study.model import Study

_RATIO = "log evidence ratio E"


def tabulate(spec: FigureSpec, inputs: Results) -> pd.DataFrame:
    """Return mean cross-entropies (a, b) and log evidence ratios (c, d) with their minima."""
    parts = []
    for letter, below, noise in (("a", "c", 1.0), ("b", "d", 0.0)):
        for series in ("train", "test"):
            summary = plot_data.task(inputs, noise, f"{series}_cross_entropy")
            parts.append(plot_data.curve(letter, series, summary, "prior_precision"))
        if not len(summary):
            continue
        ratio = plot_data.task(inputs, noise, "log_evidence_ratio_per_example")
        parts += [
            plot_data.curve(below, _RATIO, ratio, "prior_precision"),
            plot_data.rows(letter, "level", series="ln 2", y=np.log(2)),
            plot_data.rows(below, "level", series="E = 0", y=0.0),
            plot_data.minimum(letter, "test", summary, "prior_precision"),
            plot_data.minimum(below, _RATIO, ratio, "prior_precision"),
        ]
    return plot_data.stack(parts)


def compose(spec: FigureSpec, table: pd.DataFrame, study: Study) -> Figure:
    """Draw cross-entropies above, evidence below; random labels left, true labels right."""
    titles = {
        "a": "random labels",
        "b": "true labels",
        "c": "random labels: evidence",
        "d": "true labels: evidence",
    }
    figure, axes = layout.panels(table, titles, columns=table["panel"].nunique() // 2, height=2.2)
    looks = style.named(["train", "test", _RATIO])
    star = Line2D([], [], linestyle="", marker="*", markersize=9, color="0.25", label="minimum")
    lowest = table[table["kind"] == "minimum"]
    for (_, letter), ax in axes.items():
        rows = marks.panel(table, letter)
        axis_scales.logarithmic(ax, "x", rows["x"])
        if letter in "ab":
            axis_scales.logarithmic(ax, "y", table.loc[table["panel"].isin(["a", "b"]), "y"])
            ax.set_ylabel("cross-entropy (nats)")
        else:
            ax.set(xlabel="prior precision λ", ylabel="E per example (nats)")
            ax.margins(y=0.12)
        marks.draw(ax, rows, looks)
        for point in marks.points(lowest[lowest["panel"].isin(list(_COLUMN[letter]))]):
            ax.axvline(point.x, color=looks[point.series].color, linewidth=0.8, alpha=0.5)
    layout.legend(figure, looks, [star])
    layout.footnote(figure, table, study)
    return figure


_COLUMN = {"a": "ac", "c": "ac", "b": "bd", "d": "bd"}
"""The panels of the same task; lines mark the minima of both in each of them."""
