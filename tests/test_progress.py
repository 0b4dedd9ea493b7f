"""Progress: plain lines in a log, a bar on a terminal, and an estimate of the time left."""

import io
import logging
import re
import sys

import pytest

from noisescale import progress
from noisescale.progress import Progress


@pytest.fixture
def clock(monkeypatch):
    """Time that passes only when a test says so."""
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def log(caplog):
    caplog.set_level(logging.INFO, "noisescale")
    return caplog


@pytest.fixture
def terminal(monkeypatch):
    """Return a function that makes a terminal of stderr, which pytest replaces before each test."""

    def replace():
        stream = io.StringIO()
        stream.isatty = lambda: True
        monkeypatch.setattr(sys, "stderr", stream)
        return stream

    return replace


def test_a_log_gets_plain_lines_now_and_then(clock, log):
    with Progress(10, "work", "runs") as done:
        for _ in range(10):
            clock[0] += 15
            done(1)
    assert log.messages[0] == "work: 0 of 10 runs, 0 s"
    assert log.messages[-1] == "work: 10 of 10 runs, 150 s, 0 s left"
    assert 4 <= len(log.messages) <= 8, "a line now and then, not for every step"
    assert {record.levelno for record in log.records} == {logging.INFO}


def test_the_time_left_is_estimated_from_the_work_of_the_pieces(clock, log):
    with Progress(2, "work", "runs", work=10) as done:
        clock[0] += 30
        done(1, work=2.5)
        left = re.search(r"1 of 2 runs, 30 s, (\d+) s left", log.messages[-1])
        assert left and int(left[1]) == 90


def test_a_failure_does_not_claim_to_be_done(clock, log):
    with pytest.raises(ValueError), Progress(2, "work", "runs"):
        raise ValueError
    assert log.messages == ["work: 0 of 2 runs, 0 s"]


def test_a_terminal_gets_a_bar_and_no_lines(terminal, log):
    screen = terminal()
    with Progress(4, "work", "runs") as done:
        done(4)
    assert "100%" in screen.getvalue() and "\r" in screen.getvalue()
    assert not log.messages


def test_with_a_log_file_the_terminal_gets_no_bar(terminal, log, tmp_path):
    screen = terminal()
    handler = logging.FileHandler(tmp_path / "log")
    logger = logging.getLogger("noisescale")
    logger.addHandler(handler)
    try:
        with Progress(4, "work", "runs") as done:
            done(4)
    finally:
        logger.removeHandler(handler)
        handler.close()
    assert screen.getvalue() == ""
    assert (tmp_path / "log").read_text().startswith("work: 0 of 4 runs")
