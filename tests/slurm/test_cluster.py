"""Studies on a SLURM cluster: results are the same, and faults of the cluster cost only time."""

from __future__ import annotations

import os
import re

import pytest
import yaml
from helpers.slurm import JOB, TABLE, TRAININGS, run_table, slurm, wait_until
from helpers.tiny_workflow import REPOSITORY, RUNS, Workflow, copy_of_repository

pytestmark = pytest.mark.slurm
FIRST, SECOND = "batch_size~1-7", "batch_size~8-63"
FAILING = f"""
from noisescale.errors import RecordError

update = train_stage


def train_stage(study_path, data_path, shard, *rest):
    if "{FIRST}" in shard:
        raise RecordError("a fault for the test")
    update(study_path, data_path, shard, *rest)
"""


def test_a_whole_study_has_the_same_results_on_a_cluster_as_locally(on_cluster, tmp_path):
    study = yaml.safe_load((REPOSITORY / "workflow/presets/smoke.yaml").read_text())
    on_cluster.settings = study
    result = on_cluster()
    assert result.status == 0, result.text
    assert (on_cluster.results / "report.html").stat().st_size > 0
    submitted = {job.rule for job in on_cluster.jobs()}
    assert submitted == {"train", "evidence", "laws"}, "other stages run on the login node"

    local = Workflow(copy_of_repository(tmp_path / "local"), study)
    assert local(str((local.results / "runs.parquet").relative_to(local.folder))).status == 0
    assert run_table(on_cluster).equals(run_table(local))


def test_the_error_names_the_logs_of_a_failed_job_and_the_other_jobs_finish(on_cluster):
    on_cluster.append(JOB, FAILING)
    result = on_cluster(TABLE, "--retries", "0")
    assert result.status == 1
    message = result.text.partition("Error in rule train:")[2]
    stage_log, slurm_log = (
        next(log for log in re.findall(r"[^\s,()]+\.log", message) if folder in log)
        for folder in ("results/tiny/logs/train", ".snakemake/slurm_logs")
    )
    assert FIRST in stage_log and FIRST.partition("~")[0] in slurm_log
    for log in (stage_log, slurm_log):
        assert "a fault for the test" in (on_cluster.folder / log).read_text()
    done = [path.parent.name for path in on_cluster.results.glob("runs/**/*.parquet")]
    assert done == [SECOND]


def job_in_training(on_cluster):
    """Start the training; return one of the two jobs and its shard once both wait."""
    on_cluster.hold()
    on_cluster.start(TABLE)
    wait_until(lambda: len(on_cluster.held()) == 2)
    one = on_cluster.jobs("train")[0]
    (shard,) = (name for name, [[job, _]] in on_cluster.held().items() if job == one.id)
    return one, shard


def cancel(on_cluster, job):
    slurm("scancel", job.id)


def requeue(on_cluster, job):
    slurm("scontrol", "requeue", job.id)


def fail_the_node(on_cluster, job):
    slurm("scontrol", "update", f"NodeName={job.node}", "State=DOWN", "Reason=test")


def run_out_of_time(on_cluster, job):
    slurm("scontrol", "update", f"JobId={job.id}", "EndTime=now")


def run_out_of_memory(on_cluster, job):
    on_cluster.allocate(job, job.megabytes)


@pytest.mark.parametrize(
    ("fault", "restart"),
    [
        (cancel, "is submitted again by Snakemake"),
        (run_out_of_time, "is submitted again by Snakemake"),
        (run_out_of_memory, "is submitted again by Snakemake"),
        (requeue, "is requeued by SLURM"),
        (fail_the_node, "is requeued by SLURM"),
    ],
)
def test_a_job_that_ends_early_resumes_its_training(on_cluster, expected, fault, restart):
    first, shard = job_in_training(on_cluster)
    fault(on_cluster, first)
    if restart == "is requeued by SLURM":
        wait_until(
            lambda: (first.id, "PENDING") in [(job.id, job.state) for job in on_cluster.jobs()]
        )
        # The jobs of its node would wait for two minutes.
        for waiting in on_cluster.jobs("train"):
            if waiting.state == "PENDING":
                slurm("scontrol", "update", f"JobId={waiting.id}", "StartTime=now")
    ((second, _),) = wait_until(lambda: on_cluster.held()[shard][1:])
    attempt = next(job for job in on_cluster.jobs("train") if job.id == second)
    if restart == "is requeued by SLURM":
        assert attempt.id == first.id
    else:
        assert attempt.id != first.id
        assert attempt.minutes == 2 * first.minutes
        assert attempt.megabytes == 2 * first.megabytes
    on_cluster.let_go()
    on_cluster.finish()
    # Without memory it is killed immediately, before it can write a checkpoint.
    if fault is not run_out_of_memory:
        assert re.search(r"0 runs finished, \d+ in training", on_cluster.log(shard))
    assert run_table(on_cluster).equals(expected)


