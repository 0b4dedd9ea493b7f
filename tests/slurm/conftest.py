"""A real SLURM cluster on this machine: two virtual nodes of four processors, two fake GPUs."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from helpers.slurm import FOLDER, TABLE, TRAININGS, SlurmWorkflow, run_table, slurm, wait_until
from helpers.tiny_workflow import Workflow, copy_of_repository

DAEMONS = "/usr/local/sbin:/usr/sbin:/sbin"


@pytest.fixture(scope="session")
def cluster():
    """Start the cluster, and stop it after the tests; skip them if SLURM cannot be installed."""
    pytest.importorskip("snakemake_executor_plugin_slurm")
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        pytest.skip("SLURM's daemons must be started as root")
    if not shutil.which("apt-get"):
        pytest.skip("SLURM can be installed only from Debian's packages")
    os.environ["PATH"] += f":{DAEMONS}"

    def manage(what):
        command = [FOLDER / "cluster.sh", what]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)

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


@pytest.fixture
def on_cluster(cluster, tmp_path):
    """The training of the tiny study on the cluster: two shards and the table of both."""
    workflow = SlurmWorkflow(copy_of_repository(tmp_path / "repository"), TRAININGS)
    yield workflow
    workflow.kill()
    slurm("scancel", "--user=root")
    # Snakemake may hang in a cancelled job, and without cgroups SLURM cannot kill it.
    for link in Path("/proc").glob("[0-9]*/cwd"):
        with contextlib.suppress(OSError):
            if link.readlink() == workflow.folder:
                os.kill(int(link.parent.name), signal.SIGKILL)
    for node in slurm("sinfo", "-h", "-N", "-t", "down", "-o", "%N").split():
        slurm("scontrol", "update", f"NodeName={node}", "State=RESUME")
    wait_until(lambda: not slurm("squeue", "-h", "-t", "R,PD,CG"))


@pytest.fixture(scope="session")
def expected(tmp_path_factory):
    """The table of runs of the tiny study, trained without a cluster."""
    local = Workflow(copy_of_repository(tmp_path_factory.mktemp("local") / "repository"), TRAININGS)
    result = local(TABLE)
    assert result.status == 0, result.text
    return run_table(local)
