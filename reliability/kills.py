"""Processes that are killed, at random moments."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

from reliability.outcome import Outcome
from reliability.study import RUNS, Study, kill, rows_finished

TRAINING = 0.3
"""About the share of a call that is training."""
MOST = 0.6
"""A share of a call that later ones, which go on from it, still have to do."""


Attempt = Callable[[Study, int], bool]
"""Start something in a study, given with its number, and kill it; False if it ended before."""


def _killed(
    attempt: Attempt, undisturbed: Study, folder: Path, tries: int, target: str | None = None
) -> Outcome:
    """Attempt again and again until a study ends, or there are kills enough; and so with others."""
    outcome, series = Outcome(), 0
    while outcome.tries < tries:
        study, kills, finished = Study.fresh(folder / f"{series}"), 0, 0
        while outcome.tries + kills < tries and attempt(study, series):
            kills += 1
            earlier, finished = finished, rows_finished(study, undisturbed)
            if lost := max(0, earlier - finished):
                outcome.rows_lost += lost
                outcome.wrong.append(f"{lost} rows of finished runs are gone")
        _until_done(study, undisturbed, kills, outcome, target)
        series += 1
    return outcome


def _until_done(
    study: Study, undisturbed: Study, kills: int, outcome: Outcome, target: str | None
) -> None:
    """Call once more, which has to succeed, and compare."""
    call = study(*([target] if target else []))
    if call.status:
        outcome.wrong.append(call.text[-2000:])
    outcome.count(study, undisturbed, kills, only_runs=target == RUNS)
    outcome.wrong += [f"{path} is left" for path in study.results.rglob("*.checkpoint")]
    while study.training():
        time.sleep(0.1)


def trainings(undisturbed: Study, folder: Path, random: Random, tries: int) -> Outcome:
    """Kill a training process; the next one goes on where it was."""
    runs = undisturbed.results / "runs"
    shards = [path.relative_to(runs).with_suffix("") for path in sorted(runs.rglob("*.parquet"))]

    def attempt(study: Study, series: int) -> bool:
        if not (study.results / "data.npz").exists():
            study("results/tiny/data.npz")
        shard = shards[series % len(shards)]
        training = study.start_python(
            *("-m", "noisescale", "train", "--shard", str(shard)),
            *("--study", "results/tiny/study.json", "--data", "results/tiny/data.npz"),
            *("--output", f"results/tiny/runs/{shard}.parquet"),
        )
        with contextlib.suppress(subprocess.TimeoutExpired):
            training.wait(random.uniform(0, TRAINING * undisturbed.seconds))
            return False
        training.kill()
        training.wait()
        return True

    return _killed(attempt, undisturbed, folder, tries, RUNS)


def groups(undisturbed: Study, folder: Path, random: Random, tries: int) -> Outcome:
    """Kill Snakemake and all its jobs, from its start to the last figure."""

    def attempt(study: Study, series: int) -> bool:
        call = study.start()
        with contextlib.suppress(subprocess.TimeoutExpired):
            call.wait(random.uniform(0, MOST * undisturbed.seconds))
            return False
        os.killpg(call.pid, signal.SIGKILL)
        call.wait()
        return True

    return _killed(attempt, undisturbed, folder, tries)


def orphans(undisturbed: Study, folder: Path, random: Random, tries: int) -> Outcome:
    """Kill Snakemake alone; the next call starts while its training goes on."""

    def attempt(study: Study, series: int) -> bool:
        call = study.start(RUNS)
        while not study.training() and call.poll() is None:
            time.sleep(0.02)
        time.sleep(random.uniform(0, TRAINING * undisturbed.seconds))
        if not study.training():
            call.wait()
            return False
        kill(call.pid)
        call.wait()
        return True

    return _killed(attempt, undisturbed, folder, tries, RUNS)
