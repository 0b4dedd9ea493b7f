"""Exclusive locks: a second training of the same shard, on whichever machine, waits for the first.

A Snakemake that is killed may leave jobs running, here or on a cluster, and the next call starts
the same jobs again.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from noisescale.storage.files import not_writable

_LOGGER = logging.getLogger(__name__)


@contextmanager
def exclusive_lock(path: Path) -> Iterator[bool]:
    """Within the block, be the only process that works on a file.

    The lock is the file ``.<stem>.lock`` next to `path`. That file is never removed, since no
    process could do so safely; the system frees the lock when the process ends, however it ends.

    Parameters
    ----------
    path
        The file to work on; missing folders are created.

    Yields
    ------
    bool
        True while the lock is held; False where the file system has no locks, so that another
        process may be working on the file as well.

    Raises
    ------
    RecordError
        The folder cannot be written to.
    """
    path = Path(path)
    lock_path = path.with_name(f".{path.stem}.lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock_path.touch()
    except OSError as error:
        raise not_writable(lock_path, error) from error
    # Without the fallback: a lock that is a mere marker file would outlive a killed process.
    lock = FileLock(lock_path, fallback_to_soft=False)
    locked = _acquire(lock, path)
    try:
        yield locked
    finally:
        lock.release()


def _acquire(lock: FileLock, path: Path) -> bool:
    """Wait for a lock; return whether the file system has locks."""
    try:
        try:
            lock.acquire(blocking=False)
        except Timeout:
            _LOGGER.warning("%s: another process is working on it; waiting until it ends", path)
            lock.acquire(poll_interval=0.5)
    except (OSError, NotImplementedError) as error:
        _LOGGER.warning("%s: the file system has no locks (%s); continuing without", path, error)
        return False
    return True
