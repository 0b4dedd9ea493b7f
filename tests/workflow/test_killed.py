"""A call that is killed outright costs nothing that was finished, and the next one goes on."""

import os
import signal
import subprocess
import sys
import time

from tiny_workflow import RUNS

TARGET = "results/tiny/runs.parquet"


def wait_for(condition, process):
    while not condition():
        assert process.poll() is None, "it ended before it could be killed"
        time.sleep(0.02)


def test_a_call_is_alone_while_it_lives_and_the_next_goes_on_when_it_is_killed(fresh):
    fresh.write_settings()
    first = subprocess.Popen(
        [sys.executable, "-m", "snakemake", TARGET, *fresh.options, "--cores", "1"],
        cwd=fresh.folder,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_for((fresh.results / "study.json").exists, first)
    beside = fresh(TARGET)
    assert beside.status != 0 and "Directory cannot be locked" in beside.text
    assert "Traceback" not in beside.text

    wait_for(lambda: list(fresh.results.glob("runs/**/*.sha256")), first)
    (finished,) = fresh.results.glob("runs/**/*.parquet")
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    assert not (fresh.folder / TARGET).exists()

    call = fresh(TARGET)
    assert call.status == 0, call.text
    assert "an earlier call was killed; going on from there" in call.text
    there = {"1-7": 8, "8-63": 4}[finished.parent.name.partition("~")[2]]
    assert f"{RUNS} runs wanted, {there} up to date" in call.text
    assert call.trained == RUNS - there
