"""Disks that are full or read-only; these faults need root and Linux."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

from faults.outcome import Outcome
from faults.study import RUNS, Study, refused

AMPLE = "size=256m"


def possible() -> bool:
    """Return whether this process may mount file systems."""
    return hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("mount") is not None


@contextmanager
def mounted(place: Path, options: str = AMPLE) -> Iterator[None]:
    """Mount a file system in memory on a folder."""
    place.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", place], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


def remount(place: Path, options: str) -> None:
    """Change the size of a disk, or whether it is writable."""
    subprocess.run(["mount", "-o", f"remount,{options}", place], check=True)


def full(undisturbed: Study, folder: Path, random: Random, tries: int) -> Outcome:
    """Let the disk of the results fill up; enlarge it after the refusal.

    Every other time only the runs are requested, so that the disk fills up during the training.
    """
    outcome = Outcome()
    for number in range(tries):
        study = Study.fresh(folder / f"{number}")
        place = study.folder / "results"
        target, max_size = (RUNS, 300) if number % 2 else ("all", 1500)
        with mounted(place, f"size={random.randrange(40, max_size)}k"):
            result = study(target)
            line = refused(result)
            if result.status and "No space left" not in line:
                outcome.failed(result.text[-3000:])
                continue
            outcome.message = line or outcome.message
            remount(place, AMPLE)
            study(target)
            outcome.count(study, undisturbed, only_runs=target == RUNS)
    return outcome


def read_only(undisturbed: Study, folder: Path, random: Random, tries: int) -> Outcome:
    """Make all results, or those of the training, read-only until after the refusal."""
    outcome = Outcome()
    for number in range(tries):
        study = Study.fresh(folder / f"{number}")
        place = study.results / "runs" if number % 2 else study.folder / "results"
        with mounted(place):
            remount(place, "ro")
            line = refused(study(RUNS))
            if "cannot be written" not in line:
                outcome.failed(line or "not refused")
                continue
            outcome.message = line
            remount(place, "rw")
            study(RUNS)
            outcome.count(study, undisturbed, only_runs=True)
    return outcome
