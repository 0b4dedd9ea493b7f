"""Exponents of the optimum batch size: unbiased, with valid intervals, from usable peaks only."""

from __future__ import annotations

import itertools
import json
import os
from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from helpers.synthetic import OCTAVES, synthetic_runs, synthetic_study, write_synthetic

from noisescale.laws.collapse import fit_collapse
from noisescale.laws.exponents import fit_exponent
from noisescale.laws.peak_fit import fit_peak
from noisescale.laws.peaks import Peaks, find_peaks
from noisescale.laws.scaling import fit_scaling_laws, laws_stage
from noisescale.results.scaling_laws import CensoredCurve, Reason, ScalingLaws, Side
from noisescale.study.experiments import LAWS

SIMULATIONS = int(os.environ.get("NOISESCALE_SIMULATIONS", "200"))
CONFIDENCE = 0.95
SIZES = np.array([1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000])


def peak_table(batch_opt, reasons=None, sides=None, bounds=None) -> pd.DataFrame:
    """Peaks as `find_peaks` gives them; those with a side are censored at their bound."""
    reasons = reasons or [""] * len(batch_opt)
    return pd.DataFrame(
        {
            "batch_opt": batch_opt,
            "batch_argmax": np.round(batch_opt),
            "censored": [reason != "" for reason in reasons],
            "reason": reasons,
            "side": sides or [0] * len(batch_opt),
            "bound": bounds or [np.nan] * len(batch_opt),
            "n_seeds": 10,
        }
    )


def exponent(x, table, draws):
    return fit_exponent("learning_rate", "", x, Peaks(table, draws), CONFIDENCE)


def test_a_power_law_is_fitted_as_by_statsmodels():
    random = np.random.default_rng(0)
    x = np.array([0.02, 0.05, 0.1, 0.3, 1.0])
    y = 30 * x**0.8 * np.exp(random.normal(0, 0.2, 5))
    fit = exponent(x, peak_table(y), np.tile(y, (300, 1)))
    expected = sm.OLS(np.log(y), sm.add_constant(np.log(x))).fit()
    assert fit.slope == pytest.approx(expected.params[1])
    assert [fit.fit_low, fit.fit_high] == pytest.approx(list(expected.conf_int()[1]))
    assert fit.r_squared == pytest.approx(expected.rsquared)
    assert fit.prefactor == pytest.approx(np.exp(expected.params[0]))


@pytest.mark.parametrize("exponents", [(1, 1, 1), (0.6, 0.8, 0.5), (1.2, 0.5, 0.9)])
def test_exponents_are_recovered_from_runs_without_noise(exponents):
    study = synthetic_study(seeds=3, bootstrap=100)
    runs = synthetic_runs(study, noise=0, exponents=exponents)
    laws = fit_scaling_laws(study, runs).exponents
    for name, true in zip(LAWS, exponents, strict=True):
        assert laws[name].slope == pytest.approx(true, abs=0.06)
        assert laws[name].r_squared > 0.99
        assert laws[name].low < true < laws[name].high
        assert laws[name].theory_inside == (laws[name].low <= 1 <= laws[name].high)


SETTINGS = list(itertools.product([1.0, 0.6], [0.0015, 0.003], [1.0, 10.0]))
"""True exponent, noise of an accuracy, largest learning rate: with 10 its peak is censored."""


