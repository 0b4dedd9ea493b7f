"""Concurrent workflows, and wrong clocks."""

from __future__ import annotations

import os
import re
import shutil
import time
from pathlib import Path
from random import Random

from faults.outcome import Outcome
from faults.study import RUNS, Study, refused, wait

YEAR = 365 * 86400


def two_workflows(undisturbed: Study, folder: Path, random: Random, tries: int) -> Outcome:
    """Start a second workflow on the same results while the first one runs."""
    outcome = Outcome()
    for number in range(tries):
        study = Study.fresh(folder / f"{number}")
        first = study.start(RUNS)
        wait((study.results / "study.json").exists)
        time.sleep(random.uniform(0, 5))
        line = refused(study(RUNS))
        first.wait()
        if "the study is in use by process" not in line or first.returncode:
            outcome.failed(line or "not refused")
            continue
        outcome.message = line
        outcome.count(study, undisturbed, only_runs=True)
    return outcome


def touched(undisturbed: Study, folder: Path, random: Random, tries: int) -> Outcome:
    """Move the times of all files into the past or the future: nothing is rebuilt."""
    outcome = Outcome()
    for number in range(tries):
        study = undisturbed.copied(folder / f"{number}")
        for path in sorted(study.folder.rglob("*")):
            if path.is_file() and ".snakemake" not in path.parts:
                moment = time.time() + random.choice((-YEAR, YEAR))
                os.utime(path, (moment, moment))
        result = study()
        if result.status or not result.nothing_to_be_done:
            outcome.failed(result.text[-2000:])
        else:
            outcome.count(study, undisturbed)
    return outcome


def clock_set_back(undisturbed: Study, folder: Path, random: Random, tries: int) -> Outcome:
    """Set the clock back by a year after the training (libfaketime).

    Snakemake refuses files that are older than their inputs, in a line that names the clock. Once
    the clock is right again, the study must continue.
    """
    outcome = Outcome()
    for number in range(tries):
        study = Study.fresh(folder / f"{number}")
        study(RUNS)
        library = next(Path("/usr/lib").rglob("faketime/libfaketime.so.1"))
        result = study(LD_PRELOAD=str(library), FAKETIME="-1y", FAKETIME_DONT_FAKE_MONOTONIC="1")
        trained = result.trained
        if result.status and (
            skew := re.search(r"Output \S+ has older .* clock skew", result.text)
        ):
            outcome.message = skew[0]
            result = study()
        if result.status or trained or result.trained:
            outcome.failed(result.text[-2000:])
        else:
            outcome.count(study, undisturbed)
    return outcome


def has_faketime() -> bool:
    """Return whether the clock of one process can be set back (Debian's faketime)."""
    return shutil.which("faketime") is not None
