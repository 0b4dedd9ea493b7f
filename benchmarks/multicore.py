"""Compare a study with scripts on all cores: ``python -m benchmarks.multicore --help``.

A study trains networks on every core, each with one thread. A script trains one network with all
cores, which is the default of torch; to train many networks, one may start a script on each core.
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import os
import sys
import time
from contextlib import ExitStack
from dataclasses import replace
from multiprocessing.connection import Connection, wait
from multiprocessing.synchronize import Barrier
from pathlib import Path
from threading import BrokenBarrierError

import numpy as np
import pandas as pd

from benchmarks import peers
from benchmarks.case import Case
from benchmarks.measure import check
from benchmarks.rendering import provenance_line, rows
from noisescale.cost.estimate import stack_size
from noisescale.training.torch_settings import prepare_torch

BATCH_SIZES = [1, 4, 16, 32, 64, 256, 1000]
PEERS = (peers.Usual, peers.Indexed)


class Team:
    """Processes that train the same case at the same time.

    Parameters
    ----------
    contender
        What each process runs.
    case
        What each process trains.
    processes, threads
        Number of processes, and of threads in each.
    seconds
        Approximate time of a measurement.

    Raises
    ------
    RuntimeError
        A process ended; its own error is on stderr.
    """

    def __init__(
        self,
        contender: type[peers.Contender],
        case: Case,
        processes: int,
        threads: int,
        seconds: float,
    ) -> None:
        spawn = multiprocessing.get_context("spawn")
        ready = spawn.Barrier(processes)
        self._name = f"{contender.name}: {case}"
        self._pipes, self._processes = [], []
        for _ in range(processes):
            here, there = spawn.Pipe()
            process = spawn.Process(
                target=_member, args=(there, ready, contender, case, threads), daemon=True
            )
            process.start()
            there.close()
            self._pipes.append(here)
            self._processes.append(process)
        # The same number for all, so that no process trains while the others are idle.
        self._updates = 1
        try:
            while max(taken := self._ask()) < seconds / 2:
                more = self._updates * seconds / max(taken)
                self._updates = max(self._updates + 1, min(64 * self._updates, round(more)))
                self._ask()
        except RuntimeError:
            self.close()
            raise
        self._total_updates = processes * case.stack * self._updates

    def rate(self) -> float:
        """Return the updates per second, summed over all networks and processes."""
        return self._total_updates / max(self._ask())

    def close(self) -> None:
        """End the processes."""
        for pipe in self._pipes:
            pipe.close()
        for process in self._processes:
            process.terminate()
            process.join()

    def _ask(self) -> list[float]:
        """Return the seconds that each process takes for the current number of updates."""
        try:
            for pipe in self._pipes:
                pipe.send(self._updates)
            left, ended = list(self._pipes), [process.sentinel for process in self._processes]
            while left:
                ready = wait([*left, *ended])
                if any(sentinel in ready for sentinel in ended):
                    raise EOFError
                left = [pipe for pipe in left if pipe not in ready]
            return [pipe.recv() for pipe in self._pipes]
        except (EOFError, OSError):
            raise RuntimeError(f"{self._name}: a process ended; see its error above") from None


def _member(
    pipe: Connection,
    ready: Barrier,
    contender: type[peers.Contender],
    case: Case,
    threads: int,
) -> None:
    try:
        prepare_torch(threads)
        training = contender(case, "cpu")
        check(training, case)
        while True:
            updates = pipe.recv()
            training.prepare(updates)
            ready.wait()
            started = time.perf_counter()
            training.advance(updates)
            pipe.send(time.perf_counter() - started)
    except (EOFError, OSError, KeyboardInterrupt, BrokenBarrierError):
        pass  # the parent process has closed the team
    except BaseException:
        ready.abort()
        raise


def compare(case: Case, cores: int, rounds: int, seconds: float) -> dict[str, str]:
    """Return a row of the table, with medians of rounds in turns."""
    stacked = replace(case, stack=stack_size(case.runs[0], case.shape, "cpu", 0))
    arrangements = {"study": (peers.Ours, stacked, cores, 1)}
    for peer in PEERS:
        arrangements[f"{peer.name}, {cores} threads"] = peer, case, 1, cores
        arrangements[f"{peer.name}, one per core"] = peer, case, cores, 1
    with ExitStack() as stack:
        teams = {}
        for name, arrangement in arrangements.items():
            teams[name] = Team(*arrangement, seconds)
            stack.callback(teams[name].close)
        taken = [{name: team.rate() for name, team in teams.items()} for _ in range(rounds)]
    rates = {name: float(np.median([rate[name] for rate in taken])) for name in arrangements}
    ours = rates.pop("study")
    return {
        "model": case.model,
        "train size": f"{case.train_size}",
        "momentum": f"{case.momentum}",
        "batch size": f"{case.batch_size}",
        "updates per second": f"{ours:,.0f}",
        **{f"× {name}": f"{ours / rate:.2f}" for name, rate in rates.items()},
    }


def main(arguments: list[str] | None = None) -> None:
    """Measure; print a table as Markdown, and optionally write it to a file."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.multicore", description=__doc__)
    parser.add_argument("--models", nargs="+", default=["784-800-10", "64-100-10"])
    parser.add_argument("--train-sizes", nargs="+", type=int, default=[1000])
    parser.add_argument("--batch-sizes", nargs="+", type=int, default=BATCH_SIZES)
    parser.add_argument("--momenta", nargs="+", type=float, default=[0.0, 0.9])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--seconds", type=float, default=0.5, help="approximate time of each measurement"
    )
    parser.add_argument("--markdown", type=Path, help="also write the table to this file")
    options = parser.parse_args(arguments)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    found = []
    for case in itertools.starmap(
        Case,
        itertools.product(
            options.models, options.train_sizes, options.batch_sizes, options.momenta
        ),
    ):
        if case.batch_size <= case.train_size:
            found.append(compare(case, cores, options.rounds, options.seconds))
            print(found[-1], file=sys.stderr)
    command_line = " ".join(sys.argv[1:] if arguments is None else arguments)
    text = page(
        found, cores, options.rounds, f"python -m benchmarks.multicore {command_line}".strip()
    )
    print(text)
    if options.markdown:
        options.markdown.write_text(f"{text}\n")


def page(found: list[dict[str, str]], cores: int, rounds: int, command: str) -> str:
    """Return the page: the table with its command, date, machine and versions."""
    return "\n".join(
        [
            "# A study compared with scripts, on all cores",
            "",
            provenance_line(command, f"{cores} cores"),
            "",
            f"Medians of {rounds} rounds in turns. *Updates per second*: the sum over all networks "
            "of a study, which trains on every core. *×*: the ratio to those of one script that "
            f"trains a network with {cores} threads, and to the sum of {cores} scripts with one "
            "thread each. [What the scripts are, and how they are timed](README.md).",
            "",
            *rows(pd.DataFrame(found)),
        ]
    )


if __name__ == "__main__":
    main()
