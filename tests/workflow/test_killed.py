"""A workflow run that is killed loses no finished work, and the next one resumes."""

import json
import os
import signal
import subprocess
import sys
import time

import pyarrow.parquet as pq
from faults.study import Study
from helpers.tiny_workflow import RUNS, Workflow, tree_digests

TARGET = "results/tiny/runs.parquet"


def wait_for(condition, process):
    while not condition():
        assert process.poll() is None, "the process ended before it could be killed"
        time.sleep(0.02)


def start_and_stop(workflow):
    """Return a running workflow, paused so that it does not end before another starts."""
    workflow.write_settings()
    process = subprocess.Popen(
        [sys.executable, "-m", "snakemake", TARGET, *workflow.options, "--cores", "1"],
        cwd=workflow.folder,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_for((workflow.results / ".owner").exists, process)
    os.killpg(process.pid, signal.SIGSTOP)
    return process


def test_a_second_workflow_run_is_refused_while_the_first_lives_and_resumes_it_when_it_is_killed(
    fresh,
):
    first = start_and_stop(fresh)
    second = fresh(TARGET)
    os.killpg(first.pid, signal.SIGCONT)
    assert second.status != 0 and "Directory cannot be locked" in second.text
    line = f"noisescale: {fresh.results}: the study is in use by process {first.pid} on "
    assert any(found.startswith(line) for found in second.text.splitlines())
    assert "Traceback" not in second.text

    wait_for(lambda: list(fresh.results.glob("runs/**/*.parquet")), first)
    (finished,) = fresh.results.glob("runs/**/*.parquet")
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    assert not (fresh.folder / TARGET).exists()

    before = tree_digests(fresh.folder)
    looked = fresh("--summary")
    assert "an earlier workflow run was killed; resuming" in looked.text
    assert tree_digests(fresh.folder) == before
    assert list(fresh.folder.glob(".snakemake/locks/*"))

    result = fresh(TARGET)
    assert result.status == 0, result.text
    assert "an earlier workflow run was killed; resuming" in result.text
    there = {"1-7": 8, "8-63": 4}[finished.parent.name.partition("~")[2]]
    assert f"{RUNS} runs, {there} up to date" in result.text
    assert result.trained == RUNS - there
    assert not (fresh.results / ".owner").exists()


def test_a_workflow_run_of_a_second_study_does_not_unlock_the_first(fresh):
    """When a workflow run ends, Snakemake removes all locks of the working directory."""
    first = start_and_stop(fresh)
    try:
        other = Workflow(fresh.folder, fresh.settings | {"study": "other"})
        result = other("results/other/data.npz")
        assert result.status == 0 and "is in use" not in result.text, result.text
        assert not list(fresh.folder.glob(".snakemake/locks/*"))
        third = fresh(TARGET)
        assert third.status != 0 and "Traceback" not in third.text
        line = f"noisescale: {fresh.results}: the study is in use by process {first.pid} on "
        assert sum(line in found for found in third.text.splitlines()) == 2, "reported, and refused"
        assert third.trained == 0
    finally:
        os.killpg(first.pid, signal.SIGKILL)
        first.wait()


def test_what_a_killed_snakemake_leaves_in_training_is_not_trained_twice(fresh):
    study = Study(fresh.folder, fresh.settings)
    first = study.start(TARGET)
    wait_for(study.training, first)
    first.kill()
    first.wait()
    assert study.training(), "the training continues"
    result = fresh(TARGET)
    assert result.status == 0, result.text
    assert "an earlier workflow run was killed; resuming" in result.text
    # The second of the two jobs has nothing to train, and ends.
    for _ in range(300):
        if not study.training():
            break
        time.sleep(0.1)
    assert not study.training()
    trained = [
        [
            job["trained"]
            for job in json.loads(pq.read_metadata(path).metadata[b"noisescale"])["jobs"]
        ]
        for path in fresh.results.glob("runs/**/*.parquet")
    ]
    assert sorted(trained) == [[4], [8]]
    left = [path for path in fresh.results.glob("runs/**/*") if path.is_file()]
    # The lock files remain, see `noisescale.storage.locks`.
    assert {path.suffix for path in left} == {".parquet", ".lock"}
