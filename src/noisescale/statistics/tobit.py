"""Linear regression with censored responses, vectorized over many response vectors.

The Tobit model (Tobin 1958): y = X b + σ z with standard normal z. Of a censored y only a bound is
known. In Olsen's (1978) parameters b/σ and 1/σ the log-likelihood is concave, and Newton's method
finds its one maximum. Without censoring the estimate of b is that of least squares.

This is not taken from a library because those that have the model (``lifelines``, R's
``survival``) fit one response vector per call; here the estimate and 1,000 bootstrap resamples are
fitted together.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from noisescale.statistics.bootstrap import FloatArray, IntArray

_ITERATIONS = 60
_TOLERANCE = 1e-10


@dataclass(frozen=True)
class TobitFit:
    """Estimates from r response vectors.

    Attributes
    ----------
    coefficients : ndarray of shape (r, p)
    sigma : ndarray of shape (r,)
        The scatter about the model, corrected for the p coefficients fitted.
    errors : ndarray of shape (r, p)
        Standard errors of the coefficients, from the observed information.
    dof : int
        Degrees of freedom: number of uncensored responses minus number of coefficients.
    """

    coefficients: FloatArray
    sigma: FloatArray
    errors: FloatArray
    dof: int


def fit_tobit(x: FloatArray, y: FloatArray, side: IntArray) -> TobitFit:
    """Fit y = X b to responses of which some are bounds.

    Parameters
    ----------
    x : ndarray of shape (n, p)
        Of full rank in the rows of uncensored responses, of which there are more than p.
    y : ndarray of shape (r, n)
        Responses, or their bounds where they are censored.
    side : ndarray of int, shape (n,)
        0 where y is known, −1 where it is at most the bound, 1 where it is at least the bound.

    Returns
    -------
    TobitFit
        The maximum of the likelihood, with σ corrected for the coefficients fitted.
    """
    known = side == 0
    n, p = int(known.sum()), x.shape[1]
    # Start at the least-squares fit of the uncensored responses.
    start = np.linalg.lstsq(x[known], y[:, known].T, rcond=None)[0].T
    scatter = y[:, known] - start @ x[known].T
    # Avoid a division by zero if all points are on a line.
    sigma = np.maximum(np.sqrt((scatter**2).mean(axis=1)), 1e-9)
    if known.all():
        information = np.broadcast_to(x.T @ x, (len(y), p, p))
        return _corrected(start, sigma, information, n, p)

    theta = np.concatenate([start / sigma[:, None], 1 / sigma[:, None]], axis=1)
    for _ in range(_ITERATIONS):
        gradient, hessian = _derivatives(theta, x, y, side)
        step = np.linalg.solve(hessian, gradient[..., None])[..., 0]
        # The likelihood is concave; a step that would make 1/σ negative is shortened.
        factor = np.ones(len(theta))
        falls = step[:, -1] >= theta[:, -1]
        factor[falls] = 0.5 * theta[falls, -1] / step[falls, -1]
        theta = theta - factor[:, None] * step
        if np.abs(step).max() < _TOLERANCE * (1 + np.abs(theta).max()):
            break
    sigma = 1 / theta[:, -1]
    coefficients = theta[:, :-1] * sigma[:, None]
    weights = _weights(theta, x, y, side)
    information = np.einsum("rn,ni,nj->rij", weights, x, x)
    return _corrected(coefficients, sigma, information, n, p)


def _corrected(
    coefficients: FloatArray, sigma: FloatArray, information: FloatArray, n: int, p: int
) -> TobitFit:
    sigma = sigma * np.sqrt(n / (n - p))
    variance = np.diagonal(np.linalg.inv(information), axis1=1, axis2=2)
    return TobitFit(coefficients, sigma, sigma[:, None] * np.sqrt(variance), int(n - p))


def _residuals(
    theta: FloatArray, x: FloatArray, y: FloatArray, side: IntArray
) -> tuple[FloatArray, FloatArray]:
    """Return standardized residuals, and for censored ones the hazard φ/Φ on the censored side."""
    from scipy.special import log_ndtr

    z = y * theta[:, -1:] - theta[:, :-1] @ x.T
    # P(y ≤ bound) = Φ(z) for an upper bound, P(y ≥ bound) = Φ(−z) for a lower one.
    signed = np.where(side < 0, z, -z)
    hazard = np.exp(-(signed**2) / 2 - np.log(2 * np.pi) / 2 - log_ndtr(signed))
    return z, hazard


def _weights(theta: FloatArray, x: FloatArray, y: FloatArray, side: IntArray) -> FloatArray:
    """Return the information of each response about its mean, in units of 1/σ²."""
    z, hazard = _residuals(theta, x, y, side)
    signed = np.where(side < 0, z, -z)
    return np.where(side == 0, 1.0, hazard * (hazard + signed))


def _derivatives(
    theta: FloatArray, x: FloatArray, y: FloatArray, side: IntArray
) -> tuple[FloatArray, FloatArray]:
    """Return gradient and Hessian of the log-likelihood in (b/σ, 1/σ)."""
    z, hazard = _residuals(theta, x, y, side)
    slope = np.where(side == 0, -z, np.where(side < 0, hazard, -hazard))
    weights = _weights(theta, x, y, side)
    # z depends on the parameters as y/σ − x b/σ.
    design = np.concatenate([np.broadcast_to(-x, (len(y), *x.shape)), y[:, :, None]], axis=2)
    gradient = np.einsum("rn,rni->ri", slope, design)
    hessian = -np.einsum("rn,rni,rnj->rij", weights, design, design)
    known = (side == 0).sum()
    gradient[:, -1] += known / theta[:, -1]
    hessian[:, -1, -1] -= known / theta[:, -1] ** 2
    return gradient, hessian
