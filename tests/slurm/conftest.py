"""A real SLURM cluster on this machine: two virtual nodes of four processors, two fake GPUs."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from helpers.tiny_workflow import SETTINGS, Workflow, copy_of_repository

from noisescale.results.schemas import RUNS
from noisescale.storage.tables import read_table

HERE = Path(__file__).parent
DAEMONS = "/usr/local/sbin:/usr/sbin:/sbin"
PATIENCE = 900
"""Seconds until something that has to happen is given up."""


def slurm(*call: str) -> str:
    """Call one of SLURM's commands; return what it says."""
    done = subprocess.run(call, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, f"{' '.join(call)}: {done.stderr}"
    return done.stdout


def until(condition):
    """Wait until a condition holds, and return what it is."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.2)
    raise AssertionError(f"in vain for {PATIENCE} s: {condition}")


@pytest.fixture(scope="session")
def cluster():
    """Start the cluster, and stop it in the end; skip where it cannot be had."""
    pytest.importorskip("snakemake_executor_plugin_slurm")
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        pytest.skip("SLURM's daemons are started as root")
    if not shutil.which("apt-get"):
        pytest.skip("no SLURM: Debian's packages are wanted")
    os.environ["PATH"] += f":{DAEMONS}"

    def manage(what):
        call = [HERE / "cluster.sh", what]
        return subprocess.run(call, capture_output=True, text=True, check=False, timeout=300)

    try:
        installed = manage("install")
    except subprocess.TimeoutExpired as error:
        pytest.skip(f"SLURM cannot be installed: {error}")
    if installed.returncode:
        pytest.skip(f"SLURM cannot be installed: {installed.stderr.strip()[-300:]}")
    try:
        started = manage("start")
        assert started.returncode == 0, started.stderr
        yield
    finally:
        manage("stop")


@dataclass(frozen=True)
class Job:
    """A job as SLURM has it."""

    id: str
    rule: str
    state: str
    node: str
    gpus: str
    minutes: int
    megabytes: int


class OnCluster(Workflow):
    """The workflow with the profile for SLURM, of which nothing is set but the partition."""

    program = (str(HERE / "fastpoll.py"),)
    options = (
        *("--workflow-profile", "workflow/profiles/slurm", "--configfile", "tiny.yaml"),
        *("--default-resources", "slurm_partition=cpu"),
        # For quick tests alone.
        *("--slurm-init-seconds-before-status-checks", "1"),
        *("--max-status-checks-per-second", "2"),
    )
    process: subprocess.Popen | None = None

    def start(self, *arguments: str) -> None:
        """Start a call in the background."""
        self.write_settings()
        with open(self.folder / "call.log", "w") as log:
            self.process = subprocess.Popen(
                [sys.executable, *self.program, *arguments, *self.options],
                cwd=self.folder,
                env=os.environ | {"PYTHONPATH": ""},
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                # What a script starts in the background ignores Ctrl-C, and so do its children.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            )

    def ends_well(self) -> None:
        """Wait for the end of the call in the background."""
        assert self.process.wait(PATIENCE) == 0, self.said()

    def interrupt(self) -> None:
        """Do to the call in the background what Ctrl-C does."""
        os.killpg(self.process.pid, signal.SIGINT)
        self.process.wait(PATIENCE)

    def kill(self) -> None:
        """Kill the call in the background outright; its jobs on the cluster go on."""
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def said(self) -> str:
        return (self.folder / "call.log").read_text()

    def jobs(self, rule: str = "") -> list[Job]:
        """Return this workflow's jobs of a rule, also those that have ended, the oldest first."""
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
        """Have training jobs wait in the midst, until `let_go`."""
        (self.folder / "held").mkdir()
        shutil.copy(HERE / "held.py", self.folder / "src/noisescale")
        self.edit(
            "src/noisescale/training/job.py",
            "noisescale.training.checkpoint import",
            "noisescale.held import",
        )

    def held(self) -> dict[str, list[list[str]]]:
        """Return the job and the GPUs of each process that came to where jobs wait, by shard."""
        files = sorted((self.folder / "held").glob("train_size*"))
        return {file.name: [line.split() for line in file.open()] for file in files}

    def feed(self, job: Job, megabytes: int) -> None:
        """Have a held job take so much memory more."""
        meal = self.folder / f"held/megabytes-{job.id}"
        meal.with_suffix(".new").write_text(str(megabytes))
        meal.with_suffix(".new").rename(meal)

    def let_go(self) -> None:
        (self.folder / "held/go").touch()

    def log(self, shard: str) -> str:
        """Return the log of the last process that trained a shard, named as `held` does."""
        path = self.results / f"logs/train/{shard.replace('+', '/')}.log"
        # Snakemake deletes it before it starts the next.
        return path.read_text() if path.exists() else ""


@pytest.fixture
def on_cluster(cluster, tmp_path):
    """The tiny study's trainings on the cluster: two shards and the table of both."""
    workflow = OnCluster(copy_of_repository(tmp_path / "repository"), TRAININGS)
    yield workflow
    workflow.kill()
    slurm("scancel", "--user=root")
    # A Snakemake in a cancelled job may hang, and without cgroups SLURM does not find it.
    for link in Path("/proc").glob("[0-9]*/cwd"):
        with contextlib.suppress(OSError):
            if link.readlink() == workflow.folder:
                os.kill(int(link.parent.name), signal.SIGKILL)
    for node in slurm("sinfo", "-h", "-N", "-t", "down", "-o", "%N").split():
        slurm("scontrol", "update", f"NodeName={node}", "State=RESUME")
    until(lambda: not slurm("squeue", "-h", "-t", "R,PD,CG"))


TRAININGS = SETTINGS | {"experiments": SETTINGS["experiments"] | {"evidence": None}}
TABLE = "results/tiny/runs.parquet"


def table(workflow):
    """Return a workflow's table of runs, but for the time that they took."""
    rows = read_table(workflow.results / "runs.parquet", RUNS).to_pandas()
    return rows.drop(columns="train_seconds")


@pytest.fixture(scope="session")
def expected(tmp_path_factory):
    """The tiny study's table of runs as this machine makes it, without a cluster."""
    local = Workflow(copy_of_repository(tmp_path_factory.mktemp("local") / "repository"), TRAININGS)
    call = local(TABLE)
    assert call.status == 0, call.text
    return table(local)
