"""The exponent between neighbouring curves, and which condition of the law fails there."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pandas as pd

from noisescale.laws.joint import NEAR_DIVERGED, NEAR_FULL_BATCH, SMALL_TRAIN_SIZE, UNFINISHED
from noisescale.laws.peaks import Peaks
from noisescale.laws.power_law import SCALES
from noisescale.statistics.bootstrap import percentiles
from noisescale.study.model import Statistics


def fit_local_exponents(peaks: Peaks, statistics: Statistics) -> list[dict[str, Any]]:
    """Return the exponent between neighbouring curves, and what may bend the law there.

    Returns
    -------
    list of dict
        For each experiment and pair of neighbouring usable peaks: ``experiment``, ``variant``,
        ``start``, ``stop`` (of the experiment's axis), ``slope``, ``low``, ``high``; ``fit_local_exponents``:
        whether 1 is outside the interval; ``notes``: which of the law's conditions fail there.
    """
    result: list[dict[str, Any]] = []
    table = peaks.table
    for experiment, (_, scale) in SCALES.items() if len(table) else ():
        chosen = table[(table["experiment"] == experiment) & ~table["censored"].astype(bool)]
        for variant, rows in chosen.groupby("variant") if len(chosen) else ():
            order = rows.index[np.argsort(scale(rows))]
            for a, b in itertools.pairwise(order):
                pair = rows.loc[[a, b]]
                run = np.diff(np.log(scale(pair)))[0]
                batch = np.vstack([pair["batch_opt"], peaks.draws[:, [a, b]]])
                slopes = np.diff(np.log(batch), axis=1)[:, 0] / run
                low, high = percentiles(slopes[1:], statistics.confidence)
                result.append(
                    {
                        "experiment": experiment,
                        "variant": variant,
                        "start": float(pair["value"].iloc[0]),
                        "stop": float(pair["value"].iloc[1]),
                        "slope": float(slopes[0]),
                        "low": float(low),
                        "high": float(high),
                        "bends": bool(low > 1 or high < 1),
                        "notes": _failing_conditions(experiment, pair),
                    }
                )
    return result


def _failing_conditions(experiment: str, pair: pd.DataFrame) -> list[str]:
    """Return which conditions of the law fail at one of two curves, in words."""
    share = (pair["batch_opt"] / pair["train_size"]).max()
    notes = []
    if experiment == "train_size" and pair["train_size"].min() < SMALL_TRAIN_SIZE:
        notes.append(f"N below {SMALL_TRAIN_SIZE:,}")
    if share > NEAR_FULL_BATCH:
        notes.append(f"B_opt is {share:.0%} of N")
    for curve in pair.itertuples():
        if curve.batch_opt < NEAR_DIVERGED * curve.batch_diverged:
            notes.append(
                f"at {curve.value:g} near the limit of stability (B_opt {curve.batch_opt:.3g}, "
                f"runs diverge up to B = {curve.batch_diverged})"
            )
    if pair["train_accuracy"].min() < UNFINISHED:
        notes.append(f"training unfinished (accuracy {pair['train_accuracy'].min():.1%})")
    return notes