@cache
def simulated(true, noise, largest_rate):
    """Laws of studies of some learning rates, whose small batches diverge; paired seeds."""
    random = np.random.default_rng(2)
    rates = np.array([0.03, 0.1, 0.3, 1.0, largest_rate][: 4 + (largest_rate > 1)])
    counts = random.multinomial(10, np.full(10, 0.1), size=300)
    laws = []
    for _ in range(SIMULATIONS):
        seed_effect = random.normal(0, 0.01, (10, 1))
        # Where the peaks lie between the points of the grid is a matter of chance, too.
        chosen = rates * np.exp2(random.uniform(-0.5, 0.5, len(rates)) / true)
        fits = []
        for rate in chosen:
            octaves = np.log2(SIZES / (24 * (rate / 0.1) ** true))
            curve = 0.88 + 0.02 * np.exp(-0.5 * (octaves / 2.5) ** 2)
            accuracy = curve + seed_effect + random.normal(0, noise, (10, len(SIZES)))
            diverged = np.tile(octaves < -2.5, (10, 1))
            fits.append(fit_peak(SIZES, np.where(diverged, 0.1, accuracy), diverged, counts))
        at = [fit.at(CONFIDENCE) for fit in fits]
        table = peak_table(
            [fit.batch_opt for fit in fits],
            [one.reason for one in at],
            [one.side for one in at],
            [one.bound for one in at],
        )
        draws = np.array([fit.resamples.batch_opt.values for fit in fits]).T
        laws.append(exponent(chosen, table, draws))
    return [law for law in laws if law.slope is not None]


@pytest.mark.parametrize(("true", "noise", "largest_rate"), SETTINGS)
def test_exponents_are_unbiased_and_their_interval_covers_the_true_one(true, noise, largest_rate):
    laws = simulated(true, noise, largest_rate)
    inside = np.mean([law.low <= true <= law.high for law in laws])
    slopes = [law.slope for law in laws]
    print(
        f"exponent {true}, noise {noise}, ε to {largest_rate}: {len(laws)} of {SIMULATIONS} with "
        f"an estimate, {inside:.3f} inside, bias {np.mean(slopes) - true:+.3f}, standard error "
        f"{np.std(slopes):.3f}"
    )
    assert len(laws) >= 0.9 * SIMULATIONS
    assert inside >= 0.9
    assert abs(np.mean(slopes) - true) < np.std(slopes)
    assert np.median([law.high - law.low for law in laws]) < 1


def test_the_interval_of_an_exponent_has_about_its_nominal_coverage():
    laws = [(true, law) for true, *rest in SETTINGS for law in simulated(true, *rest)]
    inside = np.mean([law.low <= true <= law.high for true, law in laws])
    print(f"{len(laws)} simulations: {inside:.3f} inside")
    assert 0.90 <= inside <= 0.99


def test_censored_peaks_are_left_out_and_named():
    x = np.array([1.0, 2, 4, 8, 16])
    table = peak_table(x * 3, ["", "", "", "edge", "flat"])
    table.loc[3:, "batch_opt"] = 1000.0
    fit = exponent(x, table, np.tile(table["batch_opt"], (300, 1)))
    assert fit.slope == pytest.approx(1) and fit.r_squared == pytest.approx(1)
    assert (fit.n_points, fit.n_censored) == (3, 2)
    assert fit.censored == (
        CensoredCurve(8.0, Reason.EDGE, Side.UNKNOWN),
        CensoredCurve(16.0, Reason.FLAT, Side.UNKNOWN),
    )
    assert fit.n_bounds == 0


def test_a_censored_peak_enters_the_fit_as_a_bound():
    x = np.array([1.0, 2, 4, 8, 16])
    y = np.array([3.3, 5.6, 12.5, 20.0, 20.0])
    reasons, sides = ["", "", "", "edge", "edge"], [0, 0, 0, 1, 1]
    bounds = [np.nan] * 3 + [20.0, 20.0]
    draws = np.tile(y, (300, 1))
    bounded = exponent(x, peak_table(y, reasons, sides, bounds), draws)
    without = exponent(x, peak_table(y, reasons), draws)
    as_points = exponent(x, peak_table(y), draws)
    assert bounded.n_bounds == 2 and bounded.n_points == 3
    assert as_points.slope < 0.8 < 0.9 < without.slope <= bounded.slope < 1.1


