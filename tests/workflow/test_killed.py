"""A call that is killed loses nothing that was finished, and the next one goes on."""

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
        assert process.poll() is None, "it ended before it could be killed"
        time.sleep(0.02)


def working(workflow):
    """Return a call that is working, stopped so that it does not end before another starts."""
    workflow.write_settings()
    call = subprocess.Popen(
        [sys.executable, "-m", "snakemake", TARGET, *workflow.options, "--cores", "1"],
        cwd=workflow.folder,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_for((workflow.results / ".owner").exists, call)
    os.killpg(call.pid, signal.SIGSTOP)
    return call


def test_a_second_call_is_refused_while_the_first_lives_and_goes_on_when_it_is_killed(fresh):
    first = working(fresh)
    second = fresh(TARGET)
    os.killpg(first.pid, signal.SIGCONT)
    assert second.status != 0 and "Directory cannot be locked" in second.text
    line = f"noisescale: {fresh.results}: another call, process {first.pid} on "
    assert any(said.startswith(line) for said in second.text.splitlines())
    assert "Traceback" not in second.text

    wait_for(lambda: list(fresh.results.glob("runs/**/*.parquet")), first)
    (finished,) = fresh.results.glob("runs/**/*.parquet")
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    assert not (fresh.folder / TARGET).exists()

    before = tree_digests(fresh.folder)
    looked = fresh("--summary")
    assert "an earlier call was killed; going on from there" in looked.text
    assert tree_digests(fresh.folder) == before
    assert list(fresh.folder.glob(".snakemake/locks/*"))

    call = fresh(TARGET)
    assert call.status == 0, call.text
    assert "an earlier call was killed; going on from there" in call.text
    there = {"1-7": 8, "8-63": 4}[finished.parent.name.partition("~")[2]]
    assert f"{RUNS} runs, {there} up to date" in call.text
    assert call.trained == RUNS - there
    assert not (fresh.results / ".owner").exists()


def test_a_call_on_a_second_study_does_not_unlock_the_first(fresh):
    """Snakemake removes all locks of a folder, also those of others, when a call ends in it."""
    first = working(fresh)
    try:
        other = Workflow(fresh.folder, fresh.settings | {"study": "other"})
        call = other("results/other/data.npz")
        assert call.status == 0 and "is working here" not in call.text, call.text
        assert not list(fresh.folder.glob(".snakemake/locks/*"))
        third = fresh(TARGET)
        assert third.status != 0 and "Traceback" not in third.text
        line = f"noisescale: {fresh.results}: another call, process {first.pid} on "
        assert sum(line in said for said in third.text.splitlines()) == 2, "reported, and refused"
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
    assert study.training(), "the training goes on"
    call = fresh(TARGET)
    assert call.status == 0, call.text
    assert "an earlier call was killed; going on from there" in call.text
    # The one of the two that was second has nothing to train, and ends.
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
    # The files of the locks stay, see `noisescale.storage.locks`.
    assert {path.suffix for path in left} == {".parquet", ".lock"}