def test_the_runs_of_a_shard_are_kept_when_a_job_that_extends_it_fails(on_cluster):
    local = Workflow(on_cluster.folder, TRAININGS)
    assert local(TABLE).status == 0
    on_cluster.settings["base"] |= {"seeds": 3}
    first, shard = job_in_training(on_cluster)
    kept = re.search(r": (\d+) runs kept", on_cluster.log(shard))[0]
    assert kept != ": 0 runs kept"
    run_out_of_time(on_cluster, first)
    wait_until(lambda: on_cluster.held()[shard][1:])
    on_cluster.let_go()
    on_cluster.finish()
    assert kept in on_cluster.log(shard)


def test_ctrl_c_cancels_the_jobs_and_the_next_workflow_run_resumes_them(on_cluster, expected):
    on_cluster.hold()
    on_cluster.start(TABLE)
    wait_until(lambda: len(on_cluster.held()) == 2)
    on_cluster.interrupt()
    wait_until(lambda: {job.state for job in on_cluster.jobs("train")} == {"CANCELLED"})
    on_cluster.start(TABLE)
    wait_until(lambda: all(lines[1:] for lines in on_cluster.held().values()))
    on_cluster.let_go()
    on_cluster.finish()
    for shard in on_cluster.held():
        assert re.search(r"0 runs finished, \d+ in training", on_cluster.log(shard))
    assert run_table(on_cluster).equals(expected)


def test_no_shell_evaluates_text_of_the_command_line(on_cluster):
    on_cluster.options = (
        *on_cluster.options,
        "--config",
        "title=$(touch executed) `touch executed`",
    )
    result = on_cluster("results/tiny/scaling_laws.json")
    assert result.status == 0, result.text
    assert not list(on_cluster.folder.rglob("executed"))


def test_no_run_is_trained_twice_when_jobs_of_a_killed_snakemake_still_run(on_cluster, expected):
    on_cluster.hold()
    on_cluster.start(TABLE)
    first, second = wait_until(lambda: len(on_cluster.held()) == 2 and on_cluster.held())
    on_cluster.kill()

    on_cluster.start(TABLE)
    for shard in (first, second):
        wait_until(
            lambda shard=shard: "locked by another process; waiting" in on_cluster.log(shard)
        )
    assert len(on_cluster.jobs("train")) == 4
    on_cluster.let_go()
    on_cluster.finish()
    assert "an earlier workflow run was killed; resuming" in on_cluster.output()
    for shard in (first, second):
        assert len(on_cluster.held()[shard]) == 1
        assert re.search(r"\d+ runs kept, 0 to train", on_cluster.log(shard))
    assert run_table(on_cluster).equals(expected)


@pytest.mark.parametrize("options", [(), ("train:gpu=0", "train:gres=gpu:1")])
def test_each_training_job_has_a_separate_gpu_and_other_jobs_have_none(on_cluster, options):
    on_cluster.hold()
    # The GPUs are fake: torch cannot use them.
    on_cluster.append(JOB, 'def choose_device(device):\n    return "cpu"')
    on_cluster.settings |= {"device": "cuda", "seeds_per_shard": 1}
    on_cluster.start(
        "results/tiny/scaling_laws.json", "--set-resources", "train:slurm_partition=gpu", *options
    )
    wait_until(lambda: len(on_cluster.held()) == 2)
    wait_until(lambda: len(on_cluster.jobs("train")) == 4)
    states = sorted(job.state for job in on_cluster.jobs("train"))
    assert states == ["PENDING", "PENDING", "RUNNING", "RUNNING"], "four jobs share two GPUs"
    assert sorted(gpus for [[_, gpus]] in on_cluster.held().values()) == ["0", "1"]
    on_cluster.let_go()
    on_cluster.finish()
    assert len(run_table(on_cluster)["run_id"].unique()) == RUNS
    assert {gpus for [[_, gpus]] in on_cluster.held().values()} == {"0", "1"}
    assert all("gpu" not in job.gpus for job in on_cluster.jobs("laws"))


def test_a_workflow_run_survives_a_restart_of_slurms_controller(on_cluster, expected, monkeypatch):
    # The plugin then calls sacct; this cluster has no accounting.
    sacct = on_cluster.folder / "bin/sacct"
    sacct.parent.mkdir()
    sacct.write_text('#!/bin/bash\nexec squeue -h -t all -o "%i|%T" --name "${@: -1}"\n')
    sacct.chmod(0o755)
    monkeypatch.setenv("PATH", f"{sacct.parent}:{os.environ['PATH']}")
    on_cluster.hold()
    on_cluster.start(TABLE, "--verbose")
    wait_until(lambda: len(on_cluster.held()) == 2)
    slurm("scontrol", "shutdown", "slurmctld")
    # By default, the plugin gives up after five attempts and waits forever.
    wait_until(lambda: on_cluster.output().count("could not check status of job") > 5)
    slurm("slurmctld")
    on_cluster.let_go()
    on_cluster.finish()
    assert run_table(on_cluster).equals(expected)
