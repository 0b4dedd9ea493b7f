"""Two jobs on one shard take turns, and a dead one stops nobody."""

import subprocess
import sys
import threading

import pytest

from noisescale.alone import alone

HOLDER = """
import sys
from noisescale.alone import alone
with alone(sys.argv[1]):
    print("locked", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that is at work on a shard."""
    call = [sys.executable, "-c", HOLDER, tmp_path / "shard"]
    process = subprocess.Popen(call, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "locked\n"
    yield process
    process.kill()
    process.wait()


@pytest.mark.parametrize("end", ["done", "killed"])
def test_the_second_waits_until_the_first_has_ended(holder, tmp_path, capsys, end):
    entered = threading.Event()

    def enter():
        with alone(tmp_path / "shard"):
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
    with alone(tmp_path / "another"):
        assert holder.poll() is None
