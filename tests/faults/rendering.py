"""Outcomes as lines of text and as a page in Markdown."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from datetime import date
from pathlib import Path

from faults.outcome import Outcome
from noisescale.storage.files import write_text
from noisescale.storage.provenance import collect_provenance

TEXT = Path(__file__).parent / "page.md"


def line(name: str, outcome: Outcome, seconds: float) -> str:
    """Return an outcome as a line, followed by its message and its failures in full."""
    text = f"{name}: {outcome.survived} of {outcome.tries} survived, {outcome.rows_lost} rows lost"
    text += f", {seconds:.0f} s"
    if outcome.message:
        text += f"\n    {outcome.message}"
    return text + "".join(f"\n    FAILED: {failure}" for failure in outcome.failures)


def save(path: Path, name: str, outcome: Outcome) -> None:
    """Write an outcome to a file that also holds those of other faults."""
    outcomes = read(path) | {name: replace(outcome, date=date.today().isoformat())}
    plain = {name: asdict(outcome) for name, outcome in outcomes.items()}
    write_text(path, json.dumps(plain, indent=1))


def read(path: Path) -> dict[str, Outcome]:
    """Return the outcomes in a file; empty if there is none."""
    if not path.exists():
        return {}
    return {name: Outcome(**fields) for name, fields in json.loads(path.read_text()).items()}


def write(path: Path, outcomes: dict[str, Outcome | None], seed: int) -> None:
    """Write the page: the table of outcomes in the text of ``page.md``."""
    rows = [
        "| Fault | Tried | Survived | Rows lost | Result equal | Compared |",
        "|---|---|---|---|---|---|",
    ]
    for name, outcome in outcomes.items():
        cells = ["not tried", *[""] * 4]
        if outcome is not None:
            equal = "yes" if outcome.passed else "**no**"
            lost = "–" if outcome.compared == ["data"] else outcome.rows_lost
            compared = " or ".join(outcome.compared)
            cells = [outcome.tries, outcome.survived, lost, equal, compared]
        rows.append("| " + " | ".join(map(str, [name, *cells])) + " |")
    provenance = collect_provenance()
    names = ("python", "snakemake", "torch", "numpy", "pyarrow")
    versions = ", ".join(f"{name} {provenance['versions'][name]}" for name in names)
    machine = provenance["machine"]
    days = " and ".join(sorted({outcome.date for outcome in outcomes.values() if outcome}))
    measured = (
        f"Measured on {days}: {machine['processor']}, {machine['cores']} cores, "
        f"{machine['system']}; {versions}; seed {seed}."
    )
    text = TEXT.read_text(encoding="utf-8")
    write_text(path, text.replace("{table}", "\n".join(rows)).replace("{measured}", measured))
