"""Disks that are full or read-only. They need root, and Linux."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

from reliability.outcome import Outcome
from reliability.study import RUNS, Study, refused

AMPLE = "size=256m"


def possible() -> bool:
    """Return whether disks can be mounted here."""
    return hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("mount") is not None


@contextmanager
def disk(place: Path, options: str = AMPLE) -> Iterator[None]:
    """Have a disk of its own in a folder."""
    place.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", place], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


def remount(place: Path, options: str) -> None:
    """Change a disk's size, or whether it may be written to."""
    subprocess.run(["mount", "-o", f"remount,{options}", place], check=True)


def full(undisturbed: Study, folder: Path, random: Random, tries: int) -> Outcome:
    """Let the disk of the results fill up; make it larger after the refusal.

    Every other time only the runs are wanted, so that it is in their midst that there is no room.
    """
    outcome = Outcome()
    for number in range(tries):
        study = Study.fresh(folder / f"{number}")
        place = study.folder / "results"
        target, most = (RUNS, 300) if number % 2 else ("all", 1500)
        with disk(place, f"size={random.randrange(40, most)}k"):
            call = study(target)
            line = refused(call)
            if call.status and "No space left" not in line:
                outcome.failed(call.text[-3000:])
                continue
            outcome.said = line or outcome.said
            remount(place, AMPLE)
            study(target)
            outcome.count(study, undisturbed, only_runs=target == RUNS)
    return outcome


def read_only(undisturbed: Study, folder: Path, random: Random, tries: int) -> Outcome:
    """Forbid writing to all results, or those of the training; allow it after the refusal."""
    outcome = Outcome()
    for number in range(tries):
        study = Study.fresh(folder / f"{number}")
        place = study.results / "runs" if number % 2 else study.folder / "results"
        with disk(place):
            remount(place, "ro")
            line = refused(study(RUNS))
            if "cannot be written" not in line:
                outcome.failed(line or "not refused")
                continue
            outcome.said = line
            remount(place, "rw")
            study(RUNS)
            outcome.count(study, undisturbed, only_runs=True)
    return outcome
