"""Two trainings of a shard at once: the second waits, and finds the work of the first."""

import os
import signal
import subprocess
import sys
import time

import pytest

from noisescale import alone as module
from noisescale.alone import alone
from noisescale.errors import RecordError

HOLD = """
import sys, time
from noisescale.alone import alone
with alone(sys.argv[1]) as sure:
    print(sure, flush=True)
    time.sleep(float(sys.argv[2]))
    print(time.time(), flush=True)
"""


def hold(path, seconds):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, path, str(seconds)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline().strip() == "True"
    return process


def test_the_second_waits_until_the_first_has_ended(tmp_path, capsys):
    first = hold(tmp_path / "shard", 1.5)
    with alone(tmp_path / "shard") as sure:
        entered = time.time()
        assert sure
    assert entered >= float(first.stdout.read())
    assert "shard.lock: another process is at work; waiting" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
    assert first.wait() == 0


def test_the_lock_of_a_killed_process_is_free(tmp_path):
    first = hold(tmp_path / "shard", 100)
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    assert (tmp_path / "shard.lock").exists()
    with alone(tmp_path / "shard") as sure:
        assert sure
    assert list(tmp_path.iterdir()) == []


def test_never_are_two_in_it_at_once(tmp_path):
    """A lock that is deleted while others wait for it is of none of them."""
    script = """
import sys
from pathlib import Path
from noisescale.alone import alone
counter = Path(sys.argv[1])
for _ in range(60):
    with alone(counter):
        counter.write_text(str(int(counter.read_text()) + 1))
"""
    counter = tmp_path / "counter"
    counter.write_text("0")
    crowd = [subprocess.Popen([sys.executable, "-c", script, counter]) for _ in range(4)]
    assert [process.wait() for process in crowd] == [0] * 4
    assert counter.read_text() == str(4 * 60)


def test_without_locks_the_work_goes_on(tmp_path, monkeypatch, capsys):
    def none(handle, operation):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(module.fcntl, "flock", none)
    with alone(tmp_path / "shard") as sure:
        assert not sure
    assert "no locks here" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_to_is_one_line(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RecordError, match="cannot be written"), alone(tmp_path / "file" / "shard"):
        pass
