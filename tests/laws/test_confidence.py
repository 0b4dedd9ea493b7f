"""Laws at another confidence come from the stored draws, and equal those of fitting the runs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from helpers.synthetic import synthetic_evidence, synthetic_runs, synthetic_study

from noisescale.claims.evaluate import all_claims, evaluate_claims
from noisescale.laws.scaling import evaluate_at, fit_scaling_laws
from noisescale.results.load import Results
from noisescale.results.scaling_laws import Draws, Reason, ScalingLaws

CONFIDENCES = [0.5, 0.9, 0.99, 1 - 0.05 / 11, 0.99999]


def at_level(study, confidence):
    return replace(study, statistics=replace(study.statistics, confidence=confidence))


@pytest.fixture(scope="module", params=[0.003, 0.006])
def results(request):
    """Results of a noisy study: the wider the intervals, the more of its peaks are censored."""
    study = synthetic_study(seeds=5, bootstrap=100)
    runs = synthetic_runs(study, noise=request.param)
    return Results(study, runs, synthetic_evidence(study), fit_scaling_laws(study, runs))


@pytest.mark.parametrize("confidence", CONFIDENCES)
def test_laws_at_another_confidence_equal_those_that_are_fitted_at_it(results, confidence):
    fitted = fit_scaling_laws(at_level(results.study, confidence), results.runs)
    assert evaluate_at(results.laws, confidence) == fitted
    stored = ScalingLaws.from_json(results.laws.to_json())
    assert evaluate_at(stored, confidence).to_json() == fitted.to_json()


def test_a_stricter_confidence_censors_more_peaks(results):
    censored = [
        sum(peak.censored for peak in evaluate_at(results.laws, confidence).peaks)
        for confidence in CONFIDENCES
    ]
    assert censored == sorted(censored) and censored[0] < censored[-1]


def test_one_seed_has_no_interval_at_any_confidence():
    study = synthetic_study(seeds=1, bootstrap=20)
    laws = evaluate_at(fit_scaling_laws(study, synthetic_runs(study)), 0.5)
    assert all(peak.reason is Reason.ONE_SEED for peak in laws.peaks)
    assert all(peak.batch_opt_low is None and peak.gap_low is None for peak in laws.peaks)


def test_adjusted_verdicts_equal_those_of_fitting_at_the_corrected_confidence(results):
    claims = evaluate_claims(results)
    stricter = at_level(results.study, 1 - 0.05 / len(claims))
    laws = fit_scaling_laws(stricter, results.runs)
    fitted = {
        claim.name: claim.verdict
        for claim in all_claims(replace(results, study=stricter, laws=laws))
    }
    assert {claim.name: claim.adjusted_verdict for claim in claims} == {
        claim.name: fitted.get(claim.name, "undecided") for claim in claims
    }


def test_an_exponent_has_intervals_at_any_confidence(results):
    for fit in results.laws.exponents.values():
        if fit.estimate is None:
            assert fit.interval(0.99) is None
            continue
        assert fit.interval(0.95) == (fit.low, fit.high)
        wide, narrow = fit.interval(0.99), fit.interval(0.5)
        assert wide[0] <= fit.low <= narrow[0] <= narrow[1] <= fit.high <= wide[1]


def test_draws_are_stored_without_loss():
    values = np.random.default_rng(0).normal(size=9) * 10.0 ** np.arange(-4, 5)
    np.testing.assert_array_equal(Draws(Draws.of(values).float64).values, values)


def test_laws_of_an_earlier_version_are_refused_in_one_line(results, tmp_path):
    old = replace(results.laws, schema_version=1)
    old.write(tmp_path / "laws.json")
    expected = r"laws\.json: cannot be read \(ValueError: schema version 1, expected 2\); give"
    with pytest.raises(Exception, match=expected):
        ScalingLaws.read(tmp_path / "laws.json")


def test_a_key_that_is_missing_is_named_in_one_line(results, tmp_path):
    text = results.laws.to_json().replace('"edge_share"', '"edge_shares"', 1)
    text = "\n".join(line for line in text.splitlines() if '"digest"' not in line)
    (tmp_path / "laws.json").write_text(text.rstrip().removesuffix("}").rstrip().rstrip(",") + "}")
    with pytest.raises(Exception, match=r"laws\.json: .*peaks\.0\.edge_share") as error:
        ScalingLaws.read(tmp_path / "laws.json")
    assert "\n" not in str(error.value)
