"""Which process works in a folder, so that what a killed one has locked is known to be free.

Snakemake's lock is a file: it outlives a Snakemake that is killed outright. The process that
has it leaves its name here; once it is no more, the next call removes the lock and goes on.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import sys
from pathlib import Path

from noisescale.records import write_text

_NAME = "noisescale.owner"


def sign(state: Path) -> None:
    """Leave this process's name in Snakemake's folder, whose lock it has."""
    write_text(Path(state) / _NAME, json.dumps({"place": _place(), "process": _process()}))


def release_of_the_dead(state: Path) -> bool:
    """Remove Snakemake's locks if they were left by a process that is no more; return whether.

    Those of a process on another machine, which may be alive, stay.
    """
    file, locks = Path(state) / _NAME, Path(state) / "locks"
    try:
        owner = json.loads(file.read_text())
        if owner["place"] != _place() or owner["process"] == _process(owner["process"][1]):
            return False
        # Of several calls at once, one succeeds in this, and the others have nothing to remove.
        claimed = file.with_name(f"{_NAME}.{os.getpid()}")
        file.rename(claimed)
        claimed.unlink()
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return False
    if not _any(locks):
        return False
    shutil.rmtree(locks, ignore_errors=True)
    print("noisescale: an earlier call was killed; going on from there", file=sys.stderr)
    return True


def of_the_living(state: Path) -> str | None:
    """Say whose the locks are that `release_of_the_dead` has left, if there are any."""
    if not _any(Path(state) / "locks"):
        return None
    try:
        owner = json.loads((Path(state) / _NAME).read_text())
        host, process = owner["place"][0], owner["process"][1]
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        host, process = "an unknown machine", "of unknown id"
    return (
        f"noisescale: {Path(state).resolve().parent}: another call, process {process} on {host}, "
        "works here; wait until it has ended, or end it, and call again"
    )


def _any(locks: Path) -> bool:
    return locks.is_dir() and any(locks.iterdir())


def _place() -> list[str]:
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
