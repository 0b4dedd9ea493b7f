"""All curves together: one law in ε, N and 1/(1 − m), what it predicts, and where it bends."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pandas as pd

from noisescale.curves import interval, percentiles
from noisescale.grid import noise_scale
from noisescale.law import SCALES, Law, design, fit_law
from noisescale.peaks import Peaks
from noisescale.study import Statistics

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


def curves_of(peaks: Peaks) -> pd.DataFrame:
    """Return the curves that one law may hold for: of one setting, the most frequent; each once."""
    table = peaks.table
    if table.empty:
        return table
    table = table[table["experiment"].isin(EXPERIMENTS)]
    table = table.drop_duplicates(["setting", "learning_rate", "train_size", "momentum"])
    if table.empty:
        return table
    return table[table["setting"] == table["setting"].mode()[0]]


def _variables(curves: pd.DataFrame) -> dict[str, np.ndarray]:
    """Return the variables whose usable curves have values enough."""
    usable = curves[~curves["censored"]]
    return {
        name: scale(curves).to_numpy(dtype=float)
        for name, (_, scale) in SCALES.items()
        if scale(usable).nunique() >= MIN_VALUES
    }


def joint(peaks: Peaks, statistics: Statistics) -> dict[str, Any] | None:
    """Return log B_opt = a + α log ε + β log N + γ log 1/(1 − m), fitted to all curves.

    Returns
    -------
    dict or None
        ``setting``: what the curves share. ``exponents``: for each variable with three values or
        more, ``symbol``, ``slope``, ``low``, ``high`` (joint bootstrap over the seeds),
        ``fit_low``, ``fit_high`` (scatter about the law). ``r_squared``; ``scatter``: standard
        deviation about the law in octaves; ``n_points``, ``n_bounds``: curves with a peak, and
        with a bound only. ``noise_scale``, see `constancy`. None with too few curves.
    """
    curves = curves_of(peaks)
    variables = _variables(curves) if len(curves) else {}
    usable = len(curves) and int((~curves["censored"]).sum())
    if not variables or usable < 1 + len(variables) + SPARE_CURVES:
        return None
    law = fit_law(variables, curves, peaks.draws[:, curves.index], statistics)
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
        "noise_scale": constancy(curves, peaks.draws[:, curves.index], statistics),
    }


def constancy(curves: pd.DataFrame, draws: np.ndarray, statistics: Statistics) -> dict[str, Any]:
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


def prediction(peaks: Peaks, statistics: Statistics) -> dict[str, Any] | None:
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
    curves = curves_of(peaks)
    variables = _variables(curves) if len(curves) else {}
    usable = curves.index[~curves["censored"]] if len(curves) else []
    rows = []
    for left_out in usable:
        others = curves.drop(index=left_out)
        there = _variables(others)
        if there.keys() != variables.keys() or len(usable) - 1 <= len(variables) + SPARE_CURVES:
            continue  # without it, an exponent could not be had
        law = fit_law(there, others, peaks.draws[:, others.index], statistics)
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
    one: pd.DataFrame, others: pd.DataFrame, law: Law, statistics: Statistics
) -> dict[str, Any]:
    from scipy.special import stdtrit

    x = design({name: SCALES[name][1](one) for name in law.exponents}, 1)[0]
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


def bends(peaks: Peaks, statistics: Statistics) -> list[dict[str, Any]]:
    """Return the exponent between neighbouring curves, and what may bend the law there.

    Returns
    -------
    list of dict
        For each experiment and pair of neighbouring usable peaks: ``experiment``, ``variant``,
        ``start``, ``stop`` (of the experiment's axis), ``slope``, ``low``, ``high``; ``bends``:
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
                        "notes": _conditions(experiment, pair),
                    }
                )
    return result


def _conditions(experiment: str, pair: pd.DataFrame) -> list[str]:
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
