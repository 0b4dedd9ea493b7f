"""A real SLURM cluster on this machine: two virtual nodes of four processors, two fake GPUs."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from tiny_workflow import SETTINGS, Workflow, copy_of_repository

HERE = Path(__file__).parent
DAEMONS = "/usr/local/sbin:/usr/sbin:/sbin"


@pytest.fixture(scope="session")
def cluster():
    """Start the cluster, and stop it in the end; skip where it cannot be had."""
    pytest.importorskip("snakemake_executor_plugin_slurm")
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        pytest.skip("SLURM's daemons are started as root")
    os.environ["PATH"] += f":{DAEMONS}"
    try:
        call = [HERE / "cluster.sh", "start"]
        started = subprocess.run(call, capture_output=True, text=True, check=False, timeout=240)
    except (OSError, subprocess.TimeoutExpired) as error:
        pytest.skip(f"no SLURM: {error}")
    if started.returncode:
        subprocess.run([HERE / "cluster.sh", "stop"], capture_output=True, check=False)
        pytest.skip(f"no SLURM: {started.stderr.strip()[-300:]}")
    yield
    subprocess.run([HERE / "cluster.sh", "stop"], capture_output=True, check=False, timeout=120)


class OnCluster(Workflow):
    """The workflow with the profile for SLURM."""

    program = (str(HERE / "fastpoll.py"),)
    options = (
        *("--workflow-profile", "workflow/profiles/slurm", "--configfile", "tiny.yaml"),
        *("--default-resources", "slurm_partition=cpu", "mem_mb=300", "runtime=10"),
        *("--slurm-init-seconds-before-status-checks", "1", "--latency-wait", "20"),
    )
    table = "results/tiny/runs.parquet"


@pytest.fixture
def on_cluster(cluster, tmp_path):
    """The tiny study's trainings on the cluster: two shards and the table of both."""
    settings = SETTINGS | {"experiments": SETTINGS["experiments"] | {"evidence": None}}
    return OnCluster(copy_of_repository(tmp_path / "repository"), settings)


@pytest.fixture
def local(tmp_path):
    """The same on this machine."""
    settings = SETTINGS | {"experiments": SETTINGS["experiments"] | {"evidence": None}}
    return Workflow(copy_of_repository(tmp_path / "local"), settings)
