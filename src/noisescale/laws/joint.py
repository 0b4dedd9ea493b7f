"""All curves together: one law in ε, N and 1/(1 − m), what it predicts, and where it bends."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from noisescale.laws.peaks import Peaks
from noisescale.laws.power_law import SCALES, fit_power_law
from noisescale.statistics.bootstrap import interval
from noisescale.study.grid import noise_scale
from noisescale.study.model import Statistics

EXPERIMENTS = ("batch_size", "learning_rate", "train_size", "momentum")
SYMBOLS = {"learning_rate": "alpha", "train_size": "beta", "momentum": "gamma"}
MIN_VALUES = 3
"""A variable with fewer values has no exponent."""
SPARE_CURVES = 2
"""So many usable curves more than coefficients are needed."""
NEAR_FULL_BATCH = 0.2
"""B_opt above this share of N: B ≪ N no longer holds."""
SMALL_TRAIN_SIZE = 20_000
"""The paper finds B_opt ∝ N from about this size on."""
NEAR_DIVERGED = 1.5
"""B_opt below so many times the largest B with a diverged run: the limit of stability is near."""
UNFINISHED = 0.99
"""Training accuracy at the peak below which a training counts as unfinished."""


def joint_curves(peaks: Peaks) -> pd.DataFrame:
    """Return the curves that one law may hold for: of one setting, the most frequent; each once."""
    table = peaks.table
    if table.empty:
        return table
    table = table[table["experiment"].isin(EXPERIMENTS)]
    table = table.drop_duplicates(["setting", "learning_rate", "train_size", "momentum"])
    if table.empty:
        return table
    return table[table["setting"] == table["setting"].mode()[0]]


def swept_variables(curves: pd.DataFrame) -> dict[str, np.ndarray]:
    """Return the variables whose usable curves have values enough."""
    usable = curves[~curves["censored"]]
    return {
        name: scale(curves).to_numpy(dtype=float)
        for name, (_, scale) in SCALES.items()
        if scale(usable).nunique() >= MIN_VALUES
    }


def fit_joint_law(peaks: Peaks, statistics: Statistics) -> dict[str, Any] | None:
    """Return log B_opt = a + α log ε + β log N + γ log 1/(1 − m), fitted to all curves.

    Returns
    -------
    dict or None
        ``setting``: what the curves share. ``exponents``: for each variable with three values or
        more, ``symbol``, ``slope``, ``low``, ``high`` (joint bootstrap over the seeds),
        ``fit_low``, ``fit_high`` (scatter about the law). ``r_squared``; ``scatter``: standard
        deviation about the law in octaves; ``n_points``, ``n_bounds``: curves with a peak, and
        with a bound only. ``noise_scale``, see `noise_scale_constancy`. None with too few curves.
    """
    curves = joint_curves(peaks)
    variables = swept_variables(curves) if len(curves) else {}
    usable = len(curves) and int((~curves["censored"]).sum())
    if not variables or usable < 1 + len(variables) + SPARE_CURVES:
        return None
    law = fit_power_law(variables, curves, peaks.draws[:, curves.index], statistics)
    return {
        "setting": curves["setting"].iloc[0],
        "exponents": {
            name: {
                "symbol": SYMBOLS[name],
                "slope": exponent.value,
                "low": exponent.low,
                "high": exponent.high,
                "fit_low": exponent.fit_low,
                "fit_high": exponent.fit_high,
            }
            for name, exponent in law.exponents.items()
        },
        "r_squared": law.r_squared,
        "scatter": law.sigma / np.log(2),
        "n_points": usable,
        "n_bounds": int((curves["side"] != 0).sum()),
        "noise_scale": noise_scale_constancy(curves, peaks.draws[:, curves.index], statistics),
    }


def noise_scale_constancy(
    curves: pd.DataFrame, draws: np.ndarray, statistics: Statistics
) -> dict[str, Any]:
    """Say whether the optimum noise scale is one number, by its exact formula.

    With g = ε (N/B − 1)/(1 − m) constant, B_opt = ε N / (g (1 − m) + ε), which for B ≪ N is the
    law with exponents 1.

    Returns
    -------
    dict
        ``noise_scale``, ``low``, ``high``: geometric mean of g at the peaks. ``spread``: its
        standard deviation in octaves. ``error``: how much of it the error of the single peaks
        explains, the root mean square of their standard errors in octaves. ``p``: of Cochran's
        test that g is the same for all curves, whose errors are taken for independent.
        ``finite_n``: by how much at most B_opt is smaller, by the exact formula, than without its
        −1: the largest B_opt/N.
    """
    from scipy.special import chdtrc

    usable = curves[~curves["censored"]]
    batch = np.vstack([usable["batch_opt"], draws[:, ~curves["censored"].to_numpy(dtype=bool)]])
    g = noise_scale(
        usable["learning_rate"].to_numpy(),
        usable["train_size"].to_numpy(),
        batch,
        usable["momentum"].to_numpy(),
    )
    log_g = np.log2(np.maximum(g, np.finfo(float).tiny))
    errors = log_g[1:].std(axis=0, ddof=1)
    weights = 1 / np.maximum(errors, 1e-6) ** 2
    centre = (weights @ log_g[0]) / weights.sum()
    q = float(weights @ (log_g[0] - centre) ** 2)
    mean = log_g.mean(axis=1)
    low, high = interval(mean[1:], int(usable["n_seeds"].min()), statistics.confidence)
    return {
        "noise_scale": float(np.exp2(mean[0])),
        "low": float(np.exp2(low)),
        "high": float(np.exp2(high)),
        "spread": float(log_g[0].std(ddof=1)),
        "error": float(np.sqrt((errors**2).mean())),
        "p": float(chdtrc(len(usable) - 1, q)),
        "finite_n": float((usable["batch_opt"] / usable["train_size"]).max()),
    }
