"""One process at a time, on whichever machine: a second training of a shard waits for the first.

A Snakemake that is killed outright may leave jobs running, here or on a cluster, and the next call
starts them again, beside the old ones.
"""

from __future__ import annotations

import fcntl
import hashlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from noisescale.storage.files import not_writable


@contextmanager
def exclusive_lock(path: Path) -> Iterator[bool]:
    """Within the block, be the only process that works on a file.

    The lock is one byte of the file ``.lock`` beside `path`: that file is never removed, which
    nobody could do safely, and the system frees the byte when the process ends, however it does.
    Gives False where the file system has no locks: then others may be at work, too.

    Raises
    ------
    RecordError
        The folder cannot be written to.
    """
    path = Path(path)
    lock = path.with_name(".lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = open(lock, "ab")  # noqa: SIM115
    except OSError as error:
        raise not_writable(lock, error) from error
    with file:
        yield _lock(file, path)


def _lock(file: BinaryIO, path: Path) -> bool:
    byte = int.from_bytes(hashlib.blake2b(path.name.encode(), digest_size=4).digest())
    try:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, byte)
        except (BlockingIOError, PermissionError):  # POSIX leaves open which of them
            print(f"{path}: another process is at work on it; waiting for its end", file=sys.stderr)
            fcntl.lockf(file, fcntl.LOCK_EX, 1, byte)
    except OSError as error:
        print(f"{path}: no locks here ({error.strerror}); going on", file=sys.stderr)
        return False
    return True
