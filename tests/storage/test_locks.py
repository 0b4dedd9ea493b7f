"""Two trainings of a shard at once, on whichever machines: they take turns."""

import subprocess
import sys
import threading

import pytest

from noisescale.errors import RecordError
from noisescale.storage import locks as module
from noisescale.storage.locks import exclusive_lock

HOLDER = """
import sys
from noisescale.storage.locks import exclusive_lock
with exclusive_lock(sys.argv[1]) as sure:
    print(sure, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that is at work on a shard."""
    call = [sys.executable, "-c", HOLDER, tmp_path / "shard"]
    process = subprocess.Popen(call, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "True\n"
    yield process
    process.kill()
    process.wait()


@pytest.mark.parametrize("end", ["done", "killed"])
def test_the_second_waits_until_the_first_has_ended(holder, tmp_path, capsys, end):
    entered = threading.Event()

    def enter():
        with exclusive_lock(tmp_path / "shard"):
            entered.set()

    second = threading.Thread(target=enter)
    second.start()
    assert not entered.wait(0.3)
    assert "another process is at work on it" in capsys.readouterr().err
    if end == "done":
        holder.stdin.close()
    else:
        holder.kill()
    assert entered.wait(30)
    second.join()


def test_other_shards_in_the_folder_do_not_wait(holder, tmp_path):
    with exclusive_lock(tmp_path / "another") as sure:
        assert sure
        assert holder.poll() is None


def test_never_are_two_in_it_at_once(tmp_path):
    script = """
import sys
from pathlib import Path
from noisescale.storage.locks import exclusive_lock
counter = Path(sys.argv[1])
for _ in range(60):
    with exclusive_lock(counter):
        counter.write_text(str(int(counter.read_text()) + 1))
"""
    counter = tmp_path / "counter"
    counter.write_text("0")
    crowd = [subprocess.Popen([sys.executable, "-c", script, counter]) for _ in range(4)]
    assert [process.wait() for process in crowd] == [0] * 4
    assert counter.read_text() == str(4 * 60)


def test_without_locks_the_work_goes_on(tmp_path, monkeypatch, capsys):
    def none(*arguments):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(module.fcntl, "lockf", none)
    with exclusive_lock(tmp_path / "shard") as sure:
        assert not sure
    assert "no locks here" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_to_is_one_line(tmp_path):
    (tmp_path / "file").touch()
    with (
        pytest.raises(RecordError, match="cannot be written"),
        exclusive_lock(tmp_path / "file" / "shard"),
    ):
        pass
