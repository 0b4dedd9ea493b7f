"""The study that faults are tried on, and how its results compare with the undisturbed ones."""

from __future__ import annotations

import contextlib
import copy
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
from tests.tiny_workflow import SETTINGS, Call, Workflow, copy_of_repository

from noisescale.errors import RecordError
from noisescale.results import schemas
from noisescale.results.schemas import AGREEMENT, CLAIMS, EVIDENCE
from noisescale.storage.tables import read_metadata, read_table
from noisescale.training.checkpoint import checkpoint_contents

RUNS = "results/tiny/runs.parquet"
TRAINING = copy.deepcopy(SETTINGS)
TRAINING["base"] |= {"updates": 24000}
TRAINING["experiments"]["generalization_gap"] = None
"""Long enough to be killed in the midst of training, often."""


class Study(Workflow):
    """The workflow in a folder of its own, with a checkpoint that is written every second.

    Attributes
    ----------
    seconds
        What the undisturbed study took: within this, the moments of faults are drawn.
    """

    seconds = 0.0
    timeout = 3600.0

    @classmethod
    def fresh(cls, folder: Path) -> Study:
        """Return the study before its first call."""
        study = cls(copy_of_repository(folder), TRAINING)
        study.edit(
            "src/noisescale/training/checkpoint.py",
            "SECONDS_BETWEEN = 45.0",
            "SECONDS_BETWEEN = 1.0",
        )
        return study

    def copied(self, folder: Path) -> Study:
        """Return a copy with all that has been made so far."""
        shutil.copytree(self.folder, folder, symlinks=True)
        return Study(folder, self.settings)

    def start(self, *arguments: str) -> subprocess.Popen:
        """Start Snakemake, as the first of a process group of its own."""
        self.write_settings()
        return self.start_python(*self.program, *arguments, *self.options)

    def start_python(self, *arguments: str) -> subprocess.Popen:
        """Start Python with this folder's package."""
        return subprocess.Popen(
            [sys.executable, *arguments],
            cwd=self.folder,
            env=os.environ | {"PYTHONPATH": str(self.folder / "src")},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def training(self) -> list[int]:
        """Return the processes that train in this folder."""
        return [
            pid
            for pid, words in self._processes()
            if words[1:3] == ["-m", "noisescale"] and "train" in words
        ]

    def end(self) -> None:
        """Kill every process that still works in this folder."""
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
    """Kill a process, if it is still there."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def wait(condition, seconds: float = 300) -> bool:
    """Wait until something is true; return whether it has become so."""
    until = time.monotonic() + seconds
    while not (found := condition()) and time.monotonic() < until:
        time.sleep(0.02)
    return bool(found)


def rows_finished(study: Study, undisturbed: Study) -> int:
    """Return how many rows of the undisturbed table of runs a study has in shards and journals."""
    finished = set()
    # Journals first: a training that goes on meanwhile deletes its own when the shard is there.
    for path in study.results.glob("runs/**/*.checkpoint"):
        for meta, _ in checkpoint_contents(path):
            finished |= set(meta["runs"]) if meta["kind"] == "curves" else set()
    for path in study.results.glob("runs/**/*.parquet"):
        finished |= set(read_metadata(path)["run_ids"])
    rows = _table(undisturbed, "runs.parquet", schemas.RUNS)["run_id"].to_pylist()
    return sum(run_id in finished for run_id in rows)


def rows_lost(study: Study, undisturbed: Study) -> int:
    """Return how many rows of the undisturbed table of runs a study's lacks, or has otherwise."""
    expected = _table(undisturbed, "runs.parquet", schemas.RUNS).to_pylist()
    try:
        found = _table(study, "runs.parquet", schemas.RUNS).to_pylist()
    except RecordError:
        found = []
    rows = {tuple(row.items()) for row in found}
    return sum(tuple(row.items()) not in rows for row in expected)


def differences(study: Study, undisturbed: Study, only_runs: bool = False) -> list[str]:
    """Return which results are not those of the undisturbed study."""
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


def refused(call: Call) -> str:
    """Return the one line with which a call was refused; empty where it was not, or not clearly."""
    if call.status == 0 or "Traceback" in call.text:
        return ""
    lines = [
        line
        for line in call.text.splitlines()
        if line.startswith("noisescale") and not line.startswith("noisescale: study ")
    ]
    return lines[-1] if lines else ""
