"""A second workflow run of a study is refused; only stale locks are removed."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from noisescale.errors import RecordError
from noisescale.planning.study_lock import (
    acquire,
    active_owner,
    release,
    remove_stale_locks,
    stale_locks,
)

MINE, OTHERS = Path("results/mine"), Path("results/mine-too")
DAMAGED = [
    *("", "{}", "[1]", "\x00"),
    *('{"place": 1, "process": []}', '{"place": [], "process": ["", 1, ""]}'),
    '{"place": ["here"], "process": ["", "one", ""]}',
]


@pytest.fixture(autouse=True)
def locks(tmp_path, monkeypatch):
    """A folder with Snakemake's locks on each of two studies."""
    monkeypatch.chdir(tmp_path)
    for number, results in enumerate((MINE, OTHERS)):
        results.mkdir(parents=True)
        write_locks(number, results)
    return Path(".snakemake/locks")


def write_locks(number, results):
    folder = Path(".snakemake/locks")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{number}.input.lock").write_text(f"src/code.py\n{results}/data.npz\n")
    (folder / f"{number}.output.lock").write_text(f"{results}/runs.parquet\n")


def names(locks):
    return sorted(path.name for path in locks.iterdir())


def acquire_elsewhere(results):
    """Lock a study in a process that has exited when this returns."""
    script = "import sys, pathlib; from noisescale.planning.study_lock import acquire;"
    script += "acquire(pathlib.Path(sys.argv[1]))"
    subprocess.run([sys.executable, "-c", script, results], check=True)


def change(results, **fields):
    file = results / ".owner"
    file.write_text(json.dumps(json.loads(file.read_text()) | fields))


def test_the_locks_of_an_exited_process_are_removed_and_no_others(locks):
    acquire_elsewhere(MINE)
    assert [path.name for path in stale_locks(MINE, locks)] == ["0.input.lock", "0.output.lock"]
    assert active_owner(MINE, locks) is None
    assert len(names(locks)) == 4, "stale_locks removes nothing"
    assert remove_stale_locks(MINE, locks)
    assert names(locks) == ["1.input.lock", "1.output.lock"]
    assert not remove_stale_locks(MINE, locks)
    assert active_owner(MINE, locks) is None


def test_the_locks_of_a_running_process_stay(locks):
    acquire(MINE)
    assert not remove_stale_locks(MINE, locks)
    assert len(names(locks)) == 4


def test_the_locks_of_another_machine_stay_with_advice_on_how_to_remove_them(locks):
    acquire_elsewhere(MINE)
    change(MINE, place=["another machine"])
    assert not remove_stale_locks(MINE, locks)
    assert len(names(locks)) == 4
    assert active_owner(MINE, locks).endswith("down, run snakemake --unlock")


def test_an_owner_on_another_machine_without_locks_is_not_active(locks):
    acquire_elsewhere(MINE)
    change(MINE, place=["another machine"])
    for lock in locks.iterdir():
        lock.unlink()
    assert active_owner(MINE, locks) is None
    acquire(MINE)


def test_another_process_with_the_same_id_is_not_taken_for_the_owner(locks):
    acquire(MINE)
    process = json.loads((MINE / ".owner").read_text())["process"]
    if not process[2]:
        pytest.skip("processes cannot be distinguished without /proc")
    change(MINE, process=[*process[:2], "1"])
    assert remove_stale_locks(MINE, locks)


@pytest.mark.parametrize("content", DAMAGED)
def test_with_a_damaged_record_of_the_owner_no_lock_is_removed(locks, content):
    (MINE / ".owner").write_text(content)
    assert not remove_stale_locks(MINE, locks)
    assert len(names(locks)) == 4
    assert "an unknown machine" in active_owner(MINE, locks)


def test_the_owner_is_named_although_another_workflow_run_has_removed_all_locks(locks):
    acquire(MINE)
    for lock in locks.iterdir():
        lock.unlink()
    line = active_owner(MINE, locks)
    assert f"in use by process {os.getpid()} on {socket.gethostname()}; wait" in line
    assert str(MINE.resolve()) in line and "\n" not in line
    assert active_owner(OTHERS, locks) is None


def test_a_second_process_is_refused_while_the_first_runs():
    acquire(MINE)
    acquire(MINE)  # the owner may lock it again
    with pytest.raises(subprocess.CalledProcessError):
        acquire_elsewhere(MINE)
    acquire_elsewhere(OTHERS)


def test_a_process_releases_its_own_lock_and_no_other(locks):
    acquire(MINE)
    acquire_elsewhere(OTHERS)
    for results in (MINE, OTHERS, Path("results/new")):
        release(results)
    assert not (MINE / ".owner").exists()
    assert (OTHERS / ".owner").exists()


def test_a_folder_that_does_not_exist_has_no_owner(locks):
    assert active_owner(Path("results/new"), locks) is None
    acquire(Path("results/new"))
    with pytest.raises(RecordError, match="cannot be written"):
        acquire(Path("results/new/.owner"))
