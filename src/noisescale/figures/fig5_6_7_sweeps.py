"""Figures 5, 6, 7: accuracy against batch size for a swept parameter, and how its peak scales."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from noisescale.figures.plotting import accuracy_panel, axis_scales, layout, marks, plot_data, style
from noisescale.figures.registry import FigureSpec
from noisescale.results.load import Results
from noisescale.results.scaling_laws import Exponent
from noisescale.statistics.bootstrap import FloatArray
from noisescale.study.experiments import EXPERIMENTS, LAWS, LawVariable
from noisescale.study.model import Study


def tabulate(spec: FigureSpec, inputs: Results) -> pd.DataFrame:
    """Return curves with their peaks (a), and the peaks with the fit and the theory (b)."""
    (experiment,) = spec.experiments

    def label(value: float) -> str:
        return f"{EXPERIMENTS[experiment].symbol} = {plot_data.number(value)}"

    parts = [accuracy_panel.tabulate(inputs, experiment, "a", label)]
    found = accuracy_panel.peaks(inputs, experiment)
    for variant in plot_data.order(parts[0]["row"]):
        peaks = found[found["variant"] == variant]
        if not len(peaks):
            continue
        x = LAWS[experiment].transform(peaks["value"]).to_numpy(dtype=float)
        parts.append(
            plot_data.rows(
                "b",
                "point",
                row=variant,
                series=[label(value) for value in peaks["value"]],
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


def _exponent(inputs: Results, experiment: str, variant: str) -> Exponent | None:
    fits = inputs.laws.exponents_of(experiment) if inputs.laws else []
    return next((fit for fit in fits if fit.variant == variant), None)


def _lines(
    variant: str, law: Exponent | None, x: FloatArray, peaks: pd.DataFrame
) -> list[pd.DataFrame]:
    """Return the fitted line, if there is a fit, and a line of slope 1 through the peaks' mean."""
    parts = []
    if law and law.estimate and law.line:
        slope = law.estimate
        parts.append(
            plot_data.rows(
                "b",
                "fit",
                row=variant,
                series=f"fit: slope {slope.mean:.2f} [{slope.low:.2f}, {slope.high:.2f}]",
                x=law.line.x,
                y=law.line.batch_opt,
                low=law.line.low,
                high=law.line.high,
                n_seeds=law.n_seeds,
            )
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
    """Draw accuracy on the left, the optimum batch size on the right, for each variant."""
    law = LAWS[spec.experiments[0]]
    titles = {"a": "accuracy against batch size", "b": "optimum batch size"}
    figure, axes = layout.panels(table, titles, height=2.9)
    looks = layout.series_looks(table, ordered=True)
    for (variant, letter), ax in axes.items():
        rows = marks.panel(table, letter, variant)
        if letter == "a":
            accuracy_panel.draw(ax, rows, looks)
        else:
            _draw_law(ax, rows, looks, law)
    curves = table[(table["panel"] == "a") & (table["kind"] == "curve")]
    layout.legend(figure, looks)
    layout.footnote(figure, table, study, runs=curves)
    return figure


def _draw_law(ax: Axes, rows: pd.DataFrame, looks: dict[str, style.Look], law: LawVariable) -> None:
    axis_scales.logarithmic(ax, "x", rows.loc[rows["kind"] == "point", "x"], ticks=True)
    axis_scales.logarithmic(ax, "y", marks.extent(rows))
    marks.draw(ax, rows, looks)
    ax.set(xlabel=law.label, ylabel="optimum batch size $B_{opt}$")
    ax.legend(loc="best")
