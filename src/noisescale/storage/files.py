"""Atomic writes: a file is written completely or not at all."""

from __future__ import annotations

import contextlib
import errno
import glob
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from noisescale.errors import RecordError


@contextlib.contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Provide a temporary path next to `path`, and rename it to `path` when the block succeeds.

    Parameters
    ----------
    path
        The file to write; missing folders are created.

    Yields
    ------
    Path
        An empty file in the same folder, with the permissions of any other new file.

    Raises
    ------
    RecordError
        The folder or the file cannot be written to.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:
        raise not_writable(path, error) from error
    os.close(handle)
    # mkstemp creates a file that only its owner may read; give it the usual permissions.
    umask = os.umask(0)
    os.umask(umask)
    os.chmod(name, 0o666 & ~umask)
    try:
        yield Path(name)
        # The content must be on disk before the file is renamed: otherwise a power failure may keep
        # the name and lose the content.
        _sync(Path(name))
        os.replace(name, path)
        _sync(path.parent)
    except OSError as error:
        raise not_writable(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            Path(name).unlink(missing_ok=True)


def not_writable(path: Path, error: OSError) -> RecordError:
    """Return the error for a file that cannot be written, with its cause and the remedy."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    remedy = "make room" if full else "make the folder writable or choose another with --directory"
    return RecordError(
        f"{path}: cannot be written ({error.strerror or error}); {remedy}, and run the workflow "
        "again"
    )


def _sync(path: Path) -> None:
    """Flush a file, or the names in a folder, to disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove_partial_writes(path: Path) -> None:
    """Delete temporary files of `path` that killed processes have left.

    No other process may be writing it, see `noisescale.storage.locks`.
    """
    path = Path(path)
    for leftover in path.parent.glob(f".{glob.escape(path.name)}.*"):
        leftover.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically; errors as `atomic_write`."""
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def read_bytes(path: Path) -> bytes:
    """Return the contents of a result file.

    Raises
    ------
    RecordError
        It cannot be read.
    """
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise RecordError(
            f"{path}: cannot be read ({error.strerror}); run the workflow to create it"
        ) from error
