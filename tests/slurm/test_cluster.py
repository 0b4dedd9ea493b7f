"""A study on a SLURM cluster: the same results, and no fault of the cluster costs more than time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from noisescale import records

pytestmark = pytest.mark.slurm
PATIENCE = 180
"""Seconds until something that has to happen is given up."""


def table(workflow):
    rows = records.read_table(workflow.results / "runs.parquet", records.RUNS).to_pandas()
    return rows.drop(columns="train_seconds")


def until(condition):
    """Wait until a condition holds, and return what it is."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.2)
    raise AssertionError(f"in vain for {PATIENCE} s: {condition}")


def running() -> list[str]:
    """Return the ids of the cluster's running jobs, the oldest first."""
    call = ["squeue", "-h", "-t", "R", "-S", "i", "-o", "%A"]
    return subprocess.run(call, capture_output=True, text=True, check=True).stdout.split()


def started(workflow, *arguments) -> subprocess.Popen:
    """Start a call in the background, in a session of its own."""
    workflow.write_settings()
    with open(workflow.folder / "call.log", "w") as log:
        return subprocess.Popen(
            [sys.executable, *workflow.program, *arguments, *workflow.options],
            cwd=workflow.folder,
            env=os.environ | {"PYTHONPATH": ""},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def said(workflow) -> str:
    return (workflow.folder / "call.log").read_text()


def test_the_cluster_gives_what_this_machine_gives(on_cluster, local):
    call = on_cluster(on_cluster.table)
    assert call.status == 0, call.text
    assert "submitted with SLURM jobid" in call.text
    assert local(on_cluster.table).status == 0
    assert table(on_cluster).equals(table(local))


def test_a_cancelled_job_is_tried_again(on_cluster):
    call = started(on_cluster, on_cluster.table)
    subprocess.run(["scancel", until(running)[0]], check=True)
    assert call.wait(PATIENCE) == 0, said(on_cluster)
    assert "Trying to restart job" in said(on_cluster)
    assert len(table(on_cluster))


def test_a_failing_job_is_named_with_its_log_and_the_others_finish(on_cluster):
    on_cluster.edit(
        "src/noisescale/shard.py",
        "    wanted = shards(study)[shard]\n",
        "    wanted = shards(study)[shard]\n"
        '    if "batch_size~1-7" in shard:\n'
        '        raise RecordError("a fault for the test")\n',
    )
    call = on_cluster(on_cluster.table, "--retries", "0")
    assert call.status == 1
    assert "train_size~8-63/batch_size~1-7/seeds~0-9.log" in call.text
    done = sorted(path.parent.name for path in on_cluster.results.glob("runs/**/*.parquet"))
    assert done == ["batch_size~8-63"]


def test_a_killed_snakemake_goes_on_and_trains_nothing_twice(on_cluster):
    call = started(on_cluster, on_cluster.table)

    def shard() -> Path | None:
        return next(on_cluster.results.glob("runs/**/*.parquet.sha256"), None)

    first = until(shard)
    os.killpg(call.pid, signal.SIGKILL)
    call.wait()
    subprocess.run(["scancel", "--user", "root"], check=True)
    until(lambda: not running())
    before = first.stat().st_mtime_ns
    call = on_cluster(on_cluster.table)
    assert call.status == 0, call.text
    assert first.stat().st_mtime_ns == before
    assert len(table(on_cluster))


def test_gpus_are_given_to_one_job_each(cluster):
    """What a job that asks for a GPU sees, while another has one."""
    call = ["srun", "--partition=gpu", "--gres=gpu:1", "--mem=50"]
    command = ["bash", "-c", "echo $CUDA_VISIBLE_DEVICES; sleep 2"]
    jobs = [
        subprocess.Popen([*call, *command], stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    seen = [job.communicate(timeout=PATIENCE)[0].strip() for job in jobs]
    assert sorted(seen) == ["0", "1"]
