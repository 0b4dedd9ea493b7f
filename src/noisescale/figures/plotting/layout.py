"""The panels of a figure, its legend, and its footnote, which explains marks and bands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from noisescale.figures.plotting import marks, plot_data, style
from noisescale.figures.plotting.style import Look
from noisescale.study.model import Study


def panels(
    table: pd.DataFrame,
    titles: Mapping[str, str],
    columns: int | None = None,
    height: float = 2.5,
    width: float = style.WIDTH,
) -> tuple[Figure, dict[tuple[str, str], Axes]]:
    """Return a figure with a panel for each letter that the table has rows for, for each variant.

    Parameters
    ----------
    table
        The figure's table, see `plot_data.COLUMNS`.
    titles
        The title of each panel, by letter.
    columns
        The number of panels in a row; by default the number of letters.
    height, width
        The size of a row of panels in inches.

    Returns
    -------
    figure, axes
        `axes` by variant and letter.
    """
    filled = set(zip(table["row"], table["panel"], strict=True))
    titles = {x: title for x, title in titles.items() if (table["panel"] == x).any()}
    variants = plot_data.order(table["row"])
    places = [(v, x) for v in variants for x in titles if (v, x) in filled]
    columns = columns or len(titles)
    lines = -(-len(places) // columns)
    figure = style.canvas(lines, height, width)
    axes = {}
    for place, ax in zip(places, figure.subplots(lines, columns, squeeze=False).flat, strict=False):
        variant, letter = place
        above = f"{variant}\n" if variant else ""
        ax.set_title(f"{above}({letter}) {titles[letter]}")
        axes[place] = ax
    for ax in set(figure.axes) - set(axes.values()):
        ax.remove()
    return figure, axes


def legend(figure: Figure, looks: Mapping[str, Look], extra: Sequence[Line2D] = ()) -> None:
    """Add a legend of all panels above them, in as many lines as needed, read line by line.

    Parameters
    ----------
    looks
        The series and how each is drawn.
    extra
        Further entries, with labels.
    """
    entries = [*_keys(looks), *extra]
    size = mpl.rcParams["legend.fontsize"]
    longest = max(len(str(entry.get_label())) for entry in entries)
    width = (5.2 + 0.56 * longest) * size / 72
    columns = max(1, min(len(entries), int(figure.get_figwidth() / width)))
    columns = -(-len(entries) // -(-len(entries) // columns))
    # Matplotlib fills a legend column by column.
    by_column = [entry for column in range(columns) for entry in entries[column::columns]]
    figure.legend(handles=by_column, loc="outside upper center", ncols=columns, columnspacing=1.4)


def footnote(
    figure: Figure,
    table: pd.DataFrame,
    study: Study,
    runs: pd.DataFrame | None = None,
    crosses: bool = True,
) -> None:
    """Explain marks and bands below the figure, with the numbers of seeds and of diverged runs.

    Parameters
    ----------
    runs
        Rows of the table that count every run once; None to leave out the number of runs.
    crosses
        Whether the figure shows the marks of `marks.diverged`.
    """
    seeds = _seeds(table, study)
    if runs is not None and (diverged := int(runs["n_diverged"].sum())):
        seeds += f"; {diverged} of {int(runs['n_seeds'].sum())} runs diverged"
    peaks = []
    if (table["kind"] == "peak").any():
        peaks.append("large markers: peaks")
    if (table["kind"].isin(["peak", "point", "position"]) & (table["note"] != "")).any():
        peaks.append("hollow: censored (at the end of the range, or no clear peak)")
    lines = ["; ".join(peaks)] if peaks else []
    if crosses and marks.has_diverged(table).any():
        lines.append("×: some runs diverged (at the lower edge: largest batch size below the axis)")
    lines.append(seeds)
    figure.supxlabel("\n".join(lines), fontsize=7, color=style.GREY, x=0.99, ha="right")


def _seeds(table: pd.DataFrame, study: Study) -> str:
    seeds = table.loc[table["kind"] == "curve", "n_seeds"].dropna()
    few, many = (int(seeds.min()), int(seeds.max())) if len(seeds) else (0, 0)
    if many < 2:
        return f"{many} seed{'' if many == 1 else 's'}, no interval"
    number = f"{many}" if few == many else f"{few} to {many}"
    level = 100 * study.statistics.confidence
    return f"mean and {level:g} % bootstrap interval over {number} seeds"


def series_looks(table: pd.DataFrame, ordered: bool) -> dict[str, Look]:
    """Return a look for each series that has a curve, in the order of the table."""
    names = plot_data.order(table.loc[table["kind"] == "curve", "series"])
    return style.ordered(names) if ordered else style.named(names)


def _keys(looks: Mapping[str, Look]) -> list[Line2D]:
    return [
        Line2D(
            [],
            [],
            color=look.color,
            linestyle=look.line,
            marker=look.marker,
            markerfacecolor=look.face,
            label=series,
        )
        for series, look in looks.items()
    ]
