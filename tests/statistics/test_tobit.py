"""Censored regression against independent implementations, and on simulated data."""

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import optimize, stats

from noisescale.statistics.tobit import fit_tobit


def data(draw, n=9, r=4, sigma=0.3):
    x = np.c_[np.ones(n), np.linspace(-2, 2, n), draw.normal(size=n)]
    truth = np.array([1.0, 0.8, -0.5])
    return x, x @ truth + sigma * draw.normal(size=(r, n)), truth


def test_without_censoring_it_is_ordinary_least_squares():
    x, y, _ = data(np.random.default_rng(0))
    fit = fit_tobit(x, y, np.zeros(9, dtype=int))
    for row in range(4):
        peer = sm.OLS(y[row], x).fit()
        np.testing.assert_allclose(fit.coefficients[row], peer.params, rtol=1e-10)
        np.testing.assert_allclose(fit.errors[row], peer.bse, rtol=1e-10)
        assert fit.sigma[row] ** 2 == pytest.approx(peer.mse_resid) and fit.dof == 6


@pytest.mark.parametrize("seed", range(5))
def test_with_censoring_it_maximizes_the_likelihood_of_the_tobit_model(seed):
    draw = np.random.default_rng(seed)
    x, y, _ = data(draw)
    side = np.array([-1, 0, 0, 0, 0, 0, 0, 1, 0])
    fit = fit_tobit(x, y, side)

    def cost(parameters, y):
        mean, sigma = x @ parameters[:3], np.exp(parameters[3])
        z = (y - mean) / sigma
        terms = np.where(side == 0, stats.norm.logpdf(z) - np.log(sigma), 0)
        terms += np.where(side < 0, stats.norm.logcdf(z), 0)
        terms += np.where(side > 0, stats.norm.logsf(z), 0)
        return -terms.sum()

    for row in range(len(y)):
        peer = optimize.minimize(
            cost, [0, 0, 0, 0], (y[row],), method="BFGS", options={"gtol": 1e-9}
        )
        np.testing.assert_allclose(fit.coefficients[row], peer.x[:3], atol=1e-4)
        assert fit.sigma[row] == pytest.approx(np.exp(peer.x[3]) * np.sqrt(7 / 4), rel=1e-3)


def test_a_bound_far_from_the_line_says_nothing():
    x, y, _ = data(np.random.default_rng(1))
    side = np.zeros(9, dtype=int)
    side[4] = -1
    y[:, 4] = 50
    without = fit_tobit(np.delete(x, 4, axis=0), np.delete(y, 4, axis=1), np.delete(side, 4))
    np.testing.assert_allclose(fit_tobit(x, y, side).coefficients, without.coefficients, atol=1e-6)


def test_a_censored_curve_bends_the_estimate_less_than_a_point_at_its_bound():
    """Peaks that lie beyond the range of B, at its end: left in as points they flatten the law."""
    draw = np.random.default_rng(2)
    log_rate = np.log(np.geomspace(0.01, 1, 7))
    x = np.c_[np.ones(7), log_rate]
    y = log_rate + 5 + 0.2 * draw.normal(size=(500, 7))
    bound = np.minimum(y, y[:, [4]])
    side = np.array([0, 0, 0, 0, 0, 1, 1])
    slope = fit_tobit(x, bound, side).coefficients[:, 1]
    as_points = fit_tobit(x, bound, np.zeros(7, dtype=int)).coefficients[:, 1]
    assert abs(slope.mean() - 1) < 0.05 < abs(as_points.mean() - 1)


def test_points_on_a_line_have_no_scatter():
    x = np.c_[np.ones(4), np.arange(4.0)]
    fit = fit_tobit(x, (x @ [2.0, 3.0])[None], np.zeros(4, dtype=int))
    np.testing.assert_allclose(fit.coefficients, [[2, 3]])
    assert fit.errors.max() < 1e-6
