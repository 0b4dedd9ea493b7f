"""Axes: logarithmic scales with a place for zero, readable ticks, limits that show the effect."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter, NullLocator

_PLAIN = (1e-3, 6e4)
"""Powers of ten are written out between these, else as 10^k."""


def logarithmic(ax: Axes, axis: str, values: npt.ArrayLike, ticks: bool = False) -> None:
    """Make an axis logarithmic, with a place for zero if zero is among `values`.

    Parameters
    ----------
    axis
        ``x`` or ``y``.
    values
        What is plotted on it; NaN are ignored.
    ticks
        Whether to label the values themselves, if they are few, instead of powers of ten.
    """
    distinct = np.unique(np.asarray(values, dtype=np.float64))
    distinct = distinct[np.isfinite(distinct)]
    positive = distinct[distinct > 0]
    if not len(positive):
        return
    set_scale = ax.set_xscale if axis == "x" else ax.set_yscale
    zero = len(positive) < len(distinct)
    if zero:
        # Linear between 0 and the smallest value, which are shown this many decades apart.
        gap = float(np.clip(np.log10(positive[-1] / positive[0]) / 7, 0.25, 1))
        set_scale("symlog", linthresh=positive[0], linscale=gap * (1 - 0.1))
    else:
        set_scale("log")
    _limits(ax, axis, positive, zero)
    _ticks(ax.xaxis if axis == "x" else ax.yaxis, distinct, ticks)
    if zero and axis == "x":
        _break_mark(ax, positive[0])


def _limits(ax: Axes, axis: str, positive: npt.NDArray[np.float64], zero: bool) -> None:
    low, high = positive[0], positive[-1]
    margin = max((high / low) ** 0.04, 1.12)
    bottom = -0.25 * low if zero else low / margin
    (ax.set_xlim if axis == "x" else ax.set_ylim)(bottom, high * margin)


def _ticks(axis: Axis, values: npt.NDArray[np.float64], label_values: bool) -> None:
    """Set the ticks of a logarithmic axis for the sorted `values`, of which the first may be 0."""
    positive = values[values > 0]
    zero = len(positive) < len(values)
    low, high = positive[0], positive[-1]
    decades = 10.0 ** np.arange(np.ceil(np.log10(low) - 1e-9), np.log10(high) + 1e-9)
    many = len(decades)
    if many > 6:
        exponents = np.round(np.log10(decades))
        decades = decades[exponents % np.ceil(many / 6) == 0]
    room = np.diff(np.log10(positive)).min(initial=1) > 0.07 * np.log10(high / low)
    if label_values and len(values) <= 8 and room:
        major = values
    elif len(decades) >= 2:
        major = np.r_[0.0, decades] if zero else decades
    else:
        steps = _steps(low, high)
        major = np.r_[0.0, steps] if zero else steps
    axis.set_major_locator(FixedLocator(major.tolist()))
    axis.set_major_formatter(FuncFormatter(lambda value, _: tick_text(value, major)))
    minor = LogLocator(subs=range(2, 10) if many < 5 else (1,), numticks=99)
    axis.set_minor_locator(NullLocator() if label_values or zero else minor)
    axis.set_minor_formatter(NullFormatter())


def _steps(low: float, high: float) -> npt.NDArray[np.float64]:
    """Return round numbers in a range of less than two decades."""
    powers = 10.0 ** np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)) + 1)
    for digits in ((1, 2, 5), (1, 1.5, 2, 3, 4, 6, 8), np.arange(1, 10, 0.2)):
        steps = np.outer(powers, np.asarray(digits)).ravel()
        steps = steps[(steps >= low * 0.99) & (steps <= high * 1.01)]
        if len(steps) >= 3:
            return steps[:: -(-len(steps) // 7)]
    return steps if len(steps) else np.array([low, high])


def tick_text(value: float, among: npt.NDArray[np.float64]) -> str:
    """Return the label of a tick. All labels of an axis, those of `among`, have the same form."""
    positive = among[among > 0]
    if value <= 0:
        return "0"
    if positive.min() >= _PLAIN[0] and positive.max() <= _PLAIN[1]:
        return f"{float(f'{value:.3g}'):g}"
    exponent = np.log10(value)
    if abs(exponent - round(exponent)) < 1e-6:
        return f"$10^{{{round(exponent)}}}$"
    return f"{value:.0e}".replace("e-0", "e-")


def _break_mark(ax: Axes, smallest: float) -> None:
    """Draw two small strokes across the x axis between zero and the smallest positive value."""
    for shift in (0.45, 0.55):
        ax.plot(
            [smallest * (shift - 0.03), smallest * (shift + 0.03)],
            [-0.018, 0.018],
            transform=ax.get_xaxis_transform(),
            label="_break",
            color="0.25",
            linewidth=0.8,
            clip_on=False,
            zorder=5,
        )


def full(rows: pd.DataFrame) -> tuple[float, float]:
    """Return limits that show all curves and intervals, except for points with diverged runs."""
    complete = rows[~(rows["n_diverged"].fillna(0) > 0)]
    values = (complete if complete["y"].notna().any() else rows)[["y", "low", "high"]].to_numpy()
    values = values[np.isfinite(values)]
    return _padded(values.min(), values.max()) if len(values) else (0.0, 1.0)


def around_peaks(rows: pd.DataFrame) -> tuple[float, float]:
    """Return limits that show whether accuracy against batch size has a peak.

    They depend on how far each curve falls to the right of its maximum. To the left, where
    training fails at small batch sizes, it falls so far that the peaks would not be visible.
    """
    falls = []
    for _, part in rows[rows["kind"] == "curve"].groupby("series", sort=False):
        y = part.sort_values("x")["y"].to_numpy()
        falls.append(y[min(int(y.argmax()), max(len(y) - 3, 0)) :])
    if not falls:
        return 0.0, 1.0
    values = np.concatenate(falls)
    high = values.max()
    # Tukey's fence excludes the points of large batches that are not trained either.
    quarter = np.quantile(values, 0.25)
    low = values[values >= quarter - 3 * (high - quarter)].min()
    few = len(falls) <= 2
    band = rows.loc[rows["y"] >= low, "high"].max() if few else high
    low, high = _padded(low, np.nanmax([high, band]))
    return low - 0.3 * (high - low), high


def learning_curve(ax: Axes, rows: pd.DataFrame) -> None:
    """Set the axes of accuracy against updates so that differences at the end are visible."""
    ends = rows.sort_values("x").groupby("series")["y"].last().to_numpy()
    high, middle = ends.max(), np.median(ends)
    reach = max(8 * (high - middle), 0.03)
    low = max(high - reach, rows["y"].min())
    low, high = _padded(low, max(high, rows["y"].max()))
    ax.set_ylim(low, high)
    last = rows["x"] >= rows["x"].max() / 10
    logarithmic(ax, "x", rows.loc[(rows["y"] >= low) | last, "x"])


def _padded(low: float, high: float) -> tuple[float, float]:
    pad = max(0.06 * (high - low), 0.001)
    return float(low - pad), float(high + pad)
