"""A power law of B_opt in one or several variables, with its uncertainty."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from noisescale.statistics.bootstrap import percentiles
from noisescale.statistics.tobit import fit_tobit
from noisescale.study.model import Statistics

SCALES = {
    "learning_rate": ("learning rate", lambda table: table["learning_rate"]),
    "train_size": ("training set size", lambda table: table["train_size"]),
    "momentum": ("1 / (1 − momentum)", lambda table: 1 / (1 - table["momentum"])),
}
"""The experiments with a law for B_opt, what it is a power of, and that as a function of a peak."""


@dataclass(frozen=True)
class Exponent:
    """An exponent; its interval over seeds, and that by the scatter of the curves about the law."""

    value: float
    low: float
    high: float
    fit_low: float
    fit_high: float


@dataclass(frozen=True)
class PowerLaw:
    """log B_opt = log prefactor + Σ exponent · log variable.

    Attributes
    ----------
    coefficients : ndarray of shape (1 + n_resamples, 1 + n_variables)
        log prefactor and exponents; of the estimate, then of each resample of the seeds.
    sigma
        Scatter of log B_opt about the law.
    freedom
        Degrees of freedom of `sigma`.
    r_squared
        Share of the variance of log B_opt of the curves with a peak; NaN where it does not vary.
    """

    exponents: dict[str, Exponent]
    coefficients: np.ndarray
    sigma: float
    freedom: int
    r_squared: float

    @property
    def prefactor(self) -> float:
        """B_opt where all variables are 1."""
        return float(np.exp(self.coefficients[0, 0]))


def regressors(variables: dict[str, np.ndarray], n: int) -> np.ndarray:
    """Return the regressors: a constant, and the logarithm of each variable."""
    return np.column_stack([np.ones(n), *(np.log(values) for values in variables.values())])


def fit_power_law(
    variables: dict[str, np.ndarray],
    peaks: pd.DataFrame,
    draws: np.ndarray,
    statistics: Statistics,
) -> PowerLaw:
    """Fit a power law to peaks, of which the censored ones are bounds.

    Parameters
    ----------
    variables : dict of ndarrays of shape (n_curves,)
        What B_opt is a power of.
    peaks
        Rows of `Peaks.table`. Those of which not even a bound is known are passed over.
    draws : ndarray of shape (n_resamples, n_curves)
        Columns of `Peaks.draws`.
    """
    known = ~peaks["censored"].to_numpy(dtype=bool)
    side = np.where(known, 0, peaks["side"].to_numpy(dtype=int))
    use = known | (side != 0)
    x = regressors(variables, len(peaks))[use]
    point = np.where(known, peaks["batch_opt"], peaks["bound"])[use]
    responses = np.vstack([point, np.where(known[use], draws[:, use], point)])
    y = np.log(responses)
    fit = fit_tobit(x, y, side[use])

    from scipy.special import stdtrit

    t = stdtrit(fit.freedom, (1 + statistics.confidence) / 2) if fit.freedom else np.nan
    exponents = {}
    for i, name in enumerate(variables, start=1):
        value, half = fit.coefficients[0, i], t * fit.errors[0, i]
        low, high = np.nan, np.nan
        if len(draws) and peaks["n_seeds"].min() > 1:
            low, high = percentiles(fit.coefficients[1:, i], statistics.confidence)
        exponents[name] = Exponent(
            float(value), float(low), float(high), float(value - half), float(value + half)
        )
    seen = y[0, known[use]]
    residual = seen - x[known[use]] @ fit.coefficients[0]
    total = ((seen - seen.mean()) ** 2).sum()
    r_squared = float(1 - residual @ residual / total) if total > 0 else np.nan
    return PowerLaw(exponents, fit.coefficients, float(fit.sigma[0]), fit.freedom, r_squared)
