"""Results of the benchmark as a table, as Markdown, as Parquet and as a plot."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.measure import ratios
from noisescale.storage.provenance import collect_provenance

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CASE = ["model", "train_size", "momentum", "stack", "batch_size"]
OURS = "ours"


def wide(table: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each case: our time, the limit over our time, our speed over each peer's."""
    ours = table[table["contender"] == OURS].set_index(CASE)
    result = pd.DataFrame(
        {
            "µs per update": 1e6 / ours["updates_per_second"],
            "runs per hour": ours["runs_per_hour"],
            "of the limit": ours["of_limit"],
        }
    )
    return result.join(ratios(table).add_prefix("× "))


def text(table: pd.DataFrame) -> str:
    """Return the table as text for a terminal."""
    return _formatted(wide(table)).to_string(index=False)


def markdown(table: pd.DataFrame, device: str, rounds: int, arguments: str = "") -> str:
    """Return the table as a page, with its command, date, machine and versions."""
    cells = _formatted(wide(table))
    lines = [
        "# Speed of the engine",
        "",
        provenance_line(f"python -m benchmarks {arguments}".strip(), device),
        "",
        f"Medians of {rounds} rounds in turns. *Stack* is the number of networks trained together. "
        "*µs per update* (time of the stack divided by its size) and *runs per hour* (of 10,000 "
        "updates) are those of our engine, per network; *× peer* is its speed divided by that of "
        "the peer. *Of the limit* is the minimum time of an update with the usual operations, "
        "max(operations / matrix rate, bytes / copy bandwidth), divided by the measured time; it "
        "exceeds 100 % where our engine needs fewer operations or bytes. "
        "[How this is measured](README.md).",
        "",
        f"Matrix rate {table['matrix_flops'].max() / 1e9:.0f} GFLOP/s, copy bandwidth "
        f"{table['copy_bandwidth'].max() / 1e9:.0f} GB/s.",
        "",
        *rows(cells),
    ]
    return "\n".join(lines) + "\n"


def provenance_line(command: str, device: str) -> str:
    """Return a sentence with the command, date, machine and versions of a measurement."""
    provenance = collect_provenance()
    versions = ", ".join(f"{name} {version}" for name, version in provenance["versions"].items())
    where = f"{device}, {provenance['machine']['processor']}"
    return f"Written by `{command}` on {provenance['created'][:10]}: {where}; {versions}."


def rows(cells: pd.DataFrame) -> list[str]:
    """Return the lines of a Markdown table."""
    return [
        "| " + " | ".join(cells.columns) + " |",
        "|" + "---:|" * len(cells.columns),
        *("| " + " | ".join(row) + " |" for row in cells.itertuples(index=False)),
    ]


def _formatted(table: pd.DataFrame) -> pd.DataFrame:
    cells = table.reset_index()
    forms = {
        "µs per update": _three_digits,
        "runs per hour": "{:,.0f}".format,
        "of the limit": "{:.0%}".format,
    }
    for column in cells.columns:
        form = forms.get(column, ("{:.2f}" if column.startswith("× ") else "{}").format)
        cells[column] = [form(value) if value == value else "" for value in cells[column]]
    return cells.rename(columns=lambda column: column.replace("_", " "))


def _three_digits(value: float) -> str:
    return f"{value:,.{max(0, 2 - math.floor(math.log10(value)))}f}"


def write(table: pd.DataFrame, folder: Path, device: str) -> None:
    """Write ``engine.parquet`` and ``engine.png``."""
    folder.mkdir(parents=True, exist_ok=True)
    metadata = {"provenance": json.dumps({"device": device, **collect_provenance()})}
    arrow = pa.Table.from_pandas(table, preserve_index=False)
    pq.write_table(
        arrow.replace_schema_metadata((arrow.schema.metadata or {}) | metadata),
        folder / "engine.parquet",
    )
    draw(table).savefig(folder / "engine.png", dpi=150)
    print(f"{folder}/engine.parquet and engine.png written")


def draw(table: pd.DataFrame) -> Figure:
    """Return a figure: time of an update against batch size, with a panel for each setting."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    # On a CPU, the stack is that of a study, which depends on the batch size.
    several = table.groupby([*CASE[:3], "batch_size"])["stack"].nunique().max() > 1
    panels = list(table.groupby(CASE[: 3 + several], sort=False))
    columns = min(4, len(panels))
    rows = -(-len(panels) // columns)
    figure, axes = plt.subplots(
        rows, columns, figsize=(4 * columns, 3.4 * rows), squeeze=False, layout="constrained"
    )
    for axis in axes.flat[len(panels) :]:
        axis.remove()
    for axis, ((model, train_size, momentum, *stack), panel) in zip(
        axes.flat, panels, strict=False
    ):
        for name, line in panel.groupby("contender", sort=False):
            width = 2.5 if name == OURS else 1.2
            times = 1e6 / line["updates_per_second"]
            axis.plot(line["batch_size"], times, "o-", ms=3, lw=width, label=name)
        ours = panel[panel["contender"] == OURS]
        limit = 1e6 * ours["of_limit"] / ours["updates_per_second"]
        axis.plot(ours["batch_size"], limit, "k:", label="limit of the usual arithmetic")
        axis.set(xscale="log", yscale="log", xlabel="batch size", ylabel="µs per update")
        of = "".join(f", stack {n}" for n in stack)
        axis.set_title(f"{model}, N = {train_size:,}, m = {momentum:g}{of}", fontsize=9)
        axis.grid(alpha=0.3)
    lines, names = axes.flat[0].get_legend_handles_labels()
    figure.legend(lines, names, loc="outside upper center", ncols=len(names), frameon=False)
    return figure
