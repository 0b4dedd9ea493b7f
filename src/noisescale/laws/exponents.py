"""The exponent of B_opt along one experiment, with the line that is drawn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from noisescale.laws.peaks import Peaks
from noisescale.laws.power_law import SCALES, fit_power_law
from noisescale.statistics.bootstrap import percentiles
from noisescale.study.model import Statistics, Study

THEORY = 1.0


MIN_POINTS = 3
"""A line through two points says nothing about whether there is a line."""


LINE_POINTS = 21


def fit_exponent(
    x: np.ndarray, peaks: pd.DataFrame, draws: np.ndarray, statistics: Statistics
) -> dict[str, Any]:
    """Return the exponent of B_opt on `x`, from one experiment's curves.

    Parameters
    ----------
    x : ndarray of shape (n_curves,)
    peaks
        Rows of `Peaks.table`.
    draws : ndarray of shape (n_resamples, n_curves)
        Columns of `Peaks.draws`.

    Returns
    -------
    dict
        See `fit_scaling_laws`.
    """
    censored = peaks["censored"].to_numpy(dtype=bool)
    left_out = [
        {"x": v, "reason": r, "side": int(s)}
        for v, r, s in zip(
            x[censored], peaks["reason"][censored], peaks["side"][censored], strict=True
        )
    ]
    result: dict[str, Any] = {
        "theory": THEORY,
        "n_points": int((~censored).sum()),
        "n_censored": int(censored.sum()),
        "n_bounds": int((peaks["side"] != 0).sum()),
        "censored": left_out,
        "n_seeds": int(peaks["n_seeds"].min()),
        "note": "",
    }
    names = ["slope", "low", "high", "prefactor", "r_squared", "fit_low", "fit_high"]
    result |= dict.fromkeys([*names, "slope_argmax", "theory_inside", "line"])
    if len(np.unique(x[~censored])) < MIN_POINTS:
        result["note"] = (
            f"no estimate: {(~censored).sum()} of {len(x)} curves have a usable peak, "
            f"at least {MIN_POINTS} are needed"
        )
        return result

    law = fit_power_law({"slope": x}, peaks, draws, statistics)
    slope, prefactor = law.exponents["slope"], law.prefactor
    at = np.geomspace(x[~censored].min(), x[~censored].max(), LINE_POINTS)
    lines = np.exp(law.coefficients @ np.array([np.ones_like(at), np.log(at)]))
    line_low, line_high = percentiles(lines[1:], statistics.confidence)
    seen = peaks[~censored].assign(batch_opt=lambda table: table["batch_argmax"].astype(float))
    argmax = fit_power_law({"slope": x[~censored]}, seen, draws[:0, ~censored], statistics)
    return result | {
        "slope": slope.value,
        "low": slope.low,
        "high": slope.high,
        "prefactor": prefactor,
        "r_squared": law.r_squared,
        "fit_low": slope.fit_low,
        "fit_high": slope.fit_high,
        "slope_argmax": argmax.exponents["slope"].value,
        "theory_inside": bool(slope.low <= THEORY <= slope.high),
        "line": {
            "x": at.tolist(),
            "batch_opt": lines[0].tolist(),
            "low": line_low.tolist(),
            "high": line_high.tolist(),
        },
    }


def _exponents(study: Study, peaks: Peaks) -> dict[str, Any]:
    result = {}
    for experiment, (variable, scale) in SCALES.items():
        chosen = peaks.table[peaks.table["experiment"] == experiment]
        for variant, curves in chosen.groupby("variant") if len(chosen) else ():
            x = scale(curves).to_numpy(dtype=float)
            fit = fit_exponent(x, curves, peaks.draws[:, curves.index], study.statistics)
            name = f"{experiment} ({variant})" if variant else experiment
            head = {"experiment": experiment, "variant": variant, "variable": variable}
            result[name] = head | fit
    return result
