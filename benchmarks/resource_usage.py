"""What a command takes: its time, that of the processors, its memory.

Run as a program of its own, too, which starts the command: a process begins with its parent's
memory, so that the parent must be small.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from dataclasses import dataclass


@dataclass(frozen=True)
class Usage:
    """Seconds on the clock, seconds of all processors, memory at most; and what it said."""

    wall: float
    cpu: float
    megabytes: float
    said: str

    @property
    def seconds(self) -> str:
        """Both times."""
        return f"{self.wall:.1f} ({self.cpu:.1f})"


def usage(*command: str, rounds: int = 1) -> Usage:
    """Return what a command of this Python took, at least, in some rounds.

    Raises
    ------
    RuntimeError
        The command fails.
    """
    # Compiled modules are kept, as they are where nobody says otherwise.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    found = []
    for _ in range(rounds):
        done = subprocess.run(
            [sys.executable, "-S", __file__, sys.executable, *command],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        said, _, last = done.stdout.rstrip().rpartition("\n")
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}\n{done.stdout}")
        found.append(json.loads(last))
    # What others do on the machine only adds.
    least = {name: min(one[name] for one in found) for name in found[0]}
    return Usage(**least, said=said)


def main() -> int:
    """Run a command, and print what it took."""
    started = time.perf_counter()
    status = subprocess.run(sys.argv[1:], check=False).returncode
    wall = time.perf_counter() - started
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = used.ru_utime + used.ru_stime
    print(json.dumps({"wall": wall, "cpu": cpu, "megabytes": used.ru_maxrss / 1024}))
    return status


if __name__ == "__main__":
    sys.exit(main())
