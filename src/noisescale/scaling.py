"""Scaling laws: how the optimum batch size grows with learning rate, training set and momentum.

Theory (Smith & Le, section 5): the optimum is one noise scale g ≈ ε N / (B (1 − m)), therefore
B_opt ∝ ε, B_opt ∝ N, B_opt ∝ 1/(1 − m): exponent 1 in each.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from noisescale import records
from noisescale.collapse import collapse
from noisescale.curves import interval
from noisescale.peaks import Peaks, find_peaks
from noisescale.study import Statistics, Study

SCALES = {
    "learning_rate": ("learning rate", lambda table: table["learning_rate"]),
    "train_size": ("training set size", lambda table: table["train_size"]),
    "momentum": ("1 / (1 - momentum)", lambda table: 1 / (1 - table["momentum"])),
}
"""The experiments with a law for B_opt, what it is a power of, and that as a function of a peak."""
THEORY = 1.0
MIN_POINTS = 3
"""A line through two points says nothing about whether there is a line."""
LINE_POINTS = 21


def power_law(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fit y = prefactor · x^slope by least squares of log y on log x.

    Parameters
    ----------
    x : ndarray of shape (n_points,)
    y : ndarray of shape (..., n_points)
        One or many curves at the same `x`.

    Returns
    -------
    slope, prefactor, r_squared : ndarrays of shape (...)
        `r_squared` is NaN where y does not vary.
    """
    log_x, log_y = np.log(x), np.log(y)
    centred = log_x - log_x.mean()
    slope = log_y @ centred / (centred @ centred)
    intercept = log_y.mean(axis=-1) - slope * log_x.mean()
    residual = log_y - slope[..., None] * log_x - intercept[..., None]
    total = ((log_y - log_y.mean(axis=-1, keepdims=True)) ** 2).sum(axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        r_squared = np.where(total > 0, 1 - (residual**2).sum(axis=-1) / total, np.nan)
    return slope, np.exp(intercept), r_squared


def exponent(
    x: np.ndarray, peaks: pd.DataFrame, draws: np.ndarray, statistics: Statistics
) -> dict[str, Any]:
    """Return the exponent of B_opt on `x` from the curves whose peak is not censored.

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
        See `scaling_laws`.
    """
    use = ~peaks["censored"].to_numpy(dtype=bool)
    left_out = [{"x": v, "reason": r} for v, r in zip(x[~use], peaks["reason"][~use], strict=True)]
    n_seeds = int(peaks["n_seeds"].min())
    result: dict[str, Any] = {
        "theory": THEORY,
        "n_points": int(use.sum()),
        "n_censored": int((~use).sum()),
        "censored": left_out,
        "n_seeds": n_seeds,
        "note": "",
    }
    names = ["slope", "low", "high", "prefactor", "r_squared", "fit_low", "fit_high"]
    result |= dict.fromkeys([*names, "slope_argmax", "theory_inside", "line"])
    if len(np.unique(x[use])) < MIN_POINTS:
        result["note"] = (
            f"no estimate: {use.sum()} of {len(x)} curves have a usable peak, "
            f"at least {MIN_POINTS} are needed"
        )
        return result

    x, peaks, draws = x[use], peaks[use], draws[:, use]
    batch_opt = peaks["batch_opt"].to_numpy()
    slope, prefactor, r_squared = power_law(x, batch_opt)
    slopes, prefactors, _ = power_law(x, draws)
    low, high = interval(slopes, n_seeds, statistics.confidence)
    half = _residual_half_width(x, batch_opt, slope, prefactor, statistics.confidence)
    slope_argmax, _, _ = power_law(x, peaks["batch_argmax"].to_numpy(dtype=float))
    at = np.geomspace(x.min(), x.max(), LINE_POINTS)
    lines = prefactors[:, None] * at ** slopes[:, None]
    line_low, line_high = interval(lines, n_seeds, statistics.confidence)
    return result | {
        "slope": float(slope),
        "low": float(low),
        "high": float(high),
        "prefactor": float(prefactor),
        "r_squared": float(r_squared),
        "fit_low": float(slope - half),
        "fit_high": float(slope + half),
        "slope_argmax": float(slope_argmax),
        "theory_inside": bool(low <= THEORY <= high),
        "line": {
            "x": at.tolist(),
            "batch_opt": (prefactor * at**slope).tolist(),
            "low": line_low.tolist(),
            "high": line_high.tolist(),
        },
    }


def _residual_half_width(
    x: np.ndarray, y: np.ndarray, slope: float, prefactor: float, confidence: float
) -> float:
    """Return half the width of the textbook interval of a slope, from scatter about the line."""
    from scipy.special import stdtrit

    log_x = np.log(x)
    residual = np.log(y) - np.log(prefactor) - slope * log_x
    freedom = len(x) - 2
    error = np.sqrt((residual @ residual) / freedom / ((log_x - log_x.mean()) ** 2).sum())
    return float(stdtrit(freedom, (1 + confidence) / 2) * error)


def scaling_laws(study: Study, runs: pd.DataFrame) -> dict[str, Any]:
    """Return every peak and the exponents of B_opt, ready for JSON.

    Parameters
    ----------
    runs
        Columns as in `records.RUNS`.

    Returns
    -------
    dict
        ``statistics``: ``bootstrap`` and ``confidence``. ``peaks``: the rows of `Peaks.table`, with
        null for NaN. ``collapse``: see `collapse.collapse`. ``exponents``: for the experiments
        learning_rate, train_size and momentum that the study has, by name (``"name (variant)"``
        where an experiment has variants):

        ``experiment``, ``variant``, ``variable``
            Which curves, and what x is, e.g. ``"1 / (1 - momentum)"``.
        ``slope``, ``low``, ``high``
            Exponent of the smooth B_opt on x, interval of the joint bootstrap over seeds: what
            other seeds could have given for *these* curves.
        ``fit_low``, ``fit_high``
            Textbook interval from the scatter about the line: it also holds departures from a power
            law, which the bootstrap does not see.
        ``prefactor``, ``r_squared``
            B_opt = prefactor · x^slope; share of the variance of log B_opt.
        ``slope_argmax``
            The exponent of the paper's estimate, the best B of the grid.
        ``theory``, ``theory_inside``
            1, and whether it lies in [low, high].
        ``n_points``, ``n_censored``, ``censored``, ``n_seeds``
            Numbers of curves used and left out; those left out (x, reason).
        ``line``
            The fit and its band: lists ``x``, ``batch_opt``, ``low``, ``high``.
        ``note``
            Why there is no estimate; then the values above are null.

    Raises
    ------
    RecordError
        Wanted runs are missing.
    """
    peaks = find_peaks(study, runs)
    return _plain(
        {
            "statistics": {
                "bootstrap": study.statistics.bootstrap,
                "confidence": study.statistics.confidence,
            },
            "peaks": peaks.table.to_dict(orient="records"),
            "exponents": _exponents(study, peaks),
            "collapse": collapse(peaks, study.statistics),
        }
    )


def _exponents(study: Study, peaks: Peaks) -> dict[str, Any]:
    result = {}
    for experiment, (variable, scale) in SCALES.items():
        chosen = peaks.table[peaks.table["experiment"] == experiment]
        for variant, curves in chosen.groupby("variant") if len(chosen) else ():
            x = scale(curves).to_numpy(dtype=float)
            fit = exponent(x, curves, peaks.draws[:, curves.index], study.statistics)
            name = f"{experiment} ({variant})" if variant else experiment
            head = {"experiment": experiment, "variant": variant, "variable": variable}
            result[name] = head | fit
    return result


def _plain(value: Any) -> Any:
    """Turn NumPy scalars into Python's and NaN into None, throughout."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not np.isfinite(value) else value


def main(study_path: Path, runs_path: Path, output: Path) -> None:
    """Write the peaks and exponents of a study's runs to a JSON file.

    Raises
    ------
    RecordError
        The table of runs cannot be read, or lacks wanted runs.
    """
    study = Study.from_json(Path(study_path).read_text(encoding="utf-8"))
    runs = records.read_table(runs_path, records.RUNS).to_pandas()
    laws = {"schema_version": records.SCHEMA_VERSION} | scaling_laws(study, runs)
    records.write_text(output, json.dumps(laws, indent=1, allow_nan=False) + "\n")
