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
    """Kill the training processes; each call goes on where the one before was killed."""
    outcome, series = Outcome(), 0
    while outcome.tries < tries:
        study, kills = Study.fresh(folder / f"{series}"), 0
        series += 1
        while outcome.tries + kills < tries:
            call = study.start(RUNS)
            _wait_for_training(study, call)
            time.sleep(random.uniform(0, TRAINING * undisturbed.seconds))
            hit = study.training()
            for pid in hit:
                kill(pid)
            call.wait()
            if not hit:
                break
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
            moment = random.uniform(0, undisturbed.seconds)
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
        outcome.wrong += [f"{path} is left" for path in study.results.rglob("*.lock")]
    return outcome
