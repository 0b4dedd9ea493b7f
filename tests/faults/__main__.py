"""Inject every fault into the real workflow.

Run from the root of the repository: ``PYTHONPATH=tests python -m faults --help``.
"""

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

from faults import concurrency, disks, kills, rendering
from faults.corruption import (
    damaged_results,
    damaged_user_data,
    flip,
    insert_nan,
    replace,
    truncate,
)
from faults.outcome import Outcome
from faults.study import Study


@dataclass(frozen=True)
class Fault:
    """A fault, how often it is injected, and whether this machine allows it."""

    name: str
    inject: Callable[[Study, Path, Random, int], Outcome]
    tries: int
    possible: Callable[[], bool] = lambda: True


FAULTS = (
    Fault("`kill -9` of a training process", kills.trainings, 20),
    Fault("`kill -9` of Snakemake with its jobs", kills.groups, 10),
    Fault("`kill -9` of Snakemake alone: its training continues", kills.orphans, 10),
    Fault("The disk is full", disks.full, 4, disks.possible),
    Fault("Results, or the runs among them, are read-only", disks.read_only, 2, disks.possible),
    Fault(
        "A shard is truncated, or has a bit flipped",
        damaged_results("runs/**/*.parquet", truncate, flip),
        4,
    ),
    Fault("A shard is replaced by another table", damaged_results("runs/**/*.parquet", replace), 1),
    Fault(
        "`runs.parquet` is truncated, or has a bit flipped",
        damaged_results("runs.parquet", truncate, flip),
        2,
    ),
    Fault(
        "`evidence.parquet` is truncated, or has a bit flipped",
        damaged_results("evidence.parquet", truncate, flip),
        2,
    ),
    Fault(
        "The prepared data are truncated, or have a bit flipped",
        damaged_results("data.npz", truncate, flip),
        2,
    ),
    Fault(
        "`scaling_laws.json` is truncated, or has a bit flipped",
        damaged_results("scaling_laws.json", truncate, flip),
        2,
    ),
    Fault(
        "The user's own data are truncated, or have a bit flipped",
        damaged_user_data(truncate, flip),
        4,
    ),
    Fault("NaN in the user's own data", damaged_user_data(insert_nan), 1),
    Fault("Two workflows at the same time", concurrency.two_workflows, 2),
    Fault("Times of all files in the past or the future", concurrency.touched, 2),
    Fault(
        "The clock is set back by a year", concurrency.clock_set_back, 1, concurrency.has_faketime
    ),
)
"""Every fault, in the order of the page."""

OUTCOMES = Path("results/reliability/outcomes.json")
"""The last outcome of each fault, so that one fault can be repeated without the others."""


def main() -> int:
    """Inject the faults and print their outcomes; write the page if asked to."""
    parser = argparse.ArgumentParser(prog="python -m faults", description=__doc__)
    parser.add_argument(
        "--seed", type=int, default=1710, help="of the random times and positions of faults"
    )
    parser.add_argument("--once", action="store_true", help="inject each fault only once")
    parser.add_argument(
        "--only", default="", help="only faults whose name matches this regular expression"
    )
    parser.add_argument("--markdown", type=Path, help="write the page to this file")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))  # clean up below
    started = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="reliability-")).resolve()
    try:
        undisturbed = Study.fresh(folder / "undisturbed")
        result = undisturbed()
        if result.status:
            raise SystemExit(f"the undisturbed study fails:\n{result.text}")
        undisturbed.seconds = time.monotonic() - started
        print(f"undisturbed study: {undisturbed.seconds:.0f} s", flush=True)
        for number, fault in enumerate(FAULTS):
            if not re.search(options.only, fault.name) or not fault.possible():
                continue
            place, began = folder / f"{number}", time.monotonic()
            # Its random times do not depend on which other faults are injected.
            random = Random(f"{options.seed} {fault.name}")
            outcome = fault.inject(undisturbed, place, random, 1 if options.once else fault.tries)
            shutil.rmtree(place, ignore_errors=True)
            rendering.save(OUTCOMES, fault.name, outcome)
            print(rendering.line(fault.name, outcome, time.monotonic() - began), flush=True)
    finally:
        for study in folder.rglob("Snakefile"):
            Study(study.parent).kill_all()
        shutil.rmtree(folder, ignore_errors=True)
    outcomes = rendering.read(OUTCOMES)
    if options.markdown:
        rendering.write(
            options.markdown, {f.name: outcomes.get(f.name) for f in FAULTS}, options.seed
        )
    return 0 if all(outcome.passed for outcome in outcomes.values()) else 1


if __name__ == "__main__":
    raise SystemExit(main())
