"""A study on a SLURM cluster: the same results, and a fault of the cluster costs time alone."""

from __future__ import annotations

import os
import re

import pytest
import yaml
from conftest import TABLE, TRAININGS, slurm, table, until
from helpers.tiny_workflow import REPOSITORY, RUNS, Workflow, copy_of_repository

pytestmark = pytest.mark.slurm
FIRST, SECOND = "batch_size~1-7", "batch_size~8-63"


def test_a_whole_study_is_the_same_on_a_cluster_and_here(on_cluster, tmp_path):
    study = yaml.safe_load((REPOSITORY / "workflow/presets/smoke.yaml").read_text())
    on_cluster.settings = study
    call = on_cluster()
    assert call.status == 0, call.text
    assert (on_cluster.results / "report.html").stat().st_size > 0
    submitted = {job.rule for job in on_cluster.jobs()}
    assert submitted == {"train", "evidence", "scaling"}, "the rest is not worth a job"

    local = Workflow(copy_of_repository(tmp_path / "local"), study)
    assert local(str((local.results / "runs.parquet").relative_to(local.folder))).status == 0
    assert table(on_cluster).equals(table(local))


def test_a_failing_job_is_named_with_its_log_and_the_others_finish(on_cluster):
    on_cluster.edit(
        "src/noisescale/training/job.py",
        "    identity = RunIdentity.of(study, dataset.digest)\n",
        "    identity = RunIdentity.of(study, dataset.digest)\n"
        f'    if "{FIRST}" in shard:\n'
        '        raise RecordError("a fault for the test")\n',
    )
    call = on_cluster(TABLE, "--retries", "0")
    assert call.status == 1
    message = call.text.partition("Error in rule train:")[2]
    ours, slurms = (
        next(log for log in re.findall(r"[^\s,()]+\.log", message) if folder in log)
        for folder in ("results/tiny/logs/train", ".snakemake/slurm_logs")
    )
    assert FIRST in ours and FIRST.partition("~")[0] in slurms
    for log in (ours, slurms):
        assert "a fault for the test" in (on_cluster.folder / log).read_text()
    done = [path.parent.name for path in on_cluster.results.glob("runs/**/*.parquet")]
    assert done == [SECOND]


def one_in_the_midst(on_cluster):
    """Start the trainings; return one of the two jobs, and its shard, once both are held."""
    on_cluster.hold()
    on_cluster.start(TABLE)
    until(lambda: len(on_cluster.held()) == 2)
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
    on_cluster.feed(job, job.megabytes)


@pytest.mark.parametrize(
    ("blow", "again"),
    [
        (cancel, "is tried again by Snakemake"),
        (run_out_of_time, "is tried again by Snakemake"),
        (run_out_of_memory, "is tried again by Snakemake"),
        (requeue, "is started again by SLURM"),
        (fail_the_node, "is started again by SLURM"),
    ],
)
def test_a_job_that_is_struck_goes_on_where_it_was(on_cluster, expected, blow, again):
    struck, shard = one_in_the_midst(on_cluster)
    blow(on_cluster, struck)
    if again == "is started again by SLURM":
        until(lambda: (struck.id, "PENDING") in [(job.id, job.state) for job in on_cluster.jobs()])
        # It, and what else was on its node, would wait for two minutes.
        for job in on_cluster.jobs("train"):
            if job.state == "PENDING":
                slurm("scontrol", "update", f"JobId={job.id}", "StartTime=now")
    ((second, _),) = until(lambda: on_cluster.held()[shard][1:])
    attempt = next(job for job in on_cluster.jobs("train") if job.id == second)
    if again == "is started again by SLURM":
        assert attempt.id == struck.id
    else:
        assert attempt.id != struck.id
        assert attempt.minutes == 2 * struck.minutes
        assert attempt.megabytes == 2 * struck.megabytes
    on_cluster.let_go()
    on_cluster.ends_well()
    # It is killed at once, without the time to write down the last seconds' work.
    if blow is not run_out_of_memory:
        assert re.search(r"0 runs finished, \d+ in training", on_cluster.log(shard))
    assert table(on_cluster).equals(expected)


def test_what_a_shard_has_is_kept_when_a_job_fails_to_add_to_it(on_cluster):
    local = Workflow(on_cluster.folder, TRAININGS)
    assert local(TABLE).status == 0
    on_cluster.settings["base"] |= {"seeds": 3}
    struck, shard = one_in_the_midst(on_cluster)
    kept = re.search(r": (\d+) runs kept", on_cluster.log(shard))[0]
    assert kept != ": 0 runs kept"
    run_out_of_time(on_cluster, struck)
    until(lambda: on_cluster.held()[shard][1:])
    on_cluster.let_go()
    on_cluster.ends_well()
    assert kept in on_cluster.log(shard)


