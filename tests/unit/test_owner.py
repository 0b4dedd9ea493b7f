"""Locks that outlive their owner are removed; those of the living, or of elsewhere, stay."""

import json
import os
import socket
import subprocess
import sys

import pytest

from noisescale import owner


@pytest.fixture
def state(tmp_path):
    (tmp_path / "locks").mkdir()
    (tmp_path / "locks" / "0.output.lock").write_text("a result")
    return tmp_path


def sign_elsewhere(state):
    """In a process that has ended when this returns."""
    script = "import sys; from noisescale import owner; owner.sign(sys.argv[1])"
    subprocess.run([sys.executable, "-c", script, state], check=True)


def test_the_locks_of_a_dead_process_are_removed_once(state):
    sign_elsewhere(state)
    assert owner.release_of_the_dead(state)
    assert [path.name for path in state.iterdir()] == []
    (state / "locks").mkdir()
    (state / "locks" / "0.output.lock").write_text("of someone who has not signed yet")
    assert not owner.release_of_the_dead(state)
    assert (state / "locks" / "0.output.lock").exists()


def test_the_locks_of_a_living_process_stay(state):
    owner.sign(state)
    assert not owner.release_of_the_dead(state)
    assert (state / "locks" / "0.output.lock").exists()


def test_the_locks_of_another_machine_stay(state):
    sign_elsewhere(state)
    file = state / "noisescale.owner"
    signed = json.loads(file.read_text())
    file.write_text(json.dumps(signed | {"place": ["another machine"]}))
    assert not owner.release_of_the_dead(state)
    assert (state / "locks" / "0.output.lock").exists()


def test_another_process_with_the_same_id_is_not_taken_for_the_owner(state):
    owner.sign(state)
    file = state / "noisescale.owner"
    signed = json.loads(file.read_text())
    if not signed["process"][2]:
        pytest.skip("there is no /proc to tell them apart")
    signed["process"][2] = "1"
    file.write_text(json.dumps(signed))
    assert owner.release_of_the_dead(state)


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"place": 1, "process": []}', "\x00"])
def test_a_damaged_signature_removes_nothing(state, content):
    (state / "noisescale.owner").write_text(content)
    assert not owner.release_of_the_dead(state)
    assert (state / "locks").exists()


def test_those_who_are_at_work_are_named(state):
    owner.sign(state)
    line = owner.of_the_living(state)
    assert f"process {os.getpid()} on {socket.gethostname()}, works here; wait" in line
    assert str(state.parent) in line and "\n" not in line


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"place": 1, "process": []}', "\x00"])
def test_locks_without_a_name_are_told_too(state, content):
    (state / "noisescale.owner").write_text(content)
    assert "an unknown machine" in owner.of_the_living(state)


def test_where_there_are_no_locks_nobody_is_at_work(tmp_path):
    owner.sign(tmp_path)
    assert owner.of_the_living(tmp_path) is None
