"""Which process works on a study, so that a second one is refused, and a dead one's locks removed.

Snakemake's lock is a file: it outlives a Snakemake that is killed outright; and a call that ends
removes those of all others in its folder. So the process that works on a study leaves its name in
the folder of the study's results.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from pathlib import Path

from noisescale.errors import RecordError
from noisescale.storage.files import write_text

_FILE_NAME = ".owner"


def acquire(results: Path) -> None:
    """Leave this process's name in a study's folder.

    Raises
    ------
    RecordError
        Another process of this machine works there, or the folder cannot be written to.
    """
    owner = _owner(results)
    if _is_alive(owner) and owner != _this_process():
        raise RecordError(_message(results, owner))
    write_text(results / _FILE_NAME, json.dumps(_this_process()))


def release(results: Path) -> None:
    """Take this process's name away: it has done its work."""
    if _owner(results) == _this_process():
        (results / _FILE_NAME).unlink(missing_ok=True)


def remove_stale_locks(results: Path, locks: Path) -> bool:
    """Remove Snakemake's locks of a study, left by a process that is no more; return whether.

    Those of a process on another machine, which may be alive, stay.

    Parameters
    ----------
    results
        The study's folder, as Snakemake names it.
    locks
        The folder of Snakemake's locks.
    """
    owner = _owner(results)
    if owner is None or owner["place"] != _host() or _is_alive(owner):
        return False
    left = _snakemake_locks(results, locks)
    for lock in left:
        lock.unlink(missing_ok=True)
    if left:
        print("noisescale: an earlier call was killed; going on from there", file=sys.stderr)
    return bool(left)


def active_owner(results: Path, locks: Path) -> str | None:
    """Say who works on a study, if anybody does; to be asked after `remove_stale_locks`."""
    owner = _owner(results)
    if _is_alive(owner) or _snakemake_locks(results, locks):
        return _message(results, owner)
    return None


def _message(results: Path, owner: dict | None) -> str:
    host, process = "an unknown machine", "of unknown id"
    if owner is not None:
        host, process = owner["place"][0], owner["process"][1]
    text = (
        f"{results.resolve()}: another call, process {process} on {host}, works here; "
        "wait until it has ended, or end it, and call again"
    )
    if owner is None or owner["place"] != _host():
        text += "; if that machine is gone: snakemake --unlock"
    return text


def _owner(results: Path) -> dict | None:
    """Return who has signed; None if nobody has, or it cannot be read."""
    try:
        owner = json.loads((results / _FILE_NAME).read_text())
        host, (_, number, _) = owner["place"][0], owner["process"]
        return owner if isinstance(host, str) and isinstance(number, int) else None
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return None


def _this_process() -> dict:
    return {"place": _host(), "process": _process()}


def _is_alive(owner: dict | None) -> bool:
    """Tell whether an owner is a living process of this machine."""
    if owner is None or owner["place"] != _host():
        return False
    return owner["process"] == _process(owner["process"][1])


def _snakemake_locks(results: Path, locks: Path) -> list[Path]:
    """Return the files of Snakemake's locks that name a file of a study."""

    def names(lock: Path) -> bool:
        try:
            lines = lock.read_text().splitlines()
        except OSError:
            return False  # removed meanwhile
        return any(line.startswith(f"{results}/") for line in lines)

    return [lock for lock in sorted(locks.glob("*.lock")) if names(lock)]


def _host() -> list[str]:
    """Return the machine, and the container on it: where process ids mean the same."""
    try:
        return [socket.gethostname(), str(Path("/proc/self/ns/pid").readlink())]
    except OSError:
        return [socket.gethostname()]


def _process(pid: int | None = None) -> list[str | int]:
    """Return what names a living process for good: boot, id, start (in ticks since the boot).

    None changes with the clock. The id is 0 for one that is no more; without ``/proc``, it is all.
    """
    pid = os.getpid() if pid is None else pid
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        # The second field is the command in parentheses, which may hold anything.
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
