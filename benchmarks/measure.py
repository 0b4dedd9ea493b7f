"""Time contenders side by side: checked first, then in turns, the median of the rounds."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pandas as pd

from benchmarks.case import Case
from benchmarks.contenders import Contender, reference
from benchmarks.limits import Limits

CHECKED_UPDATES = 5
UPDATES_OF_A_RUN = 10_000


def compare(
    case: Case,
    contenders: list[type[Contender]],
    limits: Limits,
    device: str,
    rounds: int,
    seconds: float,
) -> list[dict]:
    """Return a row for each contender.

    Those that train one network at a time are timed with one, whatever the case's stack.

    Raises
    ------
    AssertionError
        A contender does not make the updates of the reference.
    """
    entries = []
    for contender in contenders:
        own = case if contender.stacks else replace(case, stack=1)
        training = contender(own, device)
        check(training, own)
        n, taken = 8, 0.0
        while taken < seconds / 2:  # also warms up: caches, compilers, graphs
            if taken:
                n = max(n + 1, min(64 * n, round(n * seconds / taken)))
            timed(training, n)
            taken = timed(training, n)
        entries.append((contender, own, training, n, []))
    for _ in range(rounds):
        for _, _, training, n, times in entries:
            times.append(timed(training, n) / n)
    return [
        {
            "model": case.model,
            "train_size": case.train_size,
            "batch_size": case.batch_size,
            "momentum": case.momentum,
            "stack": case.stack,
            "contender": contender.name,
            "seconds_per_update": float(np.median(times)),
            "seconds_low": min(times),
            "seconds_high": max(times),
            "updates_per_second": own.stack / float(np.median(times)),
            "runs_per_hour": 3600 * own.stack / float(np.median(times)) / UPDATES_OF_A_RUN,
            "of_limit": limits.seconds(own) / float(np.median(times)),
        }
        for contender, own, _, _, times in entries
    ]


def check(training: Contender, case: Case) -> None:
    """Raise an AssertionError unless a contender's first updates are those of the reference."""
    training.prepare(CHECKED_UPDATES)
    training.advance(CHECKED_UPDATES)
    expected = reference(case, CHECKED_UPDATES)
    for i, (ours, theirs) in enumerate(zip(training.weights(), expected, strict=True)):
        moved = np.linalg.norm(theirs - case.initial(0)[i])
        error = np.linalg.norm(ours - theirs) / moved
        assert error < 1e-3, f"{training.name}: layer {i} is off by {error:.1e} of its change"


def timed(training: Contender, updates: int) -> float:
    """Return the seconds that some updates take."""
    training.prepare(updates)
    started = time.perf_counter()
    training.advance(updates)
    return time.perf_counter() - started


def ratios(table: pd.DataFrame) -> pd.DataFrame:
    """Return how many times ours is as fast as each peer, with a row for each case.

    By updates of all networks together per second.
    """
    case = ["model", "train_size", "momentum", "stack", "batch_size"]
    rates = table.pivot(index=case, columns="contender", values="updates_per_second")
    return rates[["ours"]].to_numpy() / rates.drop(columns="ours")
