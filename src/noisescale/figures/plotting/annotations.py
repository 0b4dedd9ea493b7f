"""Text within a panel: labels of reference lines and remarks, placed where they cover no data."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes

from noisescale.figures.plotting.style import GREY

_WIDTH, _HEIGHT = 0.04, 0.09
"""Room for text as fractions of a panel: the width of a letter, the height of a line."""


def label_line(ax: Axes, y: float, text: str) -> None:
    """Label the horizontal line at `y`, at the end and on the side that have most room."""
    ax.autoscale_view()
    at = ax.transAxes.inverted().transform(ax.transData.transform((1, y)))[1]
    data = _drawn(ax)
    width = _WIDTH * len(text) + 0.02

    def crowding(place: tuple[str, str]) -> float:
        left = 0 if place[0] == "left" else 1 - width
        bottom = at if place[1] == "bottom" else at - _HEIGHT
        if bottom < 0 or bottom + _HEIGHT > 1:
            return np.inf
        x, height = data[:, 0], data[:, 1]
        within = (x >= left) & (x <= left + width)
        return (within & (height > bottom - 0.01) & (height < bottom + _HEIGHT + 0.01)).sum()

    places = [(side, end) for side in ("left", "right") for end in ("top", "bottom")]
    side, end = min(places, key=crowding)
    ax.annotate(
        text,
        xy=(side == "right", y),
        xycoords=("axes fraction", "data"),
        xytext=(3 if side == "left" else -3, 2 if end == "bottom" else -2),
        textcoords="offset points",
        ha=side,
        va=end,
        fontsize=7,
        color=GREY,
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.7, "pad": 0.5},
        zorder=2.5,
    )


def _drawn(ax: Axes) -> npt.NDArray[np.float64]:
    """Return points along all lines and markers of a panel, as fractions of the axes."""
    points = [np.empty((0, 2))]
    for line in ax.lines:
        if line.get_transform() != ax.transData or line.get_gid() == "level":
            continue
        path = ax.transAxes.inverted().transform(ax.transData.transform(line.get_xydata()))
        path = path[np.isfinite(path).all(axis=1)]
        if len(path):
            steps = np.linspace(0, len(path) - 1, 20 * len(path))
            along = [np.interp(steps, range(len(path)), path[:, axis]) for axis in (0, 1)]
            points.append(np.column_stack(along))
    return np.concatenate(points)


def write_remark(ax: Axes, text: str) -> None:
    """Write a line in the lower right corner, above earlier remarks."""
    earlier = sum(other.get_gid() == "remark" for other in ax.texts)
    ax.annotate(
        text,
        xy=(0.99, 0.02),
        xycoords="axes fraction",
        xytext=(0, 9 * earlier),
        textcoords="offset points",
        ha="right",
        fontsize=7,
        color=GREY,
        gid="remark",
    )