def test_two_usable_peaks_are_too_few_for_an_exponent():
    x = np.array([1.0, 2, 4])
    fit = exponent(x, peak_table(x, ["", "", "flat"]), np.tile(x, (300, 1)))
    assert fit.slope is fit.low is fit.theory_inside is fit.line is None
    assert fit.note == "no estimate: 2 of 3 curves have a usable peak, at least 3 are needed"


def test_the_line_is_the_fit_and_lies_in_its_band():
    x = np.array([1.0, 2, 4, 8])
    draws = 3 * x * np.exp(np.random.default_rng(3).normal(0, 0.2, (300, 4)))
    line = exponent(x, peak_table(3 * x), draws).line
    assert line.batch_opt == pytest.approx([3 * at for at in line.x])
    triples = zip(line.low, line.batch_opt, line.high, strict=True)
    assert all(low < middle < high for low, middle, high in triples)


def test_each_variant_has_its_own_law():
    study = synthetic_study(seeds=3, bootstrap=50)
    rates = study.experiments["learning_rate"]
    axes = rates.axes | {"hidden": ["100", "400"], "seeds": [0, 1, 2]}
    study = replace(
        study, experiments={"learning_rate": replace(rates, axes=axes, batch_size=OCTAVES)}
    )
    laws = fit_scaling_laws(study, synthetic_runs(study, noise=0.001)).exponents
    assert list(laws) == ["learning_rate (hidden 100)", "learning_rate (hidden 400)"]
    assert laws["learning_rate (hidden 400)"].variant == "hidden 400"


def test_curves_of_one_noise_scale_collapse():
    study = synthetic_study()

    def collapse(**options):
        peaks = find_peaks(study, synthetic_runs(study, noise=0.001, **options))
        return fit_collapse(peaks, CONFIDENCE)

    collapsed, apart = collapse(), collapse(exponents=(0.2, 1, 0.2))
    assert [law.train_size for law in collapsed] == [1000]
    assert collapsed[0].ratio_high < 0.4 < 1 < apart[0].ratio_low
    assert collapsed[0].noise_scale_low < 61.5 < collapsed[0].noise_scale_high


def test_a_curve_of_two_experiments_counts_once_in_the_collapse():
    study = synthetic_study(bootstrap=50)
    peaks = find_peaks(study, synthetic_runs(study, noise=0.001))
    table = peaks.table
    chosen = table[table["experiment"].isin(["learning_rate", "momentum"]) & ~table["censored"]]
    assert fit_collapse(peaks, CONFIDENCE)[0].n_curves == len(chosen) - 1
    nothing = Peaks(table.assign(censored=True), peaks.draws)
    assert fit_collapse(nothing, CONFIDENCE) == ()


def test_the_file_has_the_laws_as_strict_json(tmp_path):
    study = write_synthetic(tmp_path, synthetic_study(seeds=3, bootstrap=50))
    paths = tmp_path / "study.json", tmp_path / "runs.parquet", tmp_path / "scaling_laws.json"
    laws_stage(*paths)
    first = paths[2].read_text()
    laws_stage(*paths)
    assert paths[2].read_text() == first

    def refuse(constant):
        raise AssertionError(constant)

    laws = json.loads(first, parse_constant=refuse)
    assert laws["schema_version"] == 2
    assert laws["statistics"] == {"bootstrap": 50, "confidence": 0.95}
    assert {peak["experiment"] for peak in laws["peaks"]} <= set(study.experiments)
    assert set(laws["exponents"]) == set(LAWS)


def test_a_single_seed_gives_peaks_without_intervals_and_no_exponent():
    study = synthetic_study(seeds=1, bootstrap=50)
    laws = fit_scaling_laws(study, synthetic_runs(study))
    assert all(peak.reason is Reason.ONE_SEED for peak in laws.peaks)
    assert all(peak.batch_opt_low is None for peak in laws.peaks)
    assert all("0 of" in law.note for law in laws.exponents.values())
    assert ScalingLaws.from_json(laws.to_json()) == laws
