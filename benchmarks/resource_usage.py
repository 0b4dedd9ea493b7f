"""Measure wall-clock time, CPU time and peak memory of a command.

The command is started by this file as a small separate process: a child process starts with its
parent's memory, which would count in its peak.
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
    """Wall-clock and CPU seconds, peak memory in MB, and output of a command."""

    wall: float
    cpu: float
    megabytes: float
    output: str

    @property
    def seconds(self) -> str:
        """Wall-clock time, and CPU time in parentheses."""
        return f"{self.wall:.1f} ({self.cpu:.1f})"


def usage(*command: str, rounds: int = 1) -> Usage:
    """Run a command of this Python several times; return the minimum of each quantity.

    Raises
    ------
    RuntimeError
        The command fails.
    """
    # Python caches compiled modules, as it does by default.
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
        output, _, last = done.stdout.rstrip().rpartition("\n")
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}\n{done.stdout}")
        found.append(json.loads(last))
    # Other processes of the machine can only add to these.
    least = {name: min(one[name] for one in found) for name in found[0]}
    return Usage(**least, output=output)


def main() -> int:
    """Run a command and print its usage as JSON."""
    started = time.perf_counter()
    status = subprocess.run(sys.argv[1:], check=False).returncode
    wall = time.perf_counter() - started
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = used.ru_utime + used.ru_stime
    print(json.dumps({"wall": wall, "cpu": cpu, "megabytes": used.ru_maxrss / 1024}))
    return status


if __name__ == "__main__":
    sys.exit(main())
