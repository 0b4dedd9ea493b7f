"""Processes that are killed, at random moments."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path
from random import Random

from reliability.outcome import Outcome
from reliability.study import RUNS, Study, kill

TRAINING = 0.3
"""About the share of a call that is training."""
MOST = 0.6
"""A share of a call that later ones, which go on from it, still have to do."""


def _wait_for_training(study: Study, call: subprocess.Popen) -> None:
    while not study.training() and call.poll() is None:
        time.sleep(0.02)


def _until_done(
    study: Study, undisturbed: Study, kills: int, outcome: Outcome, target: str | None = None
) -> None:
    """Call once more, which has to succeed, and compare."""
    call = study(*([target] if target else []))
    if call.status:
        outcome.wrong.append(call.text[-2000:])
    outcome.count(study, undisturbed, kills, only_runs=target == RUNS)
    outcome.wrong += [f"{path} is left" for path in study.results.rglob("*.journal")]


def trainings(undisturbed: Study, folder: Path, random: Random, tries: int) -> Outcome:
    """Kill a training process; the next one goes on where it was."""
    outcome, series = Outcome(), 0
    runs = undisturbed.results / "runs"
    shards = [path.relative_to(runs).with_suffix("") for path in sorted(runs.rglob("*.parquet"))]
    while outcome.tries < tries:
        study, kills = Study.fresh(folder / f"{series}"), 0
        shard = shards[series % len(shards)]
        series += 1
        study("results/tiny/data.npz")
        while outcome.tries + kills < tries:
            training = study.start_python(
                *("-m", "noisescale", "train", "--shard", str(shard)),
                *("--study", "results/tiny/study.json", "--data", "results/tiny/data.npz"),
                *("--output", f"results/tiny/runs/{shard}.parquet"),
            )
            with contextlib.suppress(subprocess.TimeoutExpired):
                training.wait(random.uniform(0, TRAINING * undisturbed.seconds))
                break
            training.kill()
            training.wait()
            kills += 1
        _until_done(study, undisturbed, kills, outcome, RUNS)
    return outcome


def groups(undisturbed: Study, folder: Path, random: Random, tries: int) -> Outcome:
    """Kill Snakemake and all its jobs, from its start to the last figure."""
    outcome, series = Outcome(), 0
    while outcome.tries < tries:
        study, kills = Study.fresh(folder / f"{series}"), 0
        series += 1
        while outcome.tries + kills < tries:
            call = study.start()
            moment = random.uniform(0, MOST * undisturbed.seconds)
            with contextlib.suppress(subprocess.TimeoutExpired):
                call.wait(moment)
                break
            os.killpg(call.pid, signal.SIGKILL)
            call.wait()
            kills += 1
        _until_done(study, undisturbed, kills, outcome)
    return outcome


def orphans(undisturbed: Study, folder: Path, random: Random, tries: int) -> Outcome:
    """Kill Snakemake alone; the next call starts while its training goes on."""
    outcome, series = Outcome(), 0
    while outcome.tries < tries:
        study, kills = Study.fresh(folder / f"{series}"), 0
        series += 1
        while outcome.tries + kills < tries:
            call = study.start(RUNS)
            _wait_for_training(study, call)
            time.sleep(random.uniform(0, TRAINING * undisturbed.seconds))
            if not study.training():
                call.wait()
                break
            kill(call.pid)
            call.wait()
            kills += 1
        _until_done(study, undisturbed, kills, outcome, RUNS)
        while study.training():
            time.sleep(0.1)
    return outcome
