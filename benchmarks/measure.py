"""Verify contenders, then time them in turns; the result is the median of the rounds."""

from __future__ import annotations

import itertools
import time
from dataclasses import replace

import numpy as np
import pandas as pd

from benchmarks.case import Case
from benchmarks.peers import Contender, reference
from benchmarks.roofline import Limits

CHECKED_UPDATES = 8
UPDATES_OF_A_RUN = 10_000


def compare(
    cases: list[Case],
    contenders: list[type[Contender]],
    limits: Limits,
    device: str,
    rounds: int,
    seconds: float,
) -> list[dict]:
    """Return a row for each contender and case; the cases differ only in the size of their stacks.

    Contenders that train one network at a time are timed once, with one network, for all cases.

    Raises
    ------
    AssertionError
        A contender does not make the updates of the reference.
    """
    entries: dict[tuple, tuple[Contender, int, list[float]]] = {}
    own = {}
    for contender, case in itertools.product(contenders, cases):
        mine = own[contender, case] = case if contender.stacks else replace(case, stack=1)
        if (contender, mine) not in entries:
            training = contender(mine, device)
            check(training, mine)
            entries[contender, mine] = training, calibrate(training, seconds), []
    for _ in range(rounds):
        for training, n, times in entries.values():
            times.append(timed(training, n) / n)
    rows = []
    for case, contender in itertools.product(cases, contenders):
        mine = own[contender, case]
        times = entries[contender, mine][2]
        median = float(np.median(times))
        rows.append(
            {
                "model": case.model,
                "train_size": case.train_size,
                "batch_size": case.batch_size,
                "momentum": case.momentum,
                "stack": case.stack,
                "contender": contender.name,
                "seconds_per_update": median,
                "seconds_low": min(times),
                "seconds_high": max(times),
                "updates_per_second": mine.stack / median,
                "runs_per_hour": 3600 * mine.stack / median / UPDATES_OF_A_RUN,
                "of_limit": limits.seconds(mine) / median,
            }
        )
    return rows


def calibrate(training: Contender, seconds: float) -> int:
    """Return the number of updates that take about ``seconds``, after a warm-up."""
    if training.warm_updates:
        timed(training, training.warm_updates)
    n, taken = CHECKED_UPDATES, 0.0
    while taken < seconds / 2:
        if taken:
            n = max(n + 1, min(64 * n, round(n * seconds / taken)))
        timed(training, n)
        taken = timed(training, n)
    return n


def check(training: Contender, case: Case) -> None:
    """Raise an AssertionError unless a contender's first updates equal those of the reference."""
    training.prepare(CHECKED_UPDATES)
    training.advance(CHECKED_UPDATES)
    expected = reference(case, CHECKED_UPDATES)
    for i, (ours, theirs) in enumerate(zip(training.weights(), expected, strict=True)):
        moved = np.linalg.norm(theirs - case.initial(0)[i])
        error = np.linalg.norm(ours - theirs) / moved
        assert error < 1e-3, f"{training.name}: layer {i} is off by {error:.1e} of its change"


def timed(training: Contender, updates: int) -> float:
    """Return the seconds that ``updates`` updates take."""
    training.prepare(updates)
    started = time.perf_counter()
    training.advance(updates)
    return time.perf_counter() - started


def ratios(table: pd.DataFrame) -> pd.DataFrame:
    """Return the speed of our engine relative to each peer, with a row for each case.

    Speed is the number of updates per second, summed over the networks.
    """
    case = ["model", "train_size", "momentum", "stack", "batch_size"]
    rates = table.pivot(index=case, columns="contender", values="updates_per_second")
    return rates[["ours"]].to_numpy() / rates.drop(columns="ours")
