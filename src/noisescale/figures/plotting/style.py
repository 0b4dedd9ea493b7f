"""One look for all figures: fonts, colours, markers; the same bytes for the same numbers.

seaborn gives the theme and the palettes; figures are made without pyplot's global state, so that
no display is needed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import pandas as pd
import seaborn as sns
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from noisescale.storage.files import atomic_write

WIDTH = 7.0
"""Width of a figure in inches: the text width of a page."""
HALF = 4.4
"""Width of a figure with a single panel."""
GREY = "0.35"
"""Reference lines and remarks."""

_MARKERS = ("o", "s", "^", "D", "v", "P", "<", "X", ">", "h", "p", "*")
_LINES = ("-", (0, (5, 1.5)), (0, (1.2, 1.2)), (0, (5, 1.5, 1.2, 1.5)))
# Distinct to colour-blind readers (after Okabe & Ito) and by lightness, dark to light.
_NAMED = ("#1b2a49", "#c8501e", "#4c9ac9", "#c79a1b")

_LOOK = {
    "axes.grid": True,
    "axes.edgecolor": "0.25",
    "axes.formatter.useoffset": False,
    "axes.labelsize": 9,
    "axes.linewidth": 0.7,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 9,
    "figure.constrained_layout.h_pad": 0.06,
    "figure.constrained_layout.use": True,
    "figure.constrained_layout.w_pad": 0.06,
    "figure.constrained_layout.wspace": 0.04,
    "font.family": "DejaVu Sans",
    "font.size": 8.5,
    "grid.color": "0.9",
    "grid.linewidth": 0.6,
    "legend.edgecolor": "none",
    "legend.fontsize": 7.5,
    "legend.framealpha": 0.8,
    "legend.handlelength": 2.6,
    "legend.title_fontsize": 8,
    "lines.linewidth": 1.3,
    "lines.markersize": 4,
    "mathtext.default": "regular",
    "savefig.dpi": 160,
    "svg.hashsalt": "noisescale",
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
}


@dataclass(frozen=True)
class Look:
    """How one series is drawn: told apart by colour, by lightness, by marker and by line."""

    color: str
    marker: str
    line: str | tuple
    filled: bool = True
    band: float = 0.16
    weight: float = 1.0

    @property
    def face(self) -> str:
        """The colour inside its marker."""
        return self.color if self.filled else "white"


@contextlib.contextmanager
def look() -> Iterator[None]:
    """Draw in the house style within the block, whatever the user's matplotlibrc says."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(sns.axes_style("ticks") | sns.plotting_context("paper") | _LOOK)
        yield


def named(series: Sequence[str]) -> dict[str, Look]:
    """Return looks for a few series without an order, such as train and test."""
    return {
        name: Look(_NAMED[i % len(_NAMED)], _MARKERS[i % 12], _LINES[i % 4])
        for i, name in enumerate(series)
    }


def ordered(series: Sequence[str]) -> dict[str, Look]:
    """Return looks for the values of an ordered axis: from dark (first) to light (last)."""
    shades = sns.color_palette("viridis", as_cmap=True)
    last = max(len(series) - 1, 1)
    return {
        name: Look(
            color=mpl.colors.to_hex(shades(0.84 * i / last)),
            marker=_MARKERS[i % 12],
            line=_LINES[i % 4],
            band=min(0.16, 0.4 / len(series)),
        )
        for i, name in enumerate(series)
    }


def canvas(rows: int, height: float, width: float = WIDTH) -> Figure:
    """Return an empty figure of `rows` rows, each `height` inches high."""
    figure = Figure(figsize=(width, rows * height))
    FigureCanvasAgg(figure)
    return figure


def save(figure: Figure, table: pd.DataFrame, folder: Path, name: str) -> None:
    """Write a figure as .png and .svg, and the table it was drawn from as .csv.

    Each file is replaced whole or not at all, and has the same bytes for the same table.
    """
    folder = Path(folder)
    for suffix, metadata in (("png", {"Software": None}), ("svg", {"Date": None, "Creator": None})):
        with atomic_write(folder / f"{name}.{suffix}") as path:
            figure.savefig(path, format=suffix, metadata=metadata)
    with atomic_write(folder / f"{name}.csv") as path:
        table.to_csv(path, index=False, lineterminator="\n")
