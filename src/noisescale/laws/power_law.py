"""A power law of B_opt in one or several variables, with its uncertainty."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from noisescale.laws.peaks import Peaks
from noisescale.results.scaling_laws import Side
from noisescale.statistics.bootstrap import FloatArray, percentiles
from noisescale.statistics.tobit import fit_tobit
from noisescale.study.experiments import LAWS


@dataclass(frozen=True)
class FittedExponent:
    """An exponent with its two intervals.

    Attributes
    ----------
    value
        The exponent.
    low, high
        Its interval over seeds (bootstrap); NaN with one seed.
    fit_low, fit_high
        Its interval from the scatter of the curves about the law (Student); NaN without a degree
        of freedom.
    """

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
    exponents
        By the name of the variable.
    coefficients : ndarray of shape (1 + n_resamples, 1 + n_variables)
        log prefactor and exponents; of the estimate, then of each resample of the seeds.
    sigma
        Scatter of log B_opt about the law.
    dof
        Degrees of freedom of `sigma`.
    r_squared
        Share of the variance of log B_opt, over the curves with a peak, that the law explains; NaN
        where it does not vary.
    """

    exponents: dict[str, FittedExponent]
    coefficients: FloatArray
    sigma: float
    dof: int
    r_squared: float

    @property
    def prefactor(self) -> float:
        """B_opt where all variables are 1."""
        return float(np.exp(self.coefficients[0, 0]))


def law_variable(experiment: str, curves: pd.DataFrame) -> FloatArray:
    """Return what B_opt is a power of along an experiment, for each of some curves.

    Parameters
    ----------
    experiment
        One of `noisescale.study.experiments.LAWS`.
    curves
        Columns as in `Peaks.table`.

    Returns
    -------
    ndarray of shape (n_curves,)
    """
    law = LAWS[experiment]
    return law.transform(curves[law.field]).to_numpy(dtype=float)


def regressors(variables: Mapping[str, FloatArray], n: int) -> FloatArray:
    """Return the regressors: a constant, and the logarithm of each variable.

    Parameters
    ----------
    variables : dict of ndarrays of shape (n,)
        What B_opt is a power of.
    n
        Number of curves.

    Returns
    -------
    ndarray of shape (n, 1 + n_variables)
    """
    return np.column_stack([np.ones(n), *(np.log(values) for values in variables.values())])


def fit_power_law(variables: Mapping[str, FloatArray], peaks: Peaks, confidence: float) -> PowerLaw:
    """Fit a power law to peaks, of which the censored ones are bounds.

    Parameters
    ----------
    variables : dict of ndarrays of shape (n_curves,)
        What B_opt is a power of.
    peaks
        The curves to fit. Those of which not even a bound is known are left out.
    confidence
        Level of the intervals.

    Returns
    -------
    PowerLaw
        The maximum of the likelihood of the Tobit model, see `fit_tobit`.
    """
    table, draws = peaks.table, peaks.draws
    known = ~table["censored"].to_numpy(dtype=bool)
    side = np.where(known, Side.UNKNOWN, table["side"].to_numpy(dtype=int))
    use = known | (side != Side.UNKNOWN)
    x = regressors(variables, len(table))[use]
    point = np.where(known, table["batch_opt"], table["bound"])[use]
    responses = np.vstack([point, np.where(known[use], draws[:, use], point)])
    y = np.log(responses)
    fit = fit_tobit(x, y, side[use])

    from scipy.special import stdtrit

    t = stdtrit(fit.dof, (1 + confidence) / 2) if fit.dof else np.nan
    exponents = {}
    for i, name in enumerate(variables, start=1):
        value, half = fit.coefficients[0, i], t * fit.errors[0, i]
        low, high = np.nan, np.nan
        if len(draws) and table["n_seeds"].min() > 1:
            low, high = (float(end) for end in percentiles(fit.coefficients[1:, i], confidence))
        exponents[name] = FittedExponent(
            float(value), low, high, float(value - half), float(value + half)
        )
    observed = y[0, known[use]]
    residual = observed - x[known[use]] @ fit.coefficients[0]
    total = ((observed - observed.mean()) ** 2).sum()
    r_squared = float(1 - residual @ residual / total) if total > 0 else np.nan
    return PowerLaw(exponents, fit.coefficients, float(fit.sigma[0]), fit.dof, r_squared)
