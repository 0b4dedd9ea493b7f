"""One row of the corpus in ``tests/inputs``: an input, and what must become of it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from noisescale.errors import NoisescaleError


@dataclass(frozen=True)
class Accepted:
    """The input is used. `fact`, if given, is true of the result."""

    fact: Callable[[Any], bool] = lambda result: True


class Refused(tuple[str, ...]):
    """The input is refused in one line that contains these words: place, value, remedy."""

    def __new__(cls, *words: str) -> Refused:
        return super().__new__(cls, words)


Expected = Accepted | Refused


def rows(table: dict[str, tuple[Any, ...]]) -> dict[str, Any]:
    """Return the arguments of pytest.mark.parametrize that follow the names, without the first."""
    return {"argvalues": list(table.values()), "ids": list(table)}


def tree(folder: Path) -> dict[str, str]:
    """Return the digests of all files, and the names of all folders, below a folder."""
    return {
        str(path.relative_to(folder)): (
            hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "not a file"
        )
        for path in sorted(folder.rglob("*"))
    }


def is_one_line(message: str, words: Refused) -> None:
    """Check that a message is one line with these words, which no traceback surrounds."""
    text = message.strip()
    assert text and "\n" not in text, message
    assert len(text) < 900, message
    assert "Traceback" not in text
    for word in words:
        assert word in text, f"{word!r} is not in: {text}"
    assert "delete" not in text, "a file that is refused may be the user's own"


def verify(call: Callable[[], Any], expected: Expected, folder: Path) -> None:
    """Check that a call does what is expected of it.

    Parameters
    ----------
    call
        Uses the input; an error that is no `NoisescaleError` fails the test as it is.
    expected
        What must become of the input.
    folder
        Where a refused input must leave everything as it was.
    """
    before = tree(folder)
    if isinstance(expected, Accepted):
        assert expected.fact(call())
        return
    try:
        result = call()
    except NoisescaleError as error:
        is_one_line(str(error), expected)
    else:
        raise AssertionError(f"accepted: {result}")
    assert tree(folder) == before, "a refused input must leave nothing behind"
