"""One law for all curves: exponents, predictions, local exponents, and the constancy of g."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from noisescale.laws.joint import fit_joint_law
from noisescale.laws.local_exponents import fit_local_exponents
from noisescale.laws.peaks import Peaks
from noisescale.laws.prediction import predict_left_out

N_RESAMPLES, CONFIDENCE = 400, 0.95
BASE = {"learning_rate": 0.1, "train_size": 30_000, "momentum": 0.9}
VALUES = {
    "learning_rate": [0.01, 0.03, 0.1, 0.3, 1.0],
    "train_size": [20_000, 30_000, 40_000, 60_000],
    "momentum": [0.0, 0.5, 0.8, 0.9, 0.95],
}


def peaks(law, scatter=0.0, seed=0, **columns):
    """Peaks of three experiments at `law(ε, N, m)`, with errors of `scatter` in log B."""
    rows = [
        BASE | {"experiment": name, "value": value, name: value}
        for name, values in VALUES.items()
        for value in values
    ]
    table = pd.DataFrame(rows)
    draw = np.random.default_rng(seed)
    exact = law(table["learning_rate"], table["train_size"], table["momentum"]).to_numpy()
    keys = ["learning_rate", "train_size", "momentum"]
    same = table.groupby(keys).ngroup().to_numpy()  # the base's curve is in each experiment
    error = scatter * draw.normal(size=same.max() + 1)[same]
    table["batch_opt"] = exact * np.exp(error)
    noise = max(scatter, 0.02) * draw.normal(size=(N_RESAMPLES, same.max() + 1))
    draws = table["batch_opt"].to_numpy() * np.exp(noise[:, same])
    table["batch_opt_low"], table["batch_opt_high"] = np.quantile(draws, [0.025, 0.975], axis=0)
    defaults = {
        "variant": "",
        "setting": "hidden 800",
        "censored": False,
        "side": 0,
        "bound": np.nan,
        "n_seeds": 10,
        "n_diverged": 0,
        "batch_diverged": 0,
        "train_accuracy": 1.0,
    }
    return Peaks(table.assign(**defaults | columns), draws)


def power(alpha, beta, gamma):
    return lambda rate, size, m: 0.02 * rate**alpha * size**beta * (1 - m) ** -gamma


def one_noise_scale(g):
    return lambda rate, size, m: rate * size / (g * (1 - m) + rate)


def slopes(result):
    return [result.exponents[name].slope for name in VALUES]


@pytest.mark.parametrize("exponents", [(1, 1, 1), (0.7, 0.4, 1.2)])
def test_the_joint_law_recovers_all_exponents(exponents):
    result = fit_joint_law(peaks(power(*exponents)), CONFIDENCE)
    assert slopes(result) == pytest.approx(exponents)
    assert result.scatter < 1e-6 and result.r_squared == pytest.approx(1)
    assert [e.symbol for e in result.exponents.values()] == ["alpha", "beta", "gamma"]


def test_the_joint_law_equals_that_of_statsmodels_with_each_curve_once():
    given = peaks(power(1, 1, 1), scatter=0.3)
    result = fit_joint_law(given, CONFIDENCE)
    table = given.table.drop_duplicates(["learning_rate", "train_size", "momentum"])
    assert result.n_points == len(table) == 12
    variables = [table["learning_rate"], table["train_size"], 1 / (1 - table["momentum"])]
    peer = sm.OLS(np.log(table["batch_opt"]), sm.add_constant(np.log(np.array(variables).T))).fit()
    assert slopes(result) == pytest.approx(list(peer.params[1:]))
    assert result.scatter == pytest.approx(np.sqrt(peer.mse_resid) / np.log(2))
    for i, name in enumerate(VALUES, start=1):
        found = result.exponents[name]
        expected = peer.conf_int().to_numpy()[i]
        assert (found.fit_low, found.fit_high) == pytest.approx(tuple(expected))


def test_a_law_is_fitted_to_curves_of_one_setting_only():
    given = peaks(power(1, 1, 1))
    other = given.table["experiment"] == "momentum"
    given.table.loc[other, "setting"] = "hidden 100"
    given.table.loc[other, "batch_opt"] *= 5
    result = fit_joint_law(given, CONFIDENCE)
    assert result.setting == "hidden 800"
    assert list(result.exponents) == ["learning_rate", "train_size"]
    assert fit_joint_law(Peaks(given.table.iloc[:0], given.draws[:, :0]), CONFIDENCE) is None


def test_only_a_constant_noise_scale_is_found_constant():
    constant = fit_joint_law(peaks(one_noise_scale(50.0)), CONFIDENCE).noise_scale
    assert constant.noise_scale == pytest.approx(50)
    assert constant.low < 50 < constant.high
    assert constant.p > 0.9 and constant.spread < 1e-6
    bent = fit_joint_law(peaks(power(0.7, 1, 1)), CONFIDENCE).noise_scale
    assert bent.p < 1e-3 and bent.spread > 0.3


def test_the_finite_size_of_the_training_set_is_in_the_exact_formula():
    """B_opt = ε N / (g (1 − m) + ε): at a large share of N the law with exponents 1 fails."""
    given = peaks(one_noise_scale(2.0))
    result = fit_joint_law(given, CONFIDENCE)
    assert result.noise_scale.finite_n == pytest.approx(1 / (2 * 0.1 + 1))
    assert result.exponents["learning_rate"].slope < 0.9
    assert result.noise_scale.noise_scale == pytest.approx(2)


def test_held_out_peaks_are_predicted():
    exact = predict_left_out(peaks(power(0.8, 1, 0.9)), CONFIDENCE)
    assert len(exact.curves) == 12
    assert exact.error < 1e-6 < 0.1 < exact.theory_error
    theory = predict_left_out(peaks(one_noise_scale(50.0)), CONFIDENCE)
    assert theory.theory_error < 1e-6 and theory.error < 0.1


def test_intervals_of_predictions_cover_scattered_peaks():
    inside = [
        curve.inside
        for seed in range(40)
        for curve in predict_left_out(peaks(power(1, 1, 1), 0.3, seed), CONFIDENCE).curves
    ]
    assert 0.9 <= np.mean(inside) <= 0.99


def test_a_bend_is_located_with_the_violated_conditions():
    def law(rate, size, m):
        return power(1, 1, 1)(np.minimum(rate, 0.1), size, m)

    given = peaks(law)
    optimum = given.table["batch_opt"]
    given.table["batch_diverged"] = (optimum / 4).astype(int)  # two octaves away
    given.table.loc[4, "batch_diverged"] = int(optimum[4])
    found = fit_local_exponents(given, CONFIDENCE)
    rates = [local for local in found if local.experiment == "learning_rate"]
    assert [local.bends for local in rates] == [False, False, True, True]
    assert rates[2].slope == pytest.approx(0) and rates[0].slope == pytest.approx(1)
    (note,) = rates[3].notes
    assert note == (
        f"at 1 near the limit of stability (B_opt {optimum[4]:.3g}, runs diverge up to "
        f"B = {int(optimum[4])})"
    )
    assert not any(local.notes for local in rates[:3])
    assert (rates[0].start, rates[0].stop) == (0.01, 0.03)


def test_conditions_of_the_law_are_named():
    given = peaks(one_noise_scale(2.0), train_accuracy=0.97)
    given.table["train_size"] = given.table["train_size"] // 10
    given.table["batch_opt"] /= 10
    (first, *_) = [
        b for b in fit_local_exponents(given, CONFIDENCE) if b.experiment == "train_size"
    ]
    assert first.notes == (
        "N below 20,000",
        "B_opt is 33% of N",
        "training unfinished (accuracy 97.0%)",
    )
