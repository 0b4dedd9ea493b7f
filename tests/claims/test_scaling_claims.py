"""Verdicts follow the data: what holds is supported, what fails is not, noise decides nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from helpers.synthetic import synthetic_evidence, synthetic_runs, synthetic_study

from noisescale.claims import scaling
from noisescale.claims.claim import NOT_SUPPORTED, SUPPORTED, UNDECIDED, verdict
from noisescale.claims.evaluate import all_claims
from noisescale.claims.generalization_gap import weight_decay_claim
from noisescale.claims.scaling import fixed_epochs_claim
from noisescale.laws.scaling import fit_scaling_laws
from noisescale.results.selection import final_rows
from noisescale.statistics.estimate import Estimate

STUDY = synthetic_study(bootstrap=200)


def judged(study=STUDY, evidence=None, **options) -> dict:
    """The claims on made-up results, by name."""
    runs = synthetic_runs(study, **options)
    evidence = synthetic_evidence(study) if evidence is None else evidence
    found = all_claims(study, runs, evidence, fit_scaling_laws(study, runs))
    return {claim.name: claim for claim in found}


def test_where_the_theory_holds_every_claim_is_supported():
    found = judged(noise=0.0005)
    assert {name: claim.verdict for name, claim in found.items()} == dict.fromkeys(found, SUPPORTED)
    assert len(found) == 11
    figures = {claim.figure.split("_")[0] for claim in found.values()}
    assert figures == {f"fig{number}" for number in range(1, 10)} | {"collapse"}


def test_claims_say_how_many_seeds_they_rest_on():
    for claim in judged(noise=0.002).values():
        assert "10 seeds" in claim.measured or claim.figure == "collapse"
        assert claim.criterion.endswith(".") and claim.paper.endswith(".")


def test_other_exponents_do_not_support_proportionality():
    found = judged(noise=0.0005, exponents=(0.5, 0.5, 0.5))
    assert found["B_opt ∝ ε"].verdict == NOT_SUPPORTED
    assert found["B_opt ∝ 1/(1 − m)"].verdict == NOT_SUPPORTED
    # The paper claims proportionality to N for N far larger than these.
    assert found["B_opt ∝ N"].verdict == UNDECIDED


@pytest.mark.parametrize(
    ("seeds", "scatter", "expected"),
    [
        ((0.01, 9), (0.9, 1.1), None),
        ((0.96, 0.98), (0.95, 0.99), True),
        ((0.9, 1.1), (0.5, 1.5), None),
        ((0.3, 0.6), (0.4, 0.5), False),
    ],
)
def test_only_a_narrow_interval_about_one_supports_proportionality(seeds, scatter, expected):
    fit = dict(zip(("low", "high", "fit_low", "fit_high"), (*seeds, *scatter), strict=True))
    fit |= {"slope": 1.0, "experiment": "learning_rate"}
    assert scaling._is_proportional(fit) is expected


def test_large_batches_that_have_not_finished_leave_fixed_epochs_undecided():
    runs = synthetic_runs(STUDY, noise=0.002)
    laws = fit_scaling_laws(STUDY, runs)
    full = runs["batch_size"] == runs["train_size"]
    for accuracy, expected in ((1.0, SUPPORTED), (0.938, UNDECIDED)):
        runs.loc[full, "train_accuracy"] = accuracy
        claim = fixed_epochs_claim(STUDY, final_rows(runs), laws)
        assert claim.verdict == expected
        assert ("not finished training" in claim.measured) == (expected == UNDECIDED)


def test_weight_decay_is_judged_only_where_the_sweep_goes_past_the_best_of_the_full_batch():
    runs = synthetic_runs(STUDY, noise=0.0005)
    finals = final_rows(runs)
    strongest = (finals["weight_decay"] == 0.01) & (finals["batch_size"] == finals["train_size"])
    for lift, expected in ((0.0, SUPPORTED), (0.012, UNDECIDED), (0.1, NOT_SUPPORTED)):
        lifted = finals.assign(test_accuracy=finals["test_accuracy"] + lift * strongest)
        claim = weight_decay_claim(STUDY, lifted)
        assert claim.verdict == expected
        assert ("A stronger one might" in claim.measured) == (expected != SUPPORTED)
    sweep = STUDY.experiments["weight_decay"]
    alone = replace(sweep, axes=sweep.axes | {"weight_decay": [0.001]})
    study = replace(STUDY, experiments={"weight_decay": alone})
    assert weight_decay_claim(study, finals).verdict == UNDECIDED


def test_curves_that_only_fall_have_no_optimum():
    found = judged(noise=0.0005, batch_opt=0.25)
    assert found["An optimum batch size"].verdict == NOT_SUPPORTED
    assert found["B_opt ∝ ε"].verdict == UNDECIDED
    assert "no estimate" in found["B_opt ∝ ε"].measured


def test_an_optimum_below_the_range_is_undecided():
    curve = replace(STUDY.experiments["batch_size"], batch_size=[32, 64, 128, 256, "full"])
    study = replace(STUDY, experiments={"batch_size": curve}, evidence=None)
    runs = synthetic_runs(study, noise=0.0005, batch_opt=4)
    (claim,) = all_claims(study, runs, None, fit_scaling_laws(study, runs))
    assert claim.verdict == UNDECIDED and "edge" in claim.measured


def test_a_flat_curve_has_no_gap_and_no_optimum():
    found = judged(noise=0.0005, gap=0.0)
    assert found["An optimum batch size"].verdict == NOT_SUPPORTED
    assert found["The generalization gap"].verdict != SUPPORTED


def test_noise_leaves_claims_undecided():
    found = judged(noise=0.03)
    assert found["An optimum batch size"].verdict == UNDECIDED


def test_one_seed_decides_nothing_about_training():
    found = judged(synthetic_study(seeds=1, bootstrap=50))
    assert all(claim.verdict == UNDECIDED for claim in found.values())


def test_random_labels_that_are_learnt_contradict_the_first_claim():
    evidence = synthetic_evidence(STUDY)
    evidence.loc[evidence["label_noise"] == 1, "test_accuracy"] = 0.8
    name = "Memorization and generalization"
    assert judged(evidence=evidence)[name].verdict == NOT_SUPPORTED


def test_minima_three_decades_apart_contradict_the_second_claim():
    evidence = synthetic_evidence(STUDY)
    x = np.log10(evidence["prior_precision"])
    ratio = "log_evidence_ratio_per_example"
    evidence.loc[evidence["label_noise"] == 0, ratio] = (x + 3) ** 2 / 100 - 0.6
    claim = judged(evidence=evidence)["Evidence and test cross-entropy"]
    assert claim.verdict == NOT_SUPPORTED and "at λ = 0.001;" in claim.measured


def test_evidence_for_memorized_noise_contradicts_the_claim():
    evidence = synthetic_evidence(STUDY)
    evidence.loc[evidence["label_noise"] == 1, "log_evidence_ratio_per_example"] = -0.1
    assert judged(evidence=evidence)["Evidence of random labels"].verdict == NOT_SUPPORTED


def test_experiments_that_are_left_out_are_passed_over():
    chosen = {"weight_decay": STUDY.experiments["weight_decay"]}
    study = replace(STUDY, experiments=chosen, evidence=None)
    runs = synthetic_runs(study)
    found = all_claims(study, runs, None, fit_scaling_laws(study, runs))
    assert [claim.figure for claim in found] == ["fig8_weight_decay"]
    assert all_claims(study, None, None, None) == []


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ((True, True), SUPPORTED),
        ((True, None), UNDECIDED),
        ((None, False), NOT_SUPPORTED),
        ((), UNDECIDED),
    ],
)
def test_a_claim_holds_when_all_its_parts_do(answers, expected):
    assert verdict(*answers) == expected


def test_an_interval_that_straddles_a_threshold_answers_neither_way():
    estimate = Estimate(0.5, 0.4, 0.6)
    assert estimate.above(0.3) is True and estimate.above(0.7) is False
    assert estimate.above(0.5) is None and estimate.below(0.5) is None
    assert estimate.below(0.7) is True and estimate.below(0.3) is False
    assert Estimate(0.5, np.nan, np.nan).above(0) is None
    assert estimate.points() == "50.00 points [40.00, 60.00]"
