"""Scaling laws: how the optimum batch size grows with learning rate, training set and momentum.

Theory (Smith & Le, section 5): the optimum is one noise scale g ≈ ε N / (B (1 − m)), therefore
B_opt ∝ ε, B_opt ∝ N, B_opt ∝ 1/(1 − m): exponent 1 in each.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from noisescale import records
from noisescale.collapse import collapse
from noisescale.curves import percentiles
from noisescale.joint import bends, joint, prediction
from noisescale.law import SCALES, fit_law
from noisescale.peaks import Peaks, find_peaks
from noisescale.sealed import seal
from noisescale.soundness import read_runs
from noisescale.study import Statistics, Study

THEORY = 1.0
MIN_POINTS = 3
"""A line through two points says nothing about whether there is a line."""
LINE_POINTS = 21


def exponent(
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
        See `scaling_laws`.
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

    law = fit_law({"slope": x}, peaks, draws, statistics)
    slope, prefactor = law.exponents["slope"], law.prefactor
    at = np.geomspace(x[~censored].min(), x[~censored].max(), LINE_POINTS)
    lines = np.exp(law.coefficients @ np.array([np.ones_like(at), np.log(at)]))
    line_low, line_high = percentiles(lines[1:], statistics.confidence)
    seen = peaks[~censored].assign(batch_opt=lambda table: table["batch_argmax"].astype(float))
    argmax = fit_law({"slope": x[~censored]}, seen, draws[:0, ~censored], statistics)
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
        null for NaN. ``joint``, ``prediction``, ``bends``: see `noisescale.joint`. ``collapse``:
        see `collapse.collapse`. ``exponents``: for the experiments
        learning_rate, train_size and momentum that the study has, by name (``"name (variant)"``
        where an experiment has variants):

        ``experiment``, ``variant``, ``variable``
            Which curves, and what x is, e.g. ``"1 / (1 − momentum)"``.
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
            Numbers of curves used and left out; those left out (x, reason, and on which side of
            the range the optimum lies, see `Peaks`).
        ``n_bounds``
            How many of those left out still count as bounds in the fit (`censored.regress`).
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
            "joint": joint(peaks, study.statistics),
            "prediction": prediction(peaks, study.statistics),
            "bends": bends(peaks, study.statistics),
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
    study = Study.read(study_path)
    # A peak is one of last evaluations; the rest, nineteen rows of twenty, need not be in pandas.
    runs = read_runs(runs_path, study, last_only=True)
    laws = {"schema_version": records.SCHEMA_VERSION} | scaling_laws(study, runs)
    records.write_text(output, seal(laws, indent=1, allow_nan=False) + "\n")
