"""Predict the optimum batch size of every curve from the other curves."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from noisescale.laws.joint import SPARE_CURVES, joint_curves, swept_variables
from noisescale.laws.peaks import Peaks
from noisescale.laws.power_law import PowerLaw, fit_power_law, law_variable, regressors
from noisescale.results.scaling_laws import Prediction, Predictions, optional_number
from noisescale.study.noise_scale import noise_scale


def predict_left_out(peaks: Peaks, confidence: float) -> Predictions | None:
    """Predict every curve's optimum from the other curves.

    Two laws are fitted to all curves but one: one with free exponents, and that of the theory,
    with exponents 1 and the exact formula, of which only g is fitted. What they predict for the
    curve left out is compared with what its own runs show.

    Parameters
    ----------
    peaks
        All peaks of a study.
    confidence
        Level of the intervals, which include the scatter about the law and that over the seeds.

    Returns
    -------
    Predictions or None
        None with too few curves.
    """
    curves = joint_curves(peaks)
    variables = swept_variables(curves)
    usable = curves.index[~curves["censored"].astype(bool)]
    found = []
    for left_out in usable:
        others = curves.drop(index=left_out)
        remaining = swept_variables(others)
        enough = len(usable) - 1 > len(variables) + SPARE_CURVES
        if remaining.keys() != variables.keys() or not enough:
            continue  # Without this curve an exponent could not be estimated.
        law = fit_power_law(remaining, Peaks(others, peaks.draws[:, others.index]), confidence)
        found.append(_prediction(curves.loc[[left_out]], others, law, confidence))
    if not found:
        return None
    observed = np.array([curve.batch_opt for curve in found])
    return Predictions(
        curves=tuple(found),
        error=_octaves((curve.predicted for curve in found), observed),
        theory_error=_octaves((curve.theory for curve in found), observed),
        inside=float(np.mean([curve.inside for curve in found])),
    )


def _octaves(predicted: Iterable[float], observed: np.ndarray) -> float:
    """Return the root mean square error of predictions in octaves."""
    return float(np.sqrt((np.log2(np.array(list(predicted)) / observed) ** 2).mean()))


def _prediction(
    one: pd.DataFrame, others: pd.DataFrame, law: PowerLaw, confidence: float
) -> Prediction:
    from scipy.special import stdtrit

    x = regressors({name: law_variable(name, one) for name in law.exponents}, 1)[0]
    log_b = law.coefficients @ x
    curve, usable = one.iloc[0], others[~others["censored"].astype(bool)]
    learning_rate, momentum = float(curve["learning_rate"]), float(curve["momentum"])
    train_size, batch_opt = int(curve["train_size"]), float(curve["batch_opt"])
    log_g = np.log(
        noise_scale(
            usable["learning_rate"].to_numpy(dtype=float),
            usable["train_size"].to_numpy(dtype=float),
            usable["batch_opt"].to_numpy(dtype=float),
            usable["momentum"].to_numpy(dtype=float),
        )
    )
    g = float(np.exp(log_g.mean()))
    # The law's own uncertainty, and the scatter of single curves about it.
    t = stdtrit(max(law.dof, 1), (1 + confidence) / 2)
    half = t * np.hypot(law.sigma, log_b[1:].std(ddof=1))
    low, high = np.exp(log_b[0] - half), np.exp(log_b[0] + half)
    return Prediction(
        learning_rate=learning_rate,
        train_size=train_size,
        momentum=momentum,
        batch_opt=batch_opt,
        low=optional_number(curve["batch_opt_low"]),
        high=optional_number(curve["batch_opt_high"]),
        predicted=float(np.exp(log_b[0])),
        predicted_low=optional_number(low),
        predicted_high=optional_number(high),
        inside=bool(low <= batch_opt <= high),
        theory=learning_rate * train_size / (g * (1 - momentum) + learning_rate),
    )
