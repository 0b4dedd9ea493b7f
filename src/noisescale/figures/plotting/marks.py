"""Marks: each kind of row of a figure's table has one function that draws it.

========== =======================================================================
curve      a line through points, with a band from `low` to `high`
peak       the point (x, y) of a curve at its peak; hollow with an arrow if censored
point      a point with an interval of y; hollow with an arrow if censored
position   a point with an interval of x; hollow if censored
fit        a solid line, with a band where there is one
theory     a dashed line
level      a horizontal reference line at y, named by its series
minimum    a star on a curve
remark     words, those of its series, in the lower right corner
========== =======================================================================
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.transforms import offset_copy

from noisescale.figures.plotting import annotations
from noisescale.figures.plotting.style import GREY, Look

_ARROWS = {"at least": 1, "at most": -1}
_WORDS = ("level", "remark")
_PLAIN = Look("0.15", "o", "-")


def panel(table: pd.DataFrame, letter: str, row: str = "") -> pd.DataFrame:
    """Return the rows of one panel."""
    return table[(table["panel"] == letter) & (table["row"] == row)]


def extent(rows: pd.DataFrame) -> np.ndarray:
    """Return values of y that a logarithmic axis must hold: points, intervals, room for arrows."""
    ends = rows.loc[rows["note"] == "", ["low", "high"]].to_numpy().ravel()
    arrows = [rows.loc[rows["note"] == note, "y"] * 2.0**up for note, up in _ARROWS.items()]
    return np.concatenate([rows["y"].to_numpy(), ends, *arrows])


def draw(ax: Axes, rows: pd.DataFrame, looks: Mapping[str, Look]) -> None:
    """Draw the rows of a panel; scales and limits must be set before."""
    groups = list(rows.groupby(["kind", "series"], sort=False))
    # Words find their place once everything else has set the limits.
    for (kind, series), part in sorted(groups, key=lambda group: group[0][0] in _WORDS):
        _DRAW[kind](ax, part, looks.get(series, _PLAIN), series)


def _curve(ax: Axes, part: pd.DataFrame, look: Look, series: str) -> None:
    ax.plot(
        part["x"],
        part["y"],
        color=look.color,
        linestyle=look.line,
        marker=look.marker,
        markerfacecolor=look.face,
        markersize=4 * look.weight,
        linewidth=1.3 * look.weight,
        label=series,
        gid=f"curve {series}",
        zorder=3,
    )
    if part["low"].notna().any():
        ax.fill_between(
            part["x"],
            part["low"],
            part["high"],
            color=look.color,
            alpha=look.band,
            linewidth=0,
            gid=f"band {series}",
        )


def _peak(ax: Axes, part: pd.DataFrame, look: Look, series: str) -> None:
    for point in part.itertuples():
        censored = bool(point.note)
        ax.plot(
            [point.x],
            [point.y],
            linestyle="",
            marker=look.marker,
            markersize=8,
            markerfacecolor="white" if censored else look.color,
            markeredgecolor=look.color if censored else "black",
            markeredgewidth=1.4 if censored else 1.1,
            label=f"_peak {series}",
            gid=f"peak {series}",
            zorder=5,
        )
        if point.note in _ARROWS:
            _arrow(ax, point.x, point.y, (_ARROWS[point.note], 0), look.color)


def _point(ax: Axes, part: pd.DataFrame, look: Look, series: str) -> None:
    for point in part.itertuples():
        if np.isfinite(point.low) and not point.note:
            ax.plot([point.x] * 2, [point.low, point.high], **_interval(look))
        ax.plot([point.x], [point.y], **_dot(look, point.note), gid=f"point {series}")
        if point.note in _ARROWS:
            _arrow(ax, point.x, point.y, (0, _ARROWS[point.note]), look.color)


def _position(ax: Axes, part: pd.DataFrame, look: Look, series: str) -> None:
    for point in part.itertuples():
        if np.isfinite(point.low) and not point.note:
            ax.plot([point.low, point.high], [point.y] * 2, **_interval(look))
        ax.plot([point.x], [point.y], **_dot(look, point.note), gid=f"position {series}")


def _interval(look: Look) -> dict:
    return {"color": look.color, "linewidth": 1.1, "label": "_interval", "zorder": 3}


def _dot(look: Look, note: str) -> dict:
    return {
        "linestyle": "",
        "marker": look.marker,
        "markersize": 6,
        "markerfacecolor": "white" if note else look.color,
        "markeredgecolor": look.color,
        "markeredgewidth": 1.3,
        "label": "_point",
        "zorder": 4,
    }


def _arrow(ax: Axes, x: float, y: float, direction: tuple[int, int], color: str) -> None:
    """Point from a censored mark to where the truth may lie."""
    ax.annotate(
        "",
        xy=(x, y),
        xytext=tuple(17 * d for d in direction),
        textcoords="offset points",
        arrowprops={"arrowstyle": "<-", "color": color, "lw": 1.2, "shrinkA": 0, "shrinkB": 4},
        annotation_clip=False,
        zorder=5,
    )


def _fit(ax: Axes, part: pd.DataFrame, look: Look, series: str) -> None:
    ax.plot(part["x"], part["y"], color="0.15", linewidth=1.3, label=series, gid="fit", zorder=2)
    if part["low"].notna().any():
        ax.fill_between(part["x"], part["low"], part["high"], color="0.15", alpha=0.1, linewidth=0)


def _theory(ax: Axes, part: pd.DataFrame, look: Look, series: str) -> None:
    ax.plot(
        part["x"],
        part["y"],
        color=GREY,
        linewidth=1.2,
        linestyle=(0, (4, 2)),
        label=series,
        gid="theory",
        zorder=2,
    )


def _level(ax: Axes, part: pd.DataFrame, look: Look, series: str) -> None:
    for y in part["y"]:
        ax.axhline(y, color=GREY, linewidth=0.9, linestyle=(0, (1, 1.5)), gid="level", zorder=1)
        annotations.beside_line(ax, y, series)


def _minimum(ax: Axes, part: pd.DataFrame, look: Look, series: str) -> None:
    ax.plot(
        part["x"],
        part["y"],
        linestyle="",
        marker="*",
        markersize=10,
        markerfacecolor=look.color,
        markeredgecolor="black",
        markeredgewidth=0.8,
        label=f"_minimum {series}",
        gid=f"minimum {series}",
        zorder=6,
    )


def _remark(ax: Axes, part: pd.DataFrame, look: Look, series: str) -> None:
    annotations.remark(ax, series)


_DRAW = {
    "curve": _curve,
    "peak": _peak,
    "point": _point,
    "position": _position,
    "fit": _fit,
    "theory": _theory,
    "level": _level,
    "remark": _remark,
    "minimum": _minimum,
}


def diverged(ax: Axes, rows: pd.DataFrame, looks: Mapping[str, Look]) -> None:
    """Put a cross on every point of a curve at which runs diverged.

    Of those below the axis only the one at the largest x is shown, on the edge: as a rule all
    smaller batch sizes diverge too. Those of several curves at one x stand on one another.
    """
    bottom, _ = ax.get_ylim()
    edge = ax.get_xaxis_transform()
    there: Counter[float] = Counter()
    for series, part in rows[lost(rows)].groupby("series", sort=False):
        look = looks.get(series, _PLAIN)
        seen, below = part[part["y"] >= bottom], part[part["y"] < bottom]
        ax.plot(seen["x"], seen["y"], **_cross(look))
        if len(below):
            x = below["x"].max()
            above = offset_copy(edge, ax.figure, y=7 * there[x], units="points")
            ax.plot([x], [0.0], transform=above, clip_on=False, **_cross(look))
            there[x] += 1


def lost(table: pd.DataFrame) -> pd.Series:
    """Return which rows are points of a curve that stand for some diverged run."""
    return (table["kind"] == "curve") & (table["n_diverged"].fillna(0) > 0)


def _cross(look: Look) -> dict:
    return {
        "linestyle": "",
        "marker": "x",
        "markersize": 6,
        "markeredgewidth": 1.5,
        "color": look.color,
        "label": "_diverged",
        "zorder": 6,
    }
