"""Beyond the paper: the effect of random labels on the evidence and on the optimum batch size."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from noisescale.figures.plotting import accuracy_panel, axis_scales, layout, marks, plot_data, style
from noisescale.figures.registry import FigureSpec
from noisescale.results.load import Results
from noisescale.results.selection import final_rows
from noisescale.study.model import Study

_RATIO, _CROSS_ENTROPY = "log evidence ratio E", "test cross-entropy"
_COLUMNS = {_RATIO: "log_evidence_ratio_per_example", _CROSS_ENTROPY: "test_cross_entropy"}
_TITLES = {
    "a": "evidence",
    "b": "minimum of E",
    "c": "optimum λ",
    "d": "accuracy, paired by seed",
    "e": "generalization gap",
    "f": "optimum batch size",
}


def tabulate(spec: FigureSpec, inputs: Results) -> pd.DataFrame:
    """Return the evidence sweep (a, b, c) and the networks (d, e, f), if the study has them."""
    parts = []
    sweep = inputs.study.evidence
    if sweep is not None and spec.shows_evidence(inputs.study):
        parts += _evidence(inputs, sweep.label_noise)
    if "label_noise" in inputs.study.experiments:
        parts += _network(inputs)
    return plot_data.stack(parts)


def _series(noise: float) -> str:
    return f"label noise {plot_data.number(noise)}"


def _evidence(inputs: Results, levels: Sequence[float]) -> list[pd.DataFrame]:
    parts = [plot_data.rows("a", "level", series="E = 0", y=0.0)]
    for noise in sorted(levels):
        summary = plot_data.task(inputs, noise, _COLUMNS[_RATIO])
        parts += [
            plot_data.curve("a", _series(noise), summary, "prior_precision"),
            plot_data.minimum("a", _series(noise), summary, "prior_precision"),
        ]
    lowest = plot_data.lowest(inputs, _COLUMNS[_RATIO], _COLUMNS[_RATIO])
    parts.append(plot_data.curve("b", _RATIO, lowest, "label_noise"))
    for series, column in _COLUMNS.items():
        best = plot_data.lowest(inputs, column, "log_prior_precision")
        best[["mean", "low", "high"]] = 10 ** best[["mean", "low", "high"]]
        parts.append(plot_data.curve("c", series, best, "label_noise"))
    return parts


def _network(inputs: Results) -> list[pd.DataFrame]:
    rows = final_rows(plot_data.runs_of(inputs, "label_noise"))
    parts = []
    for variant in plot_data.order(rows["variant"]):
        mine = rows[rows["variant"] == variant]
        paired = plot_data.above_largest_batch(mine, ["label_noise"], inputs.study.statistics)
        for (noise,), part in plot_data.groups(paired, "label_noise"):
            parts.append(plot_data.curve("d", _series(noise), part, "batch_size", variant))
    found = accuracy_panel.peaks(inputs, "label_noise")
    for letter, column in (("e", "gap"), ("f", "batch_opt")):
        for variant, peaks in found.groupby("variant", sort=False):
            parts.append(
                plot_data.rows(
                    letter,
                    "point",
                    row=variant,
                    series=[_series(value) for value in peaks["value"]],
                    x=peaks["value"],
                    y=peaks[column],
                    low=peaks[f"{column}_low"],
                    high=peaks[f"{column}_high"],
                    n_seeds=peaks["n_seeds"],
                    n_diverged=peaks["n_diverged"],
                    note=peaks["note"] if letter == "f" else "",
                )
            )
            if letter == "e":
                parts.append(plot_data.rows("e", "level", row=variant, series="no gap", y=0.0))
    return parts


def compose(spec: FigureSpec, table: pd.DataFrame, study: Study) -> Figure:
    """Draw Part I in the first row of panels, and Part II below it, a row for each variant."""
    figure, axes = layout.panels(table, _TITLES, columns=3, height=2.5)
    levels = table[table["panel"].isin(["a", "d"]) & (table["kind"] == "curve")]
    ordered = style.ordered(sorted(set(levels["series"]), key=lambda name: float(name.split()[-1])))
    looks = ordered | _LOOKS
    for (variant, letter), ax in axes.items():
        rows = marks.panel(table, letter, variant)
        if letter in "ad":
            axis_scales.logarithmic(ax, "x", rows["x"])
        else:
            left, right = rows["x"].min(), rows["x"].max()
            margin = 0.08 * (right - left) or 0.1
            ax.set_xlim(left - margin, right + margin)
        if letter in "cf":
            axis_scales.logarithmic(ax, "y", marks.extent(rows))
        if letter == "d":
            ax.set_ylim(*axis_scales.around_peaks(rows))
        marks.draw(ax, rows, looks)
        if letter == "d":
            marks.diverged(ax, rows, looks)
        _label(ax, letter)
        if letter == "c":
            low, high = ax.get_ylim()
            ax.set_ylim(low, high * (high / low) ** 0.4)
            ax.legend(loc="upper left")
    layout.legend(figure, ordered)
    runs = table[(table["panel"] == "d") & (table["kind"] == "curve")]
    layout.footnote(figure, table, study, runs=runs)
    return figure


_LOOKS = {
    _RATIO: style.Look(style.DARK, "P", "-"),
    _CROSS_ENTROPY: style.Look("0.5", "X", (0, (5, 1.5))),
}
_X_LABELS = {"a": "prior precision λ", "d": accuracy_panel.X_LABEL}
_Y_LABELS = {
    "a": "E / N (nats)",
    "b": "lowest E / N (nats)",
    "c": "λ at the minimum",
    "d": "accuracy above largest B",
    "e": "gap: peak − largest B",
    "f": "optimum batch size $B_{opt}$",
}


def _label(ax: Axes, letter: str) -> None:
    ax.set(xlabel=_X_LABELS.get(letter, "label noise"), ylabel=_Y_LABELS[letter])
