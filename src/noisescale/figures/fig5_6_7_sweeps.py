"""Figures 5, 6, 7: accuracy against batch size along an axis, and the scaling of its peak."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from noisescale.figures.plotting import accuracy_panel, axis_scales, layout, marks, plot_data, style
from noisescale.figures.registry import FigureSpec
from noisescale.results.load import Results
from noisescale.study.model import Study


@dataclass(frozen=True)
class _Sweep:
    """How an experiment's axis is called, and what the theory says B_opt is proportional to."""

    axis: str
    symbol: str
    law: str

    def label(self, value: float) -> str:
        """Return the name of a curve."""
        return f"{self.symbol} = {plot_data.number(value)}"


_SWEEPS = {
    "learning_rate": _Sweep("learning rate", "ε", "learning rate ε"),
    "train_size": _Sweep("training set size", "N", "training set size N"),
    "momentum": _Sweep("momentum", "m", "1 / (1 − m)"),
}


def _law_x(experiment: str, value: float) -> float:
    return 1 / (1 - value) if experiment == "momentum" else value


def tabulate(spec: FigureSpec, inputs: Results) -> pd.DataFrame:
    """Return the curves with their peaks (a), the peaks with the fit and the theory's line (b)."""
    (experiment,) = spec.experiments
    sweep = _SWEEPS[experiment]
    parts = [accuracy_panel.tabulate(inputs, experiment, "a", sweep.label)]
    found = accuracy_panel.peaks(inputs, experiment)
    for variant in plot_data.order(parts[0]["row"]):
        peaks = found[found["variant"] == variant]
        if not len(peaks):
            continue
        x = np.array([_law_x(experiment, value) for value in peaks["value"]])
        parts.append(
            plot_data.rows(
                "b",
                "point",
                row=variant,
                series=[sweep.label(value) for value in peaks["value"]],
                x=x,
                y=peaks["batch_opt"],
                low=peaks["batch_opt_low"],
                high=peaks["batch_opt_high"],
                n_seeds=peaks["n_seeds"],
                n_diverged=peaks["n_diverged"],
                note=peaks["note"],
            )
        )
        parts += _lines(variant, _exponent(inputs, experiment, variant), x, peaks)
    return plot_data.stack(parts)


def _exponent(inputs: Results, experiment: str, variant: str) -> dict[str, Any]:
    for law in inputs.laws["exponents"].values():
        if (law["experiment"], law["variant"]) == (experiment, variant):
            return law
    return {"slope": None}


def _lines(
    variant: str, law: dict[str, Any], x: np.ndarray, peaks: pd.DataFrame
) -> list[pd.DataFrame]:
    """Return the fitted line, if there is one, and a line of slope 1 through the peaks' middle."""
    parts = []
    if law["slope"] is not None:
        line = law["line"]
        name = f"fit: slope {law['slope']:.2f} [{law['low']:.2f}, {law['high']:.2f}]"
        values = {"x": line["x"], "y": line["batch_opt"], "low": line["low"], "high": line["high"]}
        parts.append(
            plot_data.rows("b", "fit", row=variant, series=name, n_seeds=law["n_seeds"], **values)
        )
    clear = (peaks["note"] == "").to_numpy()
    clear = clear if clear.any() else ~clear
    middle = np.exp(np.mean(np.log(peaks["batch_opt"].to_numpy()[clear] / x[clear])))
    ends = np.array([x.min(), x.max()])
    parts.append(
        plot_data.rows(
            "b", "theory", row=variant, series="theory: slope 1", x=ends, y=middle * ends
        )
    )
    return parts


def compose(spec: FigureSpec, table: pd.DataFrame, study: Study) -> Figure:
    """Draw accuracy on the left, the best batch size on the right, for each variant."""
    sweep = _SWEEPS[spec.experiments[0]]
    titles = {"a": "accuracy against batch size", "b": "best batch size"}
    figure, axes = layout.panels(table, titles, height=2.9)
    looks = layout.series_looks(table, ordered=True)
    for (variant, letter), ax in axes.items():
        rows = marks.panel(table, letter, variant)
        if letter == "a":
            accuracy_panel.draw(ax, rows, looks)
        else:
            _draw_law(ax, rows, looks, sweep)
    curves = table[(table["panel"] == "a") & (table["kind"] == "curve")]
    layout.legend(figure, looks)
    layout.footnote(figure, table, study, runs=curves)
    return figure


def _draw_law(ax: Axes, rows: pd.DataFrame, looks: dict[str, style.Look], sweep: _Sweep) -> None:
    axis_scales.logarithmic(ax, "x", rows.loc[rows["kind"] == "point", "x"], ticks=True)
    axis_scales.logarithmic(ax, "y", marks.extent(rows))
    marks.draw(ax, rows, looks)
    ax.set(xlabel=sweep.law, ylabel="best batch size $B_{opt}$")
    ax.legend(loc="best")
