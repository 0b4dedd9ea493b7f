"""The real workflow on a tiny study, in a copy of the repository that tests may edit."""

from __future__ import annotations

import copy
import hashlib
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import yaml

REPOSITORY = Path(__file__).parents[2]

SETTINGS = {
    "study": "tiny",
    "title": "A tiny study",
    "dataset": {"name": "digits"},
    "device": "cpu",
    "evaluations_per_decade": 2,
    "base": {
        "hidden": 8,
        "train_size": 60,
        "learning_rate": 0.1,
        "momentum": 0.9,
        "updates": 30,
        "seeds": 2,
    },
    "experiments": {
        "generalization_gap": {"batch_size": [4, "full"]},
        "batch_size": None,
        "learning_rate": {"learning_rate": [0.05, 0.1], "batch_size": [2, 4, "full"]},
        "train_size": None,
        "momentum": None,
        "weight_decay": None,
        "fixed_epochs": None,
        "label_noise": None,
        "evidence": {
            "classes": [0, 1],
            "pool": "all",
            "train_size": 20,
            "test_size": 20,
            "prior_precision": [0.01, 1, 100],
            "label_noise": [0, 1],
            "seeds": 2,
        },
    },
    "statistics": {"bootstrap": 50},
}
"""Two shards. Every run of generalization_gap is one of learning_rate as well."""

RUNS = 2 * 3 * 2
"""Learning rates, batch sizes, seeds."""


@dataclass
class WorkflowRun:
    """The output of a workflow run or a dry run, and its jobs."""

    status: int
    text: str
    jobs: dict[str, int]
    trained: int

    @property
    def nothing_to_be_done(self) -> bool:
        return "Nothing to be done" in self.text


class Workflow:
    """A copy of the repository with a study's settings."""

    def __init__(self, folder: Path, settings: dict | None = None) -> None:
        self.folder = folder
        self.settings = copy.deepcopy(settings or SETTINGS)

    @property
    def results(self) -> Path:
        return self.folder / "results" / self.settings["study"]

    program = ("-m", "snakemake")
    options = ("--cores", "2", "--configfile", "tiny.yaml")
    timeout = 900.0

    def __call__(self, *arguments: str, **environment: str) -> WorkflowRun:
        """Run Snakemake; count the jobs it ran (or would run) and the runs it trained."""
        self.write_settings()
        before = self._training_logs()
        done = subprocess.run(
            [sys.executable, *self.program, *arguments, *self.options],
            cwd=self.folder,
            env=os.environ | {"PYTHONPATH": ""} | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=self.timeout,
        )
        jobs = re.findall(r"^(?:local)?rule (\w+):$", done.stdout, re.MULTILINE)
        changed = (log for log, time in self._training_logs().items() if before.get(log) != time)
        logs = [log.read_text() for log in changed]
        trained = sum(int(n) for log in logs for n in re.findall(r": trained (\d+) runs", log))
        return WorkflowRun(
            done.returncode, done.stdout, {job: jobs.count(job) for job in jobs}, trained
        )

    def _training_logs(self) -> dict[Path, int]:
        """Return the logs of training jobs with their times."""
        logs = self.results.glob("logs/train/**/*.log")
        return {log: log.stat().st_mtime_ns for log in logs}

    def dry_run(self, *arguments: str) -> WorkflowRun:
        """Return what a run would do."""
        result = self("--dry-run", *arguments)
        assert result.status == 0, result.text
        return result

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the package that the folder has."""
        return subprocess.run(
            [sys.executable, "-P", "-m", "noisescale", *arguments],
            cwd=self.folder,
            env=os.environ | {"PYTHONPATH": str(self.folder / "src")},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    def write_settings(self) -> None:
        """Write the config file that `options` names."""
        (self.folder / "tiny.yaml").write_text(yaml.safe_dump(self.settings))

    def edit(self, file: str, old: str, new: str) -> None:
        """Replace text in a file of the copied repository."""
        path = self.folder / file
        text = path.read_text()
        assert old in text, f"{old!r} is no longer in {file}"
        path.write_text(text.replace(old, new, 1))

    def append(self, file: str, code: str) -> None:
        """Append code to a module of the copied repository, such as one that replaces a name."""
        with open(self.folder / file, "a") as module:
            module.write(f"\n\n{code}\n")


def copy_of_repository(folder: Path) -> Path:
    """Copy the files that the workflow consists of."""
    folder.mkdir(parents=True)
    for name in ("Snakefile", "config.yaml"):
        shutil.copy2(REPOSITORY / name, folder)
    for name in ("workflow", "src", "envs", "profiles"):
        ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
        shutil.copytree(REPOSITORY / name, folder / name, ignore=ignored)
    return folder


def tree_digests(folder: Path) -> dict[str, str]:
    """Return the digests of all files below a folder but Snakemake's own and compiled modules."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not {".snakemake", "__pycache__"} & set(path.parts)
    }
