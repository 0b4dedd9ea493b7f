"""Progress: plain lines in a log, a bar on a terminal, and a fair guess of the time left."""

import io
import re
import sys

import pytest

from noisescale import progress
from noisescale.progress import Progress


@pytest.fixture
def clock(monkeypatch):
    """Time that passes only when told to."""
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_a_log_gets_plain_lines_now_and_then(clock, capsys):
    with Progress(10, "work", "runs") as done:
        for _ in range(10):
            clock[0] += 15
            done(1)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "work: 0 of 10 runs, 0 s"
    assert lines[-1] == "work: 10 of 10 runs, 150 s, 0 s left"
    assert 4 <= len(lines) <= 8, "a line now and then, not for every step"
    assert "\r" not in "".join(lines)


def test_the_time_left_counts_what_the_pieces_cost(clock, capsys):
    with Progress(2, "work", "runs", work=10) as done:
        clock[0] += 30
        done(1, work=2.5)
        left = re.search(r"1 of 2 runs, 30 s, (\d+) s left", capsys.readouterr().err)
        assert left and int(left[1]) == 90


def test_a_failure_does_not_claim_to_be_done(clock, capsys):
    with pytest.raises(ValueError), Progress(2, "work", "runs"):
        raise ValueError
    assert capsys.readouterr().err.splitlines() == ["work: 0 of 2 runs, 0 s"]


def test_a_terminal_gets_a_bar(monkeypatch):
    terminal = io.StringIO()
    terminal.isatty = lambda: True
    monkeypatch.setattr(sys, "stderr", terminal)
    with Progress(4, "work", "runs") as done:
        done(4)
    assert "100%" in terminal.getvalue() and "\r" in terminal.getvalue()
