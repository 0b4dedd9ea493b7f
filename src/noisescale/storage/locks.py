"""Exclusive locks, with which a second training of a shard waits for the first, on any machine.

When Snakemake is killed, its jobs may continue, here or on a cluster, and the next workflow run
starts the same jobs again.
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
    """Hold the exclusive lock on a file within the block.

    The lock is the file ``.<stem>.lock`` next to `path`. It is never removed, because that
    would cause a race; the operating system releases the lock when the process ends.

    Parameters
    ----------
    path
        The file to lock; missing folders are created.

    Yields
    ------
    bool
        True if the lock is held; False if the file system does not support locks, so that another
        process may be using the file.

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
    # Without the fallback: a soft lock is a file that remains when its process is killed.
    lock = FileLock(lock_path, fallback_to_soft=False)
    locked = _acquire(lock, path)
    try:
        yield locked
    finally:
        lock.release()


def _acquire(lock: FileLock, path: Path) -> bool:
    """Wait for a lock; return whether the file system supports locks."""
    try:
        try:
            lock.acquire(blocking=False)
        except Timeout:
            _LOGGER.warning("%s: locked by another process; waiting", path)
            lock.acquire(poll_interval=0.5)
    except (OSError, NotImplementedError) as error:
        _LOGGER.warning(
            "%s: the file system does not support locks (%s); continuing without", path, error
        )
        return False
    return True
