"""A stage called by hand: one line for what a user can mend, whatever becomes of its log."""

import sys
from pathlib import Path

import pytest

from noisescale import cli
from noisescale.cli import main


@pytest.fixture(autouse=True)
def terminal(monkeypatch):
    monkeypatch.setattr(sys, "stderr", sys.stderr)  # as it was, after the test


def test_an_error_is_one_line_on_the_terminal_and_in_the_log(tmp_path, capsys):
    study, log = tmp_path / "study.json", tmp_path / "logs" / "scaling.log"
    command = ["--log", str(log), "scaling", "--study", str(study), "--runs", "r", "--output", "o"]
    assert main(command) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"noisescale scaling: {study}: ") and said.count("\n") == 1
    assert log.read_text() == said


def test_a_log_that_cannot_be_written_is_one_line(tmp_path, capsys):
    (tmp_path / "file").touch()
    log = tmp_path / "file" / "scaling.log"
    command = ["--log", str(log), "scaling", "--study", "s", "--runs", "r", "--output", "o"]
    assert main(command) == 1
    said = capsys.readouterr().err
    assert f"{log}: cannot be written" in said and said.count("\n") == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no disk that is always full")
def test_a_log_on_a_full_disk_stops_nothing(monkeypatch, capsys):
    done = []

    def stage(**options):
        print("what the disk has no room for", file=sys.stderr, flush=True)
        done.append(True)

    monkeypatch.setitem(cli._STAGES, "scaling", stage)
    command = ["--log", "/dev/full", "scaling", "--study", "s", "--runs", "r", "--output", "o"]
    assert main(command) == 0
    assert done and capsys.readouterr().err == ""
