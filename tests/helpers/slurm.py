"""A workflow on a SLURM cluster, and the commands of SLURM."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import pandas as pd
from helpers.tiny_workflow import REPOSITORY, SETTINGS, Workflow

from noisescale.results.schemas import RUNS
from noisescale.storage.tables import read_table

FOLDER = REPOSITORY / "tests/slurm"
JOB = "src/noisescale/training/job.py"
"""The module of the training job, of which tests replace names."""
TIMEOUT = 900
"""Seconds after which a test stops waiting."""
TRAININGS = SETTINGS | {"experiments": SETTINGS["experiments"] | {"evidence": None}}
TABLE = "results/tiny/runs.parquet"

Found = TypeVar("Found")


def slurm(*command: str) -> str:
    """Run one of SLURM's commands; return its output."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
    return done.stdout


def wait_until(condition: Callable[[], Found]) -> Found:
    """Wait until a condition holds, and return its value."""
    end = time.monotonic() + TIMEOUT
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.2)
    raise AssertionError(f"still false after {TIMEOUT} s: {condition}")


@dataclass(frozen=True)
class Job:
    """A job in SLURM's queue, or one that has ended."""

    id: str
    rule: str
    state: str
    node: str
    gpus: str
    minutes: int
    megabytes: int


class SlurmWorkflow(Workflow):
    """The workflow with its SLURM profile, of which only the partition is set."""

    program = (str(FOLDER / "fastpoll.py"),)
    options = (
        *("--workflow-profile", "profiles/slurm", "--configfile", "tiny.yaml"),
        *("--default-resources", "slurm_partition=cpu"),
        # Only to make the tests faster.
        *("--slurm-init-seconds-before-status-checks", "1"),
        *("--max-status-checks-per-second", "2"),
    )
    process: subprocess.Popen | None = None

    def start(self, *arguments: str) -> None:
        """Start a workflow run in the background."""
        self.write_settings()
        with open(self.folder / "workflow.log", "w") as log:
            self.process = subprocess.Popen(
                [sys.executable, *self.program, *arguments, *self.options],
                cwd=self.folder,
                env=os.environ | {"PYTHONPATH": ""},
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                # Processes that a script starts in the background ignore Ctrl-C otherwise.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            )

    def finish(self) -> None:
        """Wait for the workflow run in the background, which must succeed."""
        assert self.process.wait(TIMEOUT) == 0, self.output()

    def interrupt(self) -> None:
        """Interrupt the workflow run in the background as Ctrl-C does."""
        os.killpg(self.process.pid, signal.SIGINT)
        self.process.wait(TIMEOUT)

    def kill(self) -> None:
        """Kill the workflow run in the background; its jobs on the cluster continue."""
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def output(self) -> str:
        """Return the output of the workflow run in the background so far."""
        return (self.folder / "workflow.log").read_text()

    def jobs(self, rule: str = "") -> list[Job]:
        """Return this workflow's jobs of a rule, including ended ones, oldest first."""
        form = "%Z|%A|%k|%T|%N|%b|%l|%m"
        result = []
        for line in slurm("squeue", "-h", "-t", "all", "-S", "i", "-o", form).splitlines():
            folder, number, comment, state, node, gpus, limit, memory = line.split("|")
            name = comment.removeprefix("rule_").partition("_wildcards_")[0]
            if folder == str(self.folder) and name.startswith(rule):
                hours, minutes, _ = ([0, 0, *map(int, limit.split(":"))])[-3:]
                megabytes = int(memory.removesuffix("M"))
                result.append(Job(number, name, state, node, gpus, 60 * hours + minutes, megabytes))
        return result

    def hold(self) -> None:
        """Make training jobs wait during the training, until `let_go`."""
        (self.folder / "held").mkdir()
        shutil.copy(FOLDER / "held.py", self.folder / "src/noisescale")
        self.append(JOB, "from noisescale.held import Checkpoint")

    def held(self) -> dict[str, list[list[str]]]:
        """Return the job and the GPUs of each process that has waited, by shard."""
        files = sorted((self.folder / "held").glob("train_size*"))
        return {file.name: [line.split() for line in file.open()] for file in files}

    def allocate(self, job: Job, megabytes: int) -> None:
        """Make a waiting job allocate more memory."""
        request = self.folder / f"held/megabytes-{job.id}"
        request.with_suffix(".new").write_text(str(megabytes))
        request.with_suffix(".new").rename(request)

    def let_go(self) -> None:
        """Let all waiting jobs continue."""
        (self.folder / "held/go").touch()

    def log(self, shard: str) -> str:
        """Return the log of the last process that trained a shard, named as in `held`."""
        path = self.results / f"logs/train/{shard.replace('+', '/')}.log"
        # Snakemake deletes it before the next attempt.
        return path.read_text() if path.exists() else ""


def run_table(workflow: Workflow) -> pd.DataFrame:
    """Return a workflow's table of runs without their times."""
    rows = read_table(workflow.results / "runs.parquet", RUNS).to_pandas()
    return rows.drop(columns="train_seconds")
