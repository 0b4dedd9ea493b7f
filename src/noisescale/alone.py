"""One process at a time, on whichever machine; the others wait.

A Snakemake that is killed outright leaves its jobs on a cluster running, and the next call submits
them again, beside the old ones.
"""

from __future__ import annotations

import fcntl
import hashlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from noisescale.errors import RecordError


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Within the block, no other process is in such a block for the same path.

    The lock is one byte of the file ``.lock`` beside `path`: that file is never removed, which no
    other could do safely, and the system frees the byte when the process ends, however it does.

    Raises
    ------
    RecordError
        The folder cannot be written to.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = open(path.with_name(".lock"), "ab")  # noqa: SIM115
    except OSError as error:
        raise RecordError(f"{path}: cannot be written ({error.strerror})") from error
    with file:
        _lock(file, path)
        yield


def _lock(file: BinaryIO, path: Path) -> None:
    byte = int.from_bytes(hashlib.blake2b(path.name.encode(), digest_size=4).digest())
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, byte)
    except (BlockingIOError, PermissionError):  # POSIX leaves open which of them
        print(f"{path}: another process is at work on it; waiting for its end", file=sys.stderr)
        fcntl.lockf(file, fcntl.LOCK_EX, 1, byte)
    except OSError as error:
        print(f"{path}: cannot be locked ({error.strerror}); going on without", file=sys.stderr)
