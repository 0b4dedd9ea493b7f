"""The study that faults are injected into, and the comparison with its undisturbed results."""

from __future__ import annotations

import contextlib
import copy
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
from helpers.tiny_workflow import SETTINGS, Workflow, WorkflowRun, copy_of_repository

from noisescale.errors import RecordError
from noisescale.results import schemas
from noisescale.results.schemas import AGREEMENT, CLAIMS, EVIDENCE
from noisescale.storage.tables import read_metadata, read_table
from noisescale.training.checkpoint import checkpoint_contents

RUNS = "results/tiny/runs.parquet"
TRAINING = copy.deepcopy(SETTINGS)
TRAINING["base"] |= {"updates": 24000}
TRAINING["experiments"]["generalization_gap"] = None
"""Training takes long enough to be killed many times."""
FREQUENT_CHECKPOINTS = {"NOISESCALE_CHECKPOINT_SECONDS": "1"}


class Study(Workflow):
    """The workflow in a separate folder, with checkpoints that are written every second.

    Attributes
    ----------
    seconds
        Duration of the undisturbed study; the times of faults are drawn within it.
    """

    seconds = 0.0
    timeout = 3600.0

    @classmethod
    def fresh(cls, folder: Path) -> Study:
        """Return the study before its first workflow run."""
        return cls(copy_of_repository(folder), TRAINING)

    def __call__(self, *arguments: str, **environment: str) -> WorkflowRun:
        """Run Snakemake, see `Workflow`."""
        return super().__call__(*arguments, **FREQUENT_CHECKPOINTS, **environment)

    def copied(self, folder: Path) -> Study:
        """Return a copy of the study with its results so far."""
        shutil.copytree(self.folder, folder, symlinks=True)
        return Study(folder, self.settings)

    def start(self, *arguments: str) -> subprocess.Popen:
        """Start Snakemake in a new process group."""
        self.write_settings()
        return self.start_python(*self.program, *arguments, *self.options)

    def start_python(self, *arguments: str) -> subprocess.Popen:
        """Start Python with the package of this folder."""
        return subprocess.Popen(
            [sys.executable, *arguments],
            cwd=self.folder,
            env=os.environ | FREQUENT_CHECKPOINTS | {"PYTHONPATH": str(self.folder / "src")},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def training(self) -> list[int]:
        """Return the ids of the processes that train in this folder."""
        return [
            pid for pid, words in self._processes() if "noisescale" in words and "train" in words
        ]

    def kill_all(self) -> None:
        """Kill every process that still runs in this folder."""
        for pid, _ in self._processes():
            kill(pid)

    def _processes(self) -> Iterator[tuple[int, list[str]]]:
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if (process / "cwd").readlink() == self.folder:
                    words = (process / "cmdline").read_bytes().decode().split("\0")
                    yield int(process.name), words
            except OSError:
                continue


def kill(pid: int) -> None:
    """Kill a process if it still exists."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def wait(condition: Callable[[], object], seconds: float = 300) -> bool:
    """Wait until a condition holds; return whether it does."""
    until = time.monotonic() + seconds
    while not (found := condition()) and time.monotonic() < until:
        time.sleep(0.02)
    return bool(found)


def rows_finished(study: Study, undisturbed: Study) -> int:
    """Return how many rows of the undisturbed table are in a study's shards and checkpoints."""
    finished = set()
    # Checkpoints first: a training that still runs deletes its own once the shard is written.
    for path in study.results.glob("runs/**/*.checkpoint"):
        for meta, _ in checkpoint_contents(path):
            finished |= set(meta["runs"]) if meta["kind"] == "curves" else set()
    for path in study.results.glob("runs/**/*.parquet"):
        finished |= set(read_metadata(path)["run_ids"])
    rows = _table(undisturbed, "runs.parquet", schemas.RUNS)["run_id"].to_pylist()
    return sum(run_id in finished for run_id in rows)


def rows_lost(study: Study, undisturbed: Study) -> int:
    """Return how many rows of the undisturbed table of runs are missing or different."""
    expected = _table(undisturbed, "runs.parquet", schemas.RUNS).to_pylist()
    try:
        found = _table(study, "runs.parquet", schemas.RUNS).to_pylist()
    except RecordError:
        found = []
    rows = {tuple(row.items()) for row in found}
    return sum(tuple(row.items()) not in rows for row in expected)


def differences(study: Study, undisturbed: Study, only_runs: bool = False) -> list[str]:
    """Return the names of results that differ from those of the undisturbed study."""
    tables = {"runs.parquet": schemas.RUNS}
    files: list[Path] = []
    if not only_runs:
        tables |= {
            "evidence.parquet": EVIDENCE,
            "claims.parquet": CLAIMS,
            "agreement.parquet": AGREEMENT,
        }
        pictures = (undisturbed.results / "figures").iterdir()
        files = [undisturbed.results / "scaling_laws.json", *pictures]
    different = []
    for name, schema in tables.items():
        try:
            if not _table(study, name, schema).equals(_table(undisturbed, name, schema)):
                different.append(name)
        except RecordError as error:
            different.append(str(error))
    for path in files:
        other = study.results / path.relative_to(undisturbed.results)
        if not other.exists() or other.read_bytes() != path.read_bytes():
            different.append(other.name)
    return different


def _table(study: Study, name: str, schema: pa.Schema) -> pa.Table:
    table = read_table(study.results / name, schema).replace_schema_metadata(None)
    timings = [column for column in ("train_seconds",) if column in table.column_names]
    return table.drop_columns(timings)


def refused(result: WorkflowRun) -> str:
    """Return the error line of a workflow run; empty if it succeeded or ended in a traceback."""
    if result.status == 0 or "Traceback" in result.text:
        return ""
    lines = [
        line
        for line in result.text.splitlines()
        if line.startswith("noisescale") and not line.startswith("noisescale: study ")
    ]
    return lines[-1] if lines else ""
