"""One law in ε, N and 1/(1 − m) for all curves, and whether they have one noise scale."""

from __future__ import annotations

import numpy as np
import pandas as pd

from noisescale.laws.peaks import Peaks
from noisescale.laws.power_law import fit_power_law, law_variable
from noisescale.results.scaling_laws import (
    JointExponent,
    JointLaw,
    NoiseScaleConstancy,
    Side,
    optional_number,
)
from noisescale.statistics.bootstrap import FloatArray, interval_of
from noisescale.study.experiments import JOINT_LAW_EXPERIMENTS, LAWS
from noisescale.study.noise_scale import noise_scale

MIN_VALUES = 3
"""A variable with fewer values has no exponent."""
SPARE_CURVES = 2
"""A fit needs this many more usable curves than coefficients."""
MIN_ERROR = 1e-6
"""Standard errors of log2 g (octaves) count as at least this, so that weights stay finite."""


def joint_curves(peaks: Peaks) -> pd.DataFrame:
    """Return the curves that one law may hold for.

    Parameters
    ----------
    peaks
        All peaks of a study.

    Returns
    -------
    pandas.DataFrame
        Rows of `Peaks.table`: curves of the most frequent setting, without duplicates.
    """
    table = peaks.table
    table = table[table["experiment"].isin(JOINT_LAW_EXPERIMENTS)]
    if table.empty:
        return table
    table = table.drop_duplicates(["setting", "learning_rate", "train_size", "momentum"])
    return table[table["setting"] == table["setting"].mode()[0]]


def swept_variables(curves: pd.DataFrame) -> dict[str, FloatArray]:
    """Return the variables of which the usable curves have enough values.

    Parameters
    ----------
    curves
        Rows of `Peaks.table`.

    Returns
    -------
    dict of ndarrays of shape (n_curves,)
        By the name of the experiment that varies them; empty without curves.
    """
    if curves.empty:
        return {}
    usable = curves[~curves["censored"].astype(bool)]
    return {
        name: law_variable(name, curves)
        for name in LAWS
        if len(np.unique(law_variable(name, usable))) >= MIN_VALUES
    }


def fit_joint_law(peaks: Peaks, confidence: float) -> JointLaw | None:
    """Return log B_opt = a + α log ε + β log N + γ log 1/(1 − m), fitted to all curves.

    Parameters
    ----------
    peaks
        All peaks of a study.
    confidence
        Level of the intervals.

    Returns
    -------
    JointLaw or None
        None with too few curves.
    """
    curves = joint_curves(peaks)
    variables = swept_variables(curves)
    usable = len(curves) and int((~curves["censored"].astype(bool)).sum())
    if not variables or usable < 1 + len(variables) + SPARE_CURVES:
        return None
    chosen = Peaks(curves, peaks.draws[:, curves.index])
    law = fit_power_law(variables, chosen, confidence)
    return JointLaw(
        setting=curves["setting"].iloc[0],
        exponents={
            name: JointExponent(
                symbol=LAWS[name].exponent,
                slope=exponent.value,
                low=optional_number(exponent.low),
                high=optional_number(exponent.high),
                fit_low=optional_number(exponent.fit_low),
                fit_high=optional_number(exponent.fit_high),
            )
            for name, exponent in law.exponents.items()
        },
        r_squared=optional_number(law.r_squared),
        scatter=optional_number(law.sigma / np.log(2)),
        n_points=usable,
        n_bounds=int((curves["side"] != Side.UNKNOWN).sum()),
        noise_scale=noise_scale_constancy(chosen, confidence),
    )


def noise_scale_constancy(peaks: Peaks, confidence: float) -> NoiseScaleConstancy:
    """Evaluate whether the optimum noise scale is one number, by its exact formula.

    With g = ε (N/B − 1)/(1 − m) constant, B_opt = ε N / (g (1 − m) + ε), which for B ≪ N is the
    law with exponents 1. Cochran's test takes the errors of the curves as independent.

    Parameters
    ----------
    peaks
        The curves that are compared; the censored ones are left out.
    confidence
        Level of the interval of the mean noise scale.

    Returns
    -------
    NoiseScaleConstancy
    """
    from scipy.special import chdtrc

    known = ~peaks.table["censored"].to_numpy(dtype=bool)
    usable = peaks.table[known]
    batch = np.vstack([usable["batch_opt"], peaks.draws[:, known]])
    log_g = log2_noise_scale(usable, batch)
    errors = log_g[1:].std(axis=0, ddof=1)
    weights = 1 / np.maximum(errors, MIN_ERROR) ** 2
    centre = (weights @ log_g[0]) / weights.sum()
    q = float(weights @ (log_g[0] - centre) ** 2)
    mean = log_g.mean(axis=1)
    low, high = interval_of(mean[1:], int(usable["n_seeds"].min()), confidence)
    return NoiseScaleConstancy(
        noise_scale=float(np.exp2(mean[0])),
        low=optional_number(np.exp2(low)),
        high=optional_number(np.exp2(high)),
        spread=optional_number(float(log_g[0].std(ddof=1))),
        error=optional_number(float(np.sqrt((errors**2).mean()))),
        p=optional_number(float(chdtrc(len(usable) - 1, q))),
        finite_n=float((usable["batch_opt"] / usable["train_size"]).max()),
    )


def log2_noise_scale(curves: pd.DataFrame, batch_sizes: FloatArray) -> FloatArray:
    """Return log2 g of curves at given batch sizes.

    Parameters
    ----------
    curves
        Rows of `Peaks.table`.
    batch_sizes : ndarray of shape (..., n_curves)
        In examples.

    Returns
    -------
    ndarray of the shape of `batch_sizes`
        Finite also at full batch, where g is 0: a resample may have its peak there.
    """
    columns = {
        name: curves[name].to_numpy(dtype=float)
        for name in ("learning_rate", "train_size", "momentum")
    }
    g = noise_scale(batch_size=batch_sizes, **columns)
    return np.log2(np.maximum(g, np.finfo(float).tiny))
