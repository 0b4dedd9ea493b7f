"""Try every fault on the real workflow: ``python -m reliability --help``."""

from __future__ import annotations

import argparse
import re
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

from reliability import concurrency, corruption, disks, kills, show
from reliability.corruption import cut, exchange, flip, not_a_number
from reliability.outcome import Outcome
from reliability.study import Study


@dataclass(frozen=True)
class Fault:
    """A fault, how often it is tried, and whether that is possible here."""

    name: str
    try_: Callable[[Study, Path, Random, int], Outcome]
    tries: int
    possible: Callable[[], bool] = lambda: True


FAULTS = (
    Fault("`kill -9` of a training process", kills.trainings, 20),
    Fault("`kill -9` of Snakemake with its jobs", kills.groups, 10),
    Fault("`kill -9` of Snakemake alone: its training goes on", kills.orphans, 10),
    Fault("The disk is full", disks.full, 4, disks.possible),
    Fault("Results, or the runs among them, are read-only", disks.read_only, 2, disks.possible),
    Fault("A shard is cut, or has a bit flipped", corruption.of("runs/**/*.parquet", cut, flip), 4),
    Fault("Another table in the place of a shard", corruption.of("runs/**/*.parquet", exchange), 1),
    Fault(
        "`runs.parquet` is cut, or has a bit flipped", corruption.of("runs.parquet", cut, flip), 2
    ),
    Fault(
        "`evidence.parquet` is cut, or has a bit flipped",
        corruption.of("evidence.parquet", cut, flip),
        2,
    ),
    Fault(
        "The prepared data are cut, or have a bit flipped", corruption.of("data.npz", cut, flip), 2
    ),
    Fault(
        "`scaling_laws.json` is cut, or has a bit flipped",
        corruption.of("scaling_laws.json", cut, flip),
        2,
    ),
    Fault("The user's own data are cut, or have a bit flipped", corruption.own_data(cut, flip), 4),
    Fault("NaN in the user's own data", corruption.own_data(not_a_number), 1),
    Fault("Two workflows at once", concurrency.two_at_once, 2),
    Fault("Times of all files in the past or the future", concurrency.touched, 2),
    Fault(
        "The clock is set back by a year", concurrency.clock_set_back, 1, concurrency.has_faketime
    ),
)
"""Every fault, and what is tried of it."""

OUTCOMES = Path("results/reliability/outcomes.json")
"""The last outcome of each fault: a fault may be tried again without all the others."""


def main() -> int:
    """Try the faults, print what became of them, and write a page on demand."""
    parser = argparse.ArgumentParser(prog="reliability", description=__doc__)
    parser.add_argument("--seed", type=int, default=1710, help="of the random moments and places")
    parser.add_argument("--once", action="store_true", help="try each fault only once")
    parser.add_argument("--only", default="", help="faults whose name matches")
    parser.add_argument("--markdown", type=Path, help="write the page here")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))  # and clear up
    started = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="reliability-")).resolve()
    try:
        undisturbed = Study.fresh(folder / "undisturbed")
        call = undisturbed()
        if call.status:
            raise SystemExit(f"the undisturbed study fails:\n{call.text}")
        undisturbed.seconds = time.monotonic() - started
        print(f"the undisturbed study: {undisturbed.seconds:.0f} s", flush=True)
        for number, fault in enumerate(FAULTS):
            if not re.search(options.only, fault.name) or not fault.possible():
                continue
            place, began = folder / f"{number}", time.monotonic()
            # Each fault has random moments of its own, whichever others are tried.
            random = Random(f"{options.seed} {fault.name}")
            outcome = fault.try_(undisturbed, place, random, 1 if options.once else fault.tries)
            shutil.rmtree(place, ignore_errors=True)
            show.keep(OUTCOMES, fault.name, outcome)
            print(show.line(fault.name, outcome, time.monotonic() - began), flush=True)
    finally:
        for study in folder.rglob("Snakefile"):
            Study(study.parent).end()
        shutil.rmtree(folder, ignore_errors=True)
    outcomes = show.read(OUTCOMES)
    if options.markdown:
        show.write(options.markdown, {f.name: outcomes.get(f.name) for f in FAULTS}, options.seed)
    return 0 if all(outcome.sound for outcome in outcomes.values()) else 1


if __name__ == "__main__":
    raise SystemExit(main())
