"""What a job that failed has to say, in one line."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

_MAX_LENGTH = 600
_COMMAND = re.compile(r"^noisescale( [a-z]+)?: ")


def failure_message(rule: str, logs: Sequence[Path]) -> str:
    """Return one line about a job that failed.

    Parameters
    ----------
    rule
        The name of its rule.
    logs
        Its log files.

    Returns
    -------
    str
        The last line of the first log that has one. It is that of a user's error, or of a
        traceback. A job that is killed, such as one that exceeds its memory, leaves none.
    """
    for log in logs:
        if line := _last_line(log):
            return f"rule {rule} failed: {line}; see {log}"
    where = f" to {logs[0]}" if logs else ""
    return (
        f"rule {rule} failed and wrote nothing{where}: it could not be started, or was killed; "
        "see the messages above"
    )


def _last_line(log: Path) -> str:
    """Return the last line of a log without the name of the command; empty if there is none."""
    try:
        text = log.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    line = _COMMAND.sub("", lines[-1]) if lines else ""
    return line if len(line) <= _MAX_LENGTH else f"{line[:_MAX_LENGTH]}…"
