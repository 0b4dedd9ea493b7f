"""The look of all figures: fonts, colours and markers; the same table gives the same bytes.

seaborn is used only for its theme and its palette. Its plotting functions compute means and
intervals themselves, whereas these figures draw exactly what their tables hold: with plain
Matplotlib, each mark is a row of the ``.csv`` file. Figures are made without pyplot, which keeps
global state and may need a display.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import matplotlib as mpl
import pandas as pd
import seaborn as sns
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.typing import LineStyleType

from noisescale.storage.files import atomic_write

_T = TypeVar("_T")

WIDTH = 7.0
"""Width of a figure in inches: the text width of a page."""
HALF = 4.4
"""Width of a figure with a single panel."""
GREY = "0.35"
"""The colour of reference lines and remarks."""
DARK = "0.15"
"""The colour of fits, and of a curve that is the only one."""

_MARKERS = ("o", "s", "^", "D", "v", "P", "<", "X", ">", "h", "p", "*")
_LINES: tuple[LineStyleType, ...] = ("-", (0, (5, 1.5)), (0, (1.2, 1.2)), (0, (5, 1.5, 1.2, 1.5)))
# Colour-blind readers can distinguish these (after Okabe & Ito), also by lightness, dark to light.
_NAMED = ("#1b2a49", "#c8501e", "#4c9ac9", "#c79a1b")

_SETTINGS: dict[str, Any] = {
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
    """How one series is drawn. Series differ in colour, in lightness, in marker and in line.

    Attributes
    ----------
    color, marker, line
        As Matplotlib takes them.
    filled
        Whether its markers are filled.
    band
        The opacity of the band around its line.
    weight
        The size of its markers and the width of its line, as a factor.
    """

    color: str
    marker: str
    line: LineStyleType
    filled: bool = True
    band: float = 0.16
    weight: float = 1.0

    @property
    def face(self) -> str:
        """The colour inside its markers."""
        return self.color if self.filled else "white"


@contextlib.contextmanager
def look() -> Iterator[None]:
    """Draw in the project's style within the block, whatever the user's matplotlibrc says."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(sns.axes_style("ticks") | sns.plotting_context("paper") | _SETTINGS)
        yield


def named(series: Sequence[str]) -> dict[str, Look]:
    """Return looks for a few series without an order, such as train and test."""
    return {
        name: Look(_cycled(_NAMED, i), _cycled(_MARKERS, i), _cycled(_LINES, i))
        for i, name in enumerate(series)
    }


def _cycled(values: Sequence[_T], i: int) -> _T:
    return values[i % len(values)]


def ordered(series: Sequence[str]) -> dict[str, Look]:
    """Return looks for the values of a parameter, from dark (first) to light (last)."""
    shades = sns.color_palette("viridis", as_cmap=True)
    last = max(len(series) - 1, 1)
    return {
        name: Look(
            color=mpl.colors.to_hex(shades(0.84 * i / last)),
            marker=_cycled(_MARKERS, i),
            line=_cycled(_LINES, i),
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
    """Write a figure as .png and .svg, and the table that it was drawn from as .csv.

    Each file is replaced atomically, and has the same bytes for the same table.
    """
    folder = Path(folder)
    for suffix, metadata in (("png", {"Software": None}), ("svg", {"Date": None, "Creator": None})):
        with atomic_write(folder / f"{name}.{suffix}") as path:
            figure.savefig(path, format=suffix, metadata=metadata)
    with atomic_write(folder / f"{name}.csv") as path:
        table.to_csv(path, index=False, lineterminator="\n")
