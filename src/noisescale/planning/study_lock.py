"""A lock on a study, which refuses a second workflow run and identifies stale Snakemake locks.

Snakemake's locks are files, which remain when Snakemake is killed; and when a workflow run ends, it
removes the locks of all workflow runs in its working directory. Therefore a workflow run records
its process, the owner, in the folder of the study's results.
"""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from typing import Any

from noisescale.errors import RecordError
from noisescale.storage.files import write_text

SNAKEMAKE_LOCKS = Path(".snakemake/locks")
"""The folder of Snakemake's locks, relative to the working directory."""
_FILE_NAME = ".owner"

Owner = dict[str, list[Any]]
"""``place``: host and namespace of process ids; ``process``: boot, id and start of the process."""


def acquire(results: Path) -> None:
    """Lock a study for this process, the owner.

    Parameters
    ----------
    results
        The folder of the study's results.

    Raises
    ------
    RecordError
        Another process on this machine is the owner, or the folder cannot be written to.
    """
    owner = _owner(results)
    if _is_alive(owner) and owner != _this_process():
        raise RecordError(_message(results, owner))
    write_text(results / _FILE_NAME, json.dumps(_this_process()))


def release(results: Path) -> None:
    """Release the lock, if this process is the owner."""
    if _owner(results) == _this_process():
        (results / _FILE_NAME).unlink(missing_ok=True)


def stale_locks(results: Path, locks: Path) -> list[Path]:
    """Return Snakemake's stale locks of a study: those of an owner that has exited.

    Nothing is removed. Locks of an owner on another machine, which may be running, are not stale.

    Parameters
    ----------
    results
        The folder of the study's results, as Snakemake names it.
    locks
        The folder of Snakemake's locks.
    """
    owner = _owner(results)
    if owner is None or owner["place"] != _host() or _is_alive(owner):
        return []
    return _snakemake_locks(results, locks)


def remove_stale_locks(results: Path, locks: Path) -> bool:
    """Remove Snakemake's stale locks; return whether there were any."""
    stale = stale_locks(results, locks)
    for lock in stale:
        lock.unlink(missing_ok=True)
    return bool(stale)


def active_owner(results: Path, locks: Path) -> str | None:
    """Return an error message that names the recorded owner; None if the study is not in use.

    Parameters
    ----------
    results, locks
        As of `stale_locks`.
    """
    owner = _owner(results)
    locked = _snakemake_locks(results, locks) and not stale_locks(results, locks)
    return _message(results, owner) if _is_alive(owner) or locked else None


def _message(results: Path, owner: Owner | None) -> str:
    process, host = "an unknown process", "an unknown machine"
    if owner is not None:
        process, host = f"process {owner['process'][1]}", owner["place"][0]
    text = (
        f"{results.resolve()}: the study is in use by {process} on {host}; wait for it to finish, "
        "or stop it"
    )
    if owner is None or owner["place"] != _host():
        text += "; if that machine is down, run snakemake --unlock"
    return text


def _owner(results: Path) -> Owner | None:
    """Return the recorded owner; None if there is none, or the record is damaged."""
    try:
        owner = json.loads((results / _FILE_NAME).read_text())
        host, (_, number, _) = owner["place"][0], owner["process"]
        return owner if isinstance(host, str) and isinstance(number, int) else None
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return None


def _this_process() -> Owner:
    return {"place": _host(), "process": _process()}


def _is_alive(owner: Owner | None) -> bool:
    """Return whether an owner is a running process of this machine."""
    if owner is None or owner["place"] != _host():
        return False
    return owner["process"] == _process(owner["process"][1])


def _snakemake_locks(results: Path, locks: Path) -> list[Path]:
    """Return Snakemake's locks on files of a study."""

    def names(lock: Path) -> bool:
        try:
            lines = lock.read_text().splitlines()
        except OSError:
            return False  # removed in the meantime
        return any(line.startswith(f"{results}/") for line in lines)

    return [lock for lock in sorted(locks.glob("*.lock")) if names(lock)]


def _host() -> list[str]:
    """Return the host and the namespace, within which process ids are unique."""
    try:
        return [socket.gethostname(), str(Path("/proc/self/ns/pid").readlink())]
    except OSError:
        return [socket.gethostname()]


def _process(pid: int | None = None) -> list[str | int]:
    """Return boot id, process id and start in ticks since the boot.

    Together they identify a process uniquely, and do not depend on the clock, which may be set. The
    process id is 0 for a process that has exited. Without ``/proc``, only the process id is known.
    """
    pid = os.getpid() if pid is None else pid
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        # The second field is the command in parentheses, which may contain anything.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ["", pid if _alive(pid) else 0, ""]
    return [boot, 0 if fields[0] == "Z" else pid, fields[19]]


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
