"""All cores of a machine at once, a study and scripts: ``python -m benchmarks.multicore --help``.

A study trains networks on every core, each with one thread. A script trains a network with all
cores, as torch does unless it is told otherwise; whoever has many to train may start one for each.
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

from noisescale.environment import settle_environment

settle_environment()

import numpy as np
import pandas as pd

from benchmarks import peers
from benchmarks.case import Case
from benchmarks.measure import check
from benchmarks.rendering import made, rows
from noisescale.cost.estimate import stack_size
from noisescale.training.torch_settings import prepare_torch

BATCH_SIZES = [1, 4, 16, 32, 64, 256, 1000]
PEERS = (peers.Usual, peers.Indexed)


class Team:
    """Processes that train the same at the same time.

    Parameters
    ----------
    contender
        What each of them runs.
    case
        What it trains.
    processes, threads
        How many, and how many each.
    seconds
        Of a timing, about.

    Raises
    ------
    RuntimeError
        A process has ended, with an error of its own.
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
        # One number for all: none is to train alone at the end.
        self._updates = 1
        try:
            while max(taken := self._ask()) < seconds / 2:
                more = self._updates * seconds / max(taken)
                self._updates = max(self._updates + 1, min(64 * self._updates, round(more)))
                self._ask()
        except RuntimeError:
            self.close()
            raise
        self._made = processes * case.stack * self._updates

    def rate(self) -> float:
        """Return how many updates of networks they make in a second, together."""
        return self._made / max(self._ask())

    def close(self) -> None:
        """End the processes."""
        for pipe in self._pipes:
            pipe.close()
        for process in self._processes:
            process.terminate()
            process.join()

    def _ask(self) -> list[float]:
        """Return the seconds that each takes for some updates."""
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
            raise RuntimeError(f"{self._name}: a process has ended, see above") from None


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
        pass  # it is over
    except BaseException:
        ready.abort()
        raise


def compare(case: Case, cores: int, rounds: int, seconds: float) -> dict[str, str]:
    """Return a row of the table: medians of rounds in turns."""
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
    """Measure; print a table as Markdown, and on demand write it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.multicore", description=__doc__)
    parser.add_argument("--models", nargs="+", default=["784-800-10", "64-100-10"])
    parser.add_argument("--train-sizes", nargs="+", type=int, default=[1000])
    parser.add_argument("--batch-sizes", nargs="+", type=int, default=BATCH_SIZES)
    parser.add_argument("--momenta", nargs="+", type=float, default=[0.0, 0.9])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.5, help="of each timing, about")
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
    said = " ".join(sys.argv[1:] if arguments is None else arguments)
    text = page(found, cores, options.rounds, f"python -m benchmarks.multicore {said}".strip())
    print(text)
    if options.markdown:
        options.markdown.write_text(f"{text}\n")


def page(found: list[dict[str, str]], cores: int, rounds: int, command: str) -> str:
    """Return the table, with what, where and when."""
    return "\n".join(
        [
            "# A study beside scripts, on all cores",
            "",
            made(command, f"{cores} cores"),
            "",
            f"Medians of {rounds} rounds in turns. *Updates per second*: of all networks of a "
            f"study together, which trains on each core. *×*: how many times those of a script "
            f"that trains one network with {cores} threads, and of {cores} scripts with one each, "
            "at the same time. [What they are, and how they are timed](README.md).",
            "",
            *rows(pd.DataFrame(found)),
        ]
    )


if __name__ == "__main__":
    main()