def test_ctrl_c_cancels_the_jobs_and_the_next_call_goes_on_where_they_were(on_cluster, expected):
    on_cluster.hold()
    on_cluster.start(TABLE)
    until(lambda: len(on_cluster.held()) == 2)
    on_cluster.interrupt()
    until(lambda: {job.state for job in on_cluster.jobs("train")} == {"CANCELLED"})
    on_cluster.start(TABLE)
    until(lambda: all(lines[1:] for lines in on_cluster.held().values()))
    on_cluster.let_go()
    on_cluster.ends_well()
    for shard in on_cluster.held():
        assert re.search(r"0 runs finished, \d+ in training", on_cluster.log(shard))
    assert table(on_cluster).equals(expected)


def test_text_of_the_command_line_is_read_by_no_shell_on_its_way(on_cluster):
    on_cluster.options = (*on_cluster.options, "--config", "title=$(touch sprung) `touch sprung`")
    call = on_cluster("results/tiny/scaling_laws.json")
    assert call.status == 0, call.text
    assert not list(on_cluster.folder.rglob("sprung"))


def test_a_killed_snakemake_trains_nothing_twice_though_its_jobs_still_run(on_cluster, expected):
    on_cluster.hold()
    on_cluster.start(TABLE)
    first, second = until(lambda: len(on_cluster.held()) == 2 and on_cluster.held())
    on_cluster.kill()

    on_cluster.start(TABLE)
    for shard in (first, second):
        until(lambda shard=shard: "another process is at work on it" in on_cluster.log(shard))
    assert len(on_cluster.jobs("train")) == 4
    on_cluster.let_go()
    on_cluster.ends_well()
    assert "an earlier call was killed; going on from there" in on_cluster.said()
    for shard in (first, second):
        assert len(on_cluster.held()[shard]) == 1
        assert re.search(r"\d+ runs kept, 0 to train", on_cluster.log(shard))
    assert table(on_cluster).equals(expected)


@pytest.mark.parametrize("asked", [(), ("train:gpu=0", "train:gres=gpu:1")])
def test_a_training_job_has_a_gpu_of_its_own_and_other_jobs_have_none(on_cluster, asked):
    on_cluster.hold()
    # There is none for torch.
    on_cluster.edit("src/noisescale/training/job.py", "choose_device(study.device)", '"cpu"')
    on_cluster.settings |= {"device": "cuda", "seeds_per_shard": 1}
    on_cluster.start(
        "results/tiny/scaling_laws.json", "--set-resources", "train:slurm_partition=gpu", *asked
    )
    until(lambda: len(on_cluster.held()) == 2)
    until(lambda: len(on_cluster.jobs("train")) == 4)
    states = sorted(job.state for job in on_cluster.jobs("train"))
    assert states == ["PENDING", "PENDING", "RUNNING", "RUNNING"], "of four jobs, for two GPUs"
    assert sorted(gpus for [[_, gpus]] in on_cluster.held().values()) == ["0", "1"]
    on_cluster.let_go()
    on_cluster.ends_well()
    assert len(table(on_cluster)["run_id"].unique()) == RUNS
    assert {gpus for [[_, gpus]] in on_cluster.held().values()} == {"0", "1"}
    assert all("gpu" not in job.gpus for job in on_cluster.jobs("scaling"))


def test_an_absence_of_slurms_controller_is_sat_out(on_cluster, expected, monkeypatch):
    # What the plugin asks then; this cluster has no accounting.
    sacct = on_cluster.folder / "bin/sacct"
    sacct.parent.mkdir()
    sacct.write_text('#!/bin/bash\nexec squeue -h -t all -o "%i|%T" --name "${@: -1}"\n')
    sacct.chmod(0o755)
    monkeypatch.setenv("PATH", f"{sacct.parent}:{os.environ['PATH']}")
    on_cluster.hold()
    on_cluster.start(TABLE, "--verbose")
    until(lambda: len(on_cluster.held()) == 2)
    slurm("scontrol", "shutdown", "slurmctld")
    # The plugin gives up after five, unless told otherwise, and waits for ever.
    until(lambda: on_cluster.said().count("could not check status of job") > 5)
    slurm("slurmctld")
    on_cluster.let_go()
    on_cluster.ends_well()
    assert table(on_cluster).equals(expected)
