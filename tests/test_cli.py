"""The command line: errors that a user can remedy are one line, with and without a log."""

import dataclasses
import json
import logging
import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from helpers.synthetic import synthetic_study

from noisescale import cli
from noisescale.cli import main
from noisescale.environment import PACKAGE
from noisescale.errors import NoisescaleError

LAWS = ["laws", "--study", "s", "--runs", "r", "--output", "o"]


@pytest.fixture
def stage(monkeypatch):
    """Return a function that replaces the stage of the command ``laws``."""
    from noisescale.laws import scaling

    def replace(stage):
        monkeypatch.setattr(scaling, "laws_stage", stage)

    return replace


@pytest.fixture
def study_path(tmp_path):
    path = tmp_path / "study.json"
    path.write_text(synthetic_study().to_json())
    return path


def fails(capsys, *arguments):
    """Return the one line that a failing command writes."""
    assert main([str(argument) for argument in arguments]) == 1
    message = capsys.readouterr().err
    assert message.count("\n") == 1 and message.endswith("\n")
    return message


# --- messages and the log ---


def test_an_error_is_one_line_on_the_terminal_and_in_the_log(tmp_path, capsys):
    study, log = tmp_path / "study.json", tmp_path / "logs" / "laws.log"
    message = fails(capsys, "--log", log, "laws", "--study", study, "--runs", "r", "--output", "o")
    assert message.startswith(f"noisescale laws: {study}: ")
    assert log.read_text() == message


def test_messages_go_to_the_log_and_not_to_the_terminal(tmp_path, capsys, stage):
    def work(*paths):
        logging.getLogger("noisescale.laws").info("half done")
        warnings.warn("take care", stacklevel=1)

    stage(work)
    log = tmp_path / "laws.log"
    assert main(["--log", str(log), *LAWS]) == 0
    assert log.read_text().startswith("half done\n") and "take care" in log.read_text()
    assert capsys.readouterr().err == ""


def test_without_a_log_messages_go_to_the_terminal(capsys, stage):
    stage(lambda *paths: logging.getLogger("noisescale.laws").info("half done"))
    assert main(LAWS) == 0
    assert capsys.readouterr().err == "half done\n"


def test_an_unexpected_error_has_its_traceback_in_the_log_and_its_last_line_on_the_terminal(
    tmp_path, capsys, stage
):
    def work(*paths):
        raise ZeroDivisionError("nothing to\ndivide by")

    stage(work)
    log = tmp_path / "laws.log"
    message = fails(capsys, "--log", log, *LAWS)
    assert message == "noisescale laws: ZeroDivisionError: nothing to divide by\n"
    assert "Traceback" in log.read_text() and log.read_text().startswith(message)
    assert main(LAWS) == 1
    assert "Traceback" in capsys.readouterr().err, "without a log, it is not lost"


def test_a_log_that_cannot_be_written_is_one_line(tmp_path, capsys):
    (tmp_path / "file").touch()
    log = tmp_path / "file" / "laws.log"
    message = fails(capsys, "--log", log, *LAWS)
    assert message.startswith(f"noisescale laws: --log {log}: cannot be written")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no disk that is always full")
def test_a_log_on_a_full_disk_does_not_stop_the_work(capsys, stage):
    done = []

    def work(*paths):
        logging.getLogger("noisescale.laws").info("no room for this")
        done.append(True)

    stage(work)
    assert main(["--log", "/dev/full", *LAWS]) == 0
    assert done and capsys.readouterr().err == ""


@pytest.mark.parametrize("error", [None, NoisescaleError("no"), ValueError("no"), SystemExit(143)])
def test_nothing_stays_replaced_after_a_call(tmp_path, stage, error):
    def state():
        loggers = [logging.getLogger(name) for name in ("noisescale", "py.warnings")]
        handlers = [(list(logger.handlers), logger.level) for logger in loggers]
        return handlers, sys.stderr, sys.excepthook, warnings.showwarning

    def work(*paths):
        if error is not None:
            raise error

    stage(work)
    before = state()
    status = main(["--log", str(tmp_path / "laws.log"), *LAWS])
    assert status == {type(None): 0, SystemExit: 143}.get(type(error), 1)
    assert state() == before


# --- the command line itself ---


def test_the_commands_are_these(capsys):
    assert main(["--help"]) == 0
    listed = capsys.readouterr().out.partition("Commands:")[2].splitlines()[1:]
    names = [line.split()[0] for line in listed]
    assert " ".join(names) == (
        "data evidence train collect laws figures claims report check publish redraw repair forget"
    )


