"""Predict the optimum batch size of every curve from the other curves."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from noisescale.laws.joint import SPARE_CURVES, joint_curves, swept_variables
from noisescale.laws.peaks import Peaks
from noisescale.laws.power_law import SCALES, PowerLaw, fit_power_law, regressors
from noisescale.study.grid import noise_scale
from noisescale.study.model import Statistics


def predict_left_out(peaks: Peaks, statistics: Statistics) -> dict[str, Any] | None:
    """Predict every curve's peak from the others.

    Two laws are fitted to all curves but one: with free exponents, and the theory's, exponents 1
    and the exact formula, of which only g is fitted. What they predict for the curve left out is
    compared with what training it shows.

    Returns
    -------
    dict or None
        ``curves``: for each with a peak its ``learning_rate``, ``train_size``, ``momentum``,
        ``batch_opt``, ``low``, ``high``, and of the free law ``predicted``, ``predicted_low``,
        ``predicted_high`` (scatter about the law, and seeds), ``inside``: whether the peak is
        within; ``theory``: what one noise scale predicts. ``error``, ``theory_error``: root mean
        square errors in octaves. ``inside``: share of the curves. None with too few curves.
    """
    curves = joint_curves(peaks)
    variables = swept_variables(curves) if len(curves) else {}
    usable = curves.index[~curves["censored"]] if len(curves) else []
    rows = []
    for left_out in usable:
        others = curves.drop(index=left_out)
        there = swept_variables(others)
        if there.keys() != variables.keys() or len(usable) - 1 <= len(variables) + SPARE_CURVES:
            continue  # without it, an exponent could not be had
        law = fit_power_law(there, others, peaks.draws[:, others.index], statistics)
        rows.append(_predicted(curves.loc[[left_out]], others, law, statistics))
    if not rows:
        return None
    table = pd.DataFrame(rows)

    def error(column: str) -> float:
        return float(np.sqrt((np.log2(table[column] / table["batch_opt"]) ** 2).mean()))

    return {
        "curves": rows,
        "error": error("predicted"),
        "theory_error": error("theory"),
        "inside": float(table["inside"].mean()),
    }


def _predicted(
    one: pd.DataFrame, others: pd.DataFrame, law: PowerLaw, statistics: Statistics
) -> dict[str, Any]:
    from scipy.special import stdtrit

    x = regressors({name: SCALES[name][1](one) for name in law.exponents}, 1)[0]
    log_b = law.coefficients @ x
    curve, usable = one.iloc[0], others[~others["censored"]]
    log_g = np.log(
        noise_scale(
            usable["learning_rate"], usable["train_size"], usable["batch_opt"], usable["momentum"]
        )
    )
    g = np.exp(log_g.mean())
    theory = (
        curve["learning_rate"]
        * curve["train_size"]
        / (g * (1 - curve["momentum"]) + curve["learning_rate"])
    )
    # The law's own uncertainty, and the scatter of single curves about it.
    t = stdtrit(max(law.freedom, 1), (1 + statistics.confidence) / 2)
    half = t * np.hypot(law.sigma, log_b[1:].std(ddof=1))
    low, high = np.exp(log_b[0] - half), np.exp(log_b[0] + half)
    return {
        "learning_rate": float(curve["learning_rate"]),
        "train_size": int(curve["train_size"]),
        "momentum": float(curve["momentum"]),
        "batch_opt": float(curve["batch_opt"]),
        "low": float(curve["batch_opt_low"]),
        "high": float(curve["batch_opt_high"]),
        "predicted": float(np.exp(log_b[0])),
        "predicted_low": float(low),
        "predicted_high": float(high),
        "inside": bool(low <= curve["batch_opt"] <= high),
        "theory": float(theory),
    }
