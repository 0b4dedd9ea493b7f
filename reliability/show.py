"""The outcomes, as lines and as a page."""

from __future__ import annotations

from pathlib import Path

from noisescale import records
from reliability.outcome import Outcome

TEXT = Path(__file__).parent / "page.md"


def line(name: str, outcome: Outcome | None) -> str:
    """Return an outcome as a line; what was not well, in full."""
    if outcome is None:
        return f"{name}: cannot be tried here"
    text = f"{name}: {outcome.survived} of {outcome.tries} survived, {outcome.rows_lost} rows lost"
    if outcome.said:
        text += f"\n    {outcome.said}"
    return text + "".join(f"\n    WRONG: {wrong}" for wrong in outcome.wrong)


def write(path: Path, outcomes: dict[str, Outcome | None], seed: int, seconds: float) -> None:
    """Write the page: how each fault is survived, and the table."""
    rows = ["| Fault | Tried | Survived | Rows lost | Result equal |", "|---|---|---|---|---|"]
    for name, outcome in outcomes.items():
        if outcome is None:
            rows.append(f"| {name} | not tried | | | |")
            continue
        equal = "yes" if not outcome.wrong else "**no**"
        rows.append(
            f"| {name} | {outcome.tries} | {outcome.survived} | {outcome.rows_lost} | {equal} |"
        )
    made = records.provenance()
    names = ("python", "snakemake", "torch", "numpy", "pyarrow")
    versions = ", ".join(f"{name} {made['versions'][name]}" for name in names)
    machine = made["machine"]
    how = (
        f"Measured on {made['created'][:10]}, {machine['processor']}, {machine['cores']} cores, "
        f"{machine['system']}; {versions}; seed {seed}; {seconds / 60:.0f} minutes."
    )
    text = TEXT.read_text(encoding="utf-8")
    records.write_text(path, text.replace("{table}", "\n".join(rows)).replace("{how}", how))
