"""Marks: one function for each kind of row of a figure's table.

========== =======================================================================
curve      a line through points, with a band from `low` to `high`
peak       the point (x, y) of a curve at its peak; hollow with an arrow if censored
point      a point with an interval of y; hollow with an arrow if censored
position   a point with an interval of x; hollow if censored
fit        a solid line, with a band where the table has one
theory     a dashed line
level      a horizontal reference line at y, labelled with its series
minimum    a star on a curve
remark     the text of its series, in the lower right corner
========== =======================================================================
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import NamedTuple, TypedDict

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.transforms import offset_copy

from noisescale.figures.plotting.annotations import label_line, write_remark
from noisescale.figures.plotting.plot_data import groups
from noisescale.figures.plotting.style import DARK, GREY, Look

_ARROWS = {"at least": 1, "at most": -1}
"""The directions in which a censored optimum may lie, by the note of its row."""
_TEXT_KINDS = ("level", "remark")
_DEFAULT = Look(DARK, "o", "-")


class _LineStyle(TypedDict, total=False):
    """Properties of a line that several marks share."""

    color: str
    label: str
    linestyle: str
    linewidth: float
    marker: str
    markeredgecolor: str
    markeredgewidth: float
    markerfacecolor: str
    markersize: float
    zorder: float


class Point(NamedTuple):
    """A row of a figure's table that is drawn as one mark."""

    series: str
    x: float
    y: float
    low: float
    high: float
    note: str


def points(rows: pd.DataFrame) -> list[Point]:
    """Return the rows of a figure's table as points."""
    columns = (rows[name].tolist() for name in Point._fields)
    return [Point(*values) for values in zip(*columns, strict=True)]


def panel(table: pd.DataFrame, letter: str, row: str = "") -> pd.DataFrame:
    """Return the rows of one panel."""
    return table[(table["panel"] == letter) & (table["row"] == row)]


def extent(rows: pd.DataFrame) -> npt.NDArray[np.float64]:
    """Return the y values that a logarithmic axis must show: points, intervals, arrow heads."""
    ends = rows.loc[rows["note"] == "", ["low", "high"]].to_numpy().ravel()
    arrows = [rows.loc[rows["note"] == note, "y"] * 2.0**up for note, up in _ARROWS.items()]
    return np.concatenate([rows["y"].to_numpy(), ends, *arrows])


def draw(ax: Axes, rows: pd.DataFrame, looks: Mapping[str, Look]) -> None:
    """Draw the rows of a panel. Its scales must be set before."""
    # Text is placed last, when everything else has set the limits.
    ordered = sorted(groups(rows, "kind", "series"), key=lambda group: group[0][0] in _TEXT_KINDS)
    for (kind, series), part in ordered:
        _DRAW[kind](ax, part, looks.get(series, _DEFAULT), series)


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
    for point in points(part):
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
            _arrow(ax, point, (_ARROWS[point.note], 0), look.color)


def _point(ax: Axes, part: pd.DataFrame, look: Look, series: str) -> None:
    for point in points(part):
        if np.isfinite(point.low) and not point.note:
            ax.plot([point.x] * 2, [point.low, point.high], **_interval(look))
        ax.plot([point.x], [point.y], **_dot(look, point.note), gid=f"point {series}")
        if point.note in _ARROWS:
            _arrow(ax, point, (0, _ARROWS[point.note]), look.color)


def _position(ax: Axes, part: pd.DataFrame, look: Look, series: str) -> None:
    for point in points(part):
        if np.isfinite(point.low) and not point.note:
            ax.plot([point.low, point.high], [point.y] * 2, **_interval(look))
        ax.plot([point.x], [point.y], **_dot(look, point.note), gid=f"position {series}")


def _interval(look: Look) -> _LineStyle:
    return {"color": look.color, "linewidth": 1.1, "label": "_interval", "zorder": 3}


def _dot(look: Look, note: str) -> _LineStyle:
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


def _arrow(ax: Axes, point: Point, direction: tuple[int, int], color: str) -> None:
    """Draw an arrow from a censored mark towards the values that are possible."""
    ax.annotate(
        "",
        xy=(point.x, point.y),
        xytext=(17 * direction[0], 17 * direction[1]),
        textcoords="offset points",
        arrowprops={"arrowstyle": "<-", "color": color, "lw": 1.2, "shrinkA": 0, "shrinkB": 4},
        annotation_clip=False,
        zorder=5,
    )


def _fit(ax: Axes, part: pd.DataFrame, look: Look, series: str) -> None:
    ax.plot(part["x"], part["y"], color=DARK, linewidth=1.3, label=series, gid="fit", zorder=2)
    if part["low"].notna().any():
        ax.fill_between(part["x"], part["low"], part["high"], color=DARK, alpha=0.1, linewidth=0)


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
        label_line(ax, y, series)


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
    write_remark(ax, series)


_DRAW: dict[str, Callable[[Axes, pd.DataFrame, Look, str], None]] = {
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
    """Draw a cross on every point of a curve at which runs diverged.

    Of the points below the axis, only the one at the largest x is shown, at the lower edge: usually
    all smaller batch sizes diverge as well. Crosses of several curves at the same x are stacked.
    """
    bottom, _ = ax.get_ylim()
    edge = ax.get_xaxis_transform()
    stacked: Counter[float] = Counter()
    for (series,), part in groups(rows[has_diverged(rows)], "series"):
        look = looks.get(series, _DEFAULT)
        inside, below = part[part["y"] >= bottom], part[part["y"] < bottom]
        ax.plot(inside["x"], inside["y"], **_cross(look))
        if len(below):
            x = below["x"].max()
            above = offset_copy(edge, ax.get_figure(root=True), y=7 * stacked[x], units="points")
            ax.plot([x], [0.0], transform=above, clip_on=False, **_cross(look))
            stacked[x] += 1


def has_diverged(table: pd.DataFrame) -> pd.Series[bool]:
    """Return which rows are points of a curve that include diverged runs."""
    return (table["kind"] == "curve") & (table["n_diverged"].fillna(0) > 0)


def _cross(look: Look) -> _LineStyle:
    return {
        "linestyle": "",
        "marker": "x",
        "markersize": 6,
        "markeredgewidth": 1.5,
        "color": look.color,
        "label": "_diverged",
        "zorder": 6,
    }
