"""Other workflows beside this one, and clocks that are wrong."""

from __future__ import annotations

import os
import re
import shutil
import time
from pathlib import Path
from random import Random

from reliability.outcome import Outcome
from reliability.study import RUNS, Study, refused, wait

YEAR = 365 * 86400


def two_at_once(undisturbed: Study, folder: Path, random: Random, tries: int) -> Outcome:
    """Call a second workflow on the same results, while the first is at work."""
    outcome = Outcome()
    for number in range(tries):
        study = Study.fresh(folder / f"{number}")
        first = study.start(RUNS)
        wait((study.results / "study.json").exists)
        time.sleep(random.uniform(0, 5))
        line = refused(study(RUNS))
        first.wait()
        if "works here" not in line or first.returncode:
            outcome.failed(line or "not refused")
            continue
        outcome.said = line
        outcome.count(study, undisturbed, only_runs=True)
    return outcome


def touched(undisturbed: Study, folder: Path, random: Random, tries: int) -> Outcome:
    """Move the times of all files into the past or the future: nothing is made again."""
    outcome = Outcome()
    for number in range(tries):
        study = undisturbed.copied(folder / f"{number}")
        for path in sorted(study.folder.rglob("*")):
            if path.is_file() and ".snakemake" not in path.parts:
                moment = time.time() + random.choice((-YEAR, YEAR))
                os.utime(path, (moment, moment))
        call = study()
        if call.status or not call.nothing_to_be_done:
            outcome.failed(call.text[-2000:])
        else:
            outcome.count(study, undisturbed)
    return outcome


def clock_set_back(undisturbed: Study, folder: Path, random: Random, tries: int) -> Outcome:
    """Set the clock back by a year between the training and all that follows (libfaketime).

    Snakemake refuses files that are older than what they were made from, in a line that names the
    clock; once that is right again, the study has to go on.
    """
    outcome = Outcome()
    for number in range(tries):
        study = Study.fresh(folder / f"{number}")
        study(RUNS)
        library = next(Path("/usr/lib").rglob("faketime/libfaketime.so.1"))
        call = study(LD_PRELOAD=str(library), FAKETIME="-1y", FAKETIME_DONT_FAKE_MONOTONIC="1")
        trained = call.trained
        if call.status and (skew := re.search(r"Output \S+ has older .* clock skew", call.text)):
            outcome.said = skew[0]
            call = study()
        if call.status or trained or call.trained:
            outcome.failed(call.text[-2000:])
        else:
            outcome.count(study, undisturbed)
    return outcome


def has_faketime() -> bool:
    """Return whether clocks can be set back here, for one process (Debian's faketime)."""
    return shutil.which("faketime") is not None
