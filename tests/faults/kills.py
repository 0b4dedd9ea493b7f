"""Processes that are killed at random times."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

from faults.outcome import Outcome
from faults.study import RUNS, Study, kill, rows_finished

TRAINING = 0.3
"""Approximate share of training in the duration of a workflow run."""
LATEST = 0.6
"""Latest time of a kill, as a share of that duration, so that work remains for later runs."""

Attempt = Callable[[Study, int], bool]
"""Start a process in a study, given with its number, and kill it; False if it ended first."""


def _repeat(
    attempt: Attempt, undisturbed: Study, folder: Path, tries: int, target: str | None = None
) -> Outcome:
    """Kill the processes of one study after another until there have been enough kills."""
    outcome, series = Outcome(), 0
    while outcome.tries < tries:
        study, kills, finished = Study.fresh(folder / f"{series}"), 0, 0
        while outcome.tries + kills < tries and attempt(study, series):
            kills += 1
            earlier, finished = finished, rows_finished(study, undisturbed)
            if lost := max(0, earlier - finished):
                outcome.rows_lost += lost
                outcome.failures.append(f"{lost} rows of finished runs are lost")
        _finish(study, undisturbed, kills, outcome, target)
        series += 1
    return outcome


def _finish(
    study: Study, undisturbed: Study, kills: int, outcome: Outcome, target: str | None
) -> None:
    """Run the workflow once more, which must succeed, and compare the results."""
    result = study(*([target] if target else []))
    if result.status:
        outcome.failures.append(result.text[-2000:])
    outcome.count(study, undisturbed, kills, only_runs=target == RUNS)
    outcome.failures += [f"{path} is left over" for path in study.results.rglob("*.checkpoint")]
    while study.training():
        time.sleep(0.1)


def trainings(undisturbed: Study, folder: Path, random: Random, tries: int) -> Outcome:
    """Kill a training process; the next one resumes from its checkpoint."""
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

    return _repeat(attempt, undisturbed, folder, tries, RUNS)


def groups(undisturbed: Study, folder: Path, random: Random, tries: int) -> Outcome:
    """Kill Snakemake and all its jobs, at any time from its start to the last figure."""

    def attempt(study: Study, series: int) -> bool:
        process = study.start()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(random.uniform(0, LATEST * undisturbed.seconds))
            return False
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return True

    return _repeat(attempt, undisturbed, folder, tries)


def orphans(undisturbed: Study, folder: Path, random: Random, tries: int) -> Outcome:
    """Kill only Snakemake; the next workflow run starts while its training job still runs."""

    def attempt(study: Study, series: int) -> bool:
        process = study.start(RUNS)
        while not study.training() and process.poll() is None:
            time.sleep(0.02)
        time.sleep(random.uniform(0, TRAINING * undisturbed.seconds))
        if not study.training():
            process.wait()
            return False
        kill(process.pid)
        process.wait()
        return True

    return _repeat(attempt, undisturbed, folder, tries, RUNS)