@pytest.mark.parametrize("arguments", [["laws"], ["unknown"], ["--unknown"], [*LAWS, "more"]])
def test_a_wrong_command_line_has_the_status_2_and_says_why(capsys, arguments):
    assert main(arguments) == 2
    message = capsys.readouterr().err
    assert "Error: " in message and "Traceback" not in message


def test_the_command_line_is_light_and_settles_the_environment_before_any_stage():
    script = """
import os, sys
os.environ.pop("MKL_CBWR", None)
from noisescale import cli
heavy = {"numpy", "torch", "pandas", "scipy", "pyarrow", "matplotlib", "rich"}
assert not heavy & sys.modules.keys(), heavy & sys.modules.keys()
assert cli.main(["laws", "--study", "absent", "--runs", "r", "--output", "o"]) == 1
assert os.environ["MKL_CBWR"] == "AUTO" and "numpy" in sys.modules
"""
    environment = os.environ | {"PYTHONPATH": str(PACKAGE.parent)}
    subprocess.run([sys.executable, "-c", script], env=environment, check=True)


# --- wrong names ---


def test_an_unknown_figure_is_one_line_that_lists_those_there_are(study_path, tmp_path, capsys):
    message = fails(capsys, "figures", "--study", study_path, "--folder", tmp_path, "fig99_nothing")
    assert "figure 'fig99_nothing'" in message and "fig5_learning_rate" in message


def test_a_figure_whose_results_are_not_given_is_one_line(study_path, tmp_path, capsys):
    call = ["figures", "--study", study_path, "--folder", tmp_path, "fig5_learning_rate"]
    assert "--runs: missing; expected runs.parquet" in fails(capsys, *call)
    assert "--laws: missing" in fails(capsys, *call, "--runs", tmp_path / "runs.parquet")


def test_results_that_the_study_does_not_have_are_refused(study_path, tmp_path, capsys):
    study_path.write_text(dataclasses.replace(synthetic_study(), evidence=None).to_json())
    call = ["claims", "--study", study_path, "--output", tmp_path, "--runs", "r", "--laws", "l"]
    message = fails(capsys, *call, "--evidence", "e.parquet")
    assert "--evidence e.parquet: " in message and "leave it out" in message


@pytest.mark.parametrize(
    "shard", ["nothing", "train_size~1-7/batch_size~1-7/seeds~0-9", "seeds~a-b"]
)
def test_an_unknown_shard_is_one_line_that_names_one_there_is(study_path, capsys, shard):
    call = ["train", "--study", study_path, "--data", "d", "--output", "o", "--shard", shard]
    message = fails(capsys, *call)
    assert f"--shard {shard!r}: not a shard" in message and "such as train_size~" in message


@pytest.mark.parametrize("content", ["", "{}", "[]", "name: digits", json.dumps({"name": 3})])
@pytest.mark.parametrize(
    "command",
    [
        "data --output o",
        "evidence --data d --output o",
        "train --data d --output o --shard s",
        "collect --shards s --output o",
        "laws --runs r --output o",
        "figures --folder f fig2_evidence",
        "claims --output o",
        "report --figures f --claims c --benchmarks b --output o",
    ],
)
def test_a_file_that_is_no_study_is_one_line(tmp_path, capsys, command, content):
    path = tmp_path / "mine.json"
    path.write_text(content)
    name, *options = command.split()
    message = fails(capsys, name, "--study", path, *options)
    assert message.startswith(f"noisescale {name}: {path}: not a study")


@pytest.mark.parametrize(("command", "source"), [("publish", "results"), ("redraw", "published")])
def test_a_folder_that_is_absent_is_one_line(tmp_path, capsys, command, source):
    absent = tmp_path / "absent"
    message = fails(capsys, command, f"--{source}", absent, "--output", tmp_path / "out")
    assert str(absent) in message
    assert not (tmp_path / "out").exists()


# --- captions ---


def test_captions_are_those_of_the_checkout_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert (cli._default_captions() / "scaling_laws.rst").is_file()


def test_captions_are_asked_for_outside_a_checkout(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(cli, "PACKAGE", tmp_path / "site-packages" / "noisescale")
    for command, source in (("publish", "results"), ("redraw", "published")):
        message = fails(capsys, command, f"--{source}", tmp_path, "--output", tmp_path / "out")
        assert "--captions: missing; expected the folder workflow/report" in message
