"""Two trainings of the same shard at the same time take turns."""

import errno
import fcntl
import os
import subprocess
import sys
import threading

import pytest

from noisescale.errors import RecordError
from noisescale.storage.files import remove_partial_writes
from noisescale.storage.locks import exclusive_lock

HOLDER = """
import sys
from noisescale.storage.locks import exclusive_lock
with exclusive_lock(sys.argv[1]) as locked:
    print(locked, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the lock of a shard."""
    call = [sys.executable, "-c", HOLDER, tmp_path / "shard"]
    process = subprocess.Popen(call, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "True\n"
    yield process
    process.kill()
    process.wait()


@pytest.mark.parametrize("end", ["done", "killed"])
def test_the_second_process_waits_until_the_first_has_ended(holder, tmp_path, caplog, end):
    entered = threading.Event()

    def enter():
        with exclusive_lock(tmp_path / "shard"):
            entered.set()

    second = threading.Thread(target=enter)
    second.start()
    assert not entered.wait(0.3)
    assert "locked by another process; waiting" in caplog.text
    if end == "done":
        holder.stdin.close()
    else:
        holder.kill()
    assert entered.wait(30)
    second.join()


def test_other_shards_in_the_folder_do_not_wait(holder, tmp_path):
    with exclusive_lock(tmp_path / "another") as locked:
        assert locked
        assert holder.poll() is None


def test_no_two_processes_hold_a_lock_at_the_same_time(tmp_path):
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
    processes = [subprocess.Popen([sys.executable, "-c", script, counter]) for _ in range(4)]
    assert [process.wait() for process in processes] == [0] * 4
    assert counter.read_text() == str(4 * 60)


@pytest.mark.parametrize("number", [errno.EOPNOTSUPP, errno.ENOSYS, errno.ENOLCK])
def test_without_support_for_locks_the_work_continues(tmp_path, monkeypatch, caplog, number):
    def none(*arguments):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", none)
    for _ in range(2):
        with exclusive_lock(tmp_path / "shard") as locked:
            assert not locked
    assert "the file system does not support locks" in caplog.text


def test_removing_partial_writes_leaves_the_lock(tmp_path):
    path = tmp_path / "shard.parquet"
    with exclusive_lock(path):
        (tmp_path / ".shard.parquet.abc").touch()
        remove_partial_writes(path)
        assert [p.name for p in tmp_path.iterdir()] == [".shard.lock"]


def test_a_folder_that_cannot_be_written_to_is_one_line(tmp_path):
    (tmp_path / "file").touch()
    with (
        pytest.raises(RecordError, match="cannot be written"),
        exclusive_lock(tmp_path / "file" / "shard"),
    ):
        pass
