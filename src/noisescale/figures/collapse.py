"""Beyond the paper: every curve of figures 4 to 7 against batch size and against noise scale."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from noisescale.figures.plotting import accuracy_panel, axis_scales, layout, marks, plot_data, style
from noisescale.figures.registry import FigureSpec
from noisescale.results.load import Results
from noisescale.study.experiments import EXPERIMENTS, LAWS
from noisescale.study.model import Study

_FAMILIES = {
    **{name: (f"{EXPERIMENTS[name].label} varied", EXPERIMENTS[name].symbol) for name in LAWS},
    "batch_size": ("base setting", ""),
}
"""The name of each experiment's curves, and the symbol of the parameter in which they differ."""
_AXES = {"a": "batch_size", "b": "noise_scale", "c": "batch_opt", "d": "noise_scale_opt"}


def tabulate(spec: FigureSpec, inputs: Results) -> pd.DataFrame:
    """Return curves relative to their maxima (a, b) and the peaks (c, d) for each family.

    A series is ``family: curve``. In (c, d) y is the position of the family from the top.
    """
    parts = []
    families = [name for name in _FAMILIES if name in inputs.study.experiments]
    for rank, experiment in enumerate(families):
        family, symbol = _FAMILIES[experiment]
        summary = accuracy_panel.final(inputs, experiment)
        for (variant, value), part in plot_data.groups(summary, "variant", "value"):
            curve = f"{symbol} = {plot_data.number(value)}" if symbol else ""
            name = ", ".join(x for x in (curve, variant) if x)
            relative = part["mean"] - part["mean"].max()
            shown = part.assign(mean=relative, low=np.nan, high=np.nan)
            for letter in "ab":
                parts.append(plot_data.curve(letter, f"{family}: {name}", shown, _AXES[letter]))
        peaks = accuracy_panel.peaks(inputs, experiment)
        for letter in "cd" if len(peaks) else "":
            parts.append(_positions(letter, family, rank, peaks))
    for size in inputs.laws.collapse if inputs.laws else ():
        for letter, spread in (("c", size.spread_batch_opt), ("d", size.spread_noise_scale)):
            text = f"N = {size.train_size}: spread {spread:.2f} octaves"
            parts.append(plot_data.rows(letter, "remark", series=text))
    return plot_data.stack(parts)


def _positions(letter: str, family: str, rank: int, peaks: pd.DataFrame) -> pd.DataFrame:
    """Return the peaks of a family, one above the other, with intervals of x."""
    height = rank + np.linspace(-0.3, 0.3, len(peaks)) if len(peaks) > 1 else [rank]
    column = _AXES[letter]
    # A peak at full batch has g = 0 up to rounding; on a logarithmic axis the rounding would show.
    x = peaks[column].where(peaks[column] > 1e-9, 0.0)
    return plot_data.rows(
        letter,
        "position",
        series=f"{family}: peaks",
        x=x,
        y=height,
        low=peaks[f"{column}_low"],
        high=peaks[f"{column}_high"],
        n_seeds=peaks["n_seeds"],
        note=peaks["note"],
    )


def compose(spec: FigureSpec, table: pd.DataFrame, study: Study) -> Figure:
    """Draw curves above, the positions of their peaks below; B on the left, g on the right."""
    titles = {"a": "against batch size", "b": "against noise scale", "c": "peaks"}
    titles["d"] = titles["c"]
    figure, axes = layout.panels(table, titles, columns=2, height=2.7)
    named = table.loc[table["kind"] != "remark", "series"]
    families = plot_data.order(series.partition(":")[0] for series in named)
    family_looks = style.named(families)
    thin = {family: replace(look, weight=0.65) for family, look in family_looks.items()}
    looks = {series: thin[series.partition(":")[0]] for series in named}
    for (_, letter), ax in axes.items():
        rows = marks.panel(table, letter)
        at = table.loc[table["panel"].isin(["a", "c"] if letter in "ac" else ["b", "d"]), "x"]
        axis_scales.logarithmic(ax, "x", at)
        ax.set_xlabel("batch size B" if letter in "ac" else "noise scale g = ε (N/B − 1) / (1 − m)")
        if letter in "ab":
            ax.set_ylim(*axis_scales.around_peaks(marks.panel(table, "a")))
            ax.set_ylabel("test accuracy − its maximum")
        else:
            _name_families(ax, families)
        marks.draw(ax, rows, looks)
    layout.legend(figure, family_looks)
    # Two families can share runs, which would be counted twice; figures 4 to 7 count diverged runs.
    layout.footnote(figure, table, study, crosses=False)
    return figure


def _name_families(ax: Axes, families: list[str]) -> None:
    names = [name.removesuffix(" varied").replace(" ", "\n", 1) for name in families]
    ax.set_yticks(range(len(families)), names)
    ax.set_ylim(len(families) - 0.2, -0.5)
