"""One process at a time: a second training of a shard waits for the first, and finds its work.

A Snakemake that is killed may leave a job behind, which goes on while the next call starts the
same one.
"""

from __future__ import annotations

import fcntl
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from noisescale.records import unwritable


@contextmanager
def alone(path: Path) -> Iterator[bool]:
    """Within the block, be the only process that works on a file.

    The lock is the system's: it ends with the process, however that ends. Gives False where the
    file system has no locks: then others may be at work, too.

    Raises
    ------
    RecordError
        The folder cannot be written to.
    """
    lock = Path(f"{path}.lock")
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        handle = _locked(lock)
    except OSError as error:
        raise unwritable(lock, error) from error
    try:
        yield handle is not None
    finally:
        lock.unlink(missing_ok=True)
        if handle is not None:
            os.close(handle)


def _locked(lock: Path) -> int | None:
    """Return the open file that is locked, once it is; None where there are no locks."""
    while True:
        handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                print(f"{lock}: another process is at work; waiting for it", file=sys.stderr)
                fcntl.flock(handle, fcntl.LOCK_EX)
        except OSError as error:
            print(f"{lock}: no locks here ({error.strerror}); going on", file=sys.stderr)
            os.close(handle)
            return None
        # The process before has deleted the file that it had locked: then this lock is of none.
        try:
            if os.path.samestat(os.fstat(handle), lock.stat()):
                return handle
        except FileNotFoundError:
            pass
        os.close(handle)
