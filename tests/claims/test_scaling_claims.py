"""Verdicts follow the data: true claims are supported, false ones are not, noise is undecided."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from helpers.synthetic import synthetic_evidence, synthetic_runs, synthetic_study

from noisescale.claims.claim import Verdict, verdict
from noisescale.claims.evaluate import all_claims
from noisescale.claims.generalization_gap import measure_weight_decay_gap, weight_decay_claim
from noisescale.claims.scaling import (
    fixed_epochs_claim,
    is_proportional,
    measure_largest_batches,
)
from noisescale.laws.exponents import fit_exponent
from noisescale.laws.peaks import Peaks
from noisescale.laws.scaling import fit_scaling_laws
from noisescale.results.load import Results
from noisescale.results.selection import final_rows
from noisescale.statistics.estimate import Estimate

STUDY = synthetic_study(bootstrap=200)


def evaluated(study=STUDY, evidence=None, **options) -> dict:
    """The claims on made-up results, by name."""
    runs = synthetic_runs(study, **options)
    evidence = synthetic_evidence(study) if evidence is None else evidence
    found = all_claims(Results(study, runs, evidence, fit_scaling_laws(study, runs)))
    return {claim.name: claim for claim in found}


def test_where_the_theory_holds_every_claim_is_supported():
    found = evaluated(noise=0.0005)
    assert {name: claim.verdict for name, claim in found.items()} == dict.fromkeys(
        found, Verdict.SUPPORTED
    )
    assert len(found) == 11
    figures = {claim.figure.split("_")[0] for claim in found.values()}
    assert figures == {f"fig{number}" for number in range(1, 10)} | {"collapse"}


def test_claims_state_their_number_of_seeds():
    for claim in evaluated(noise=0.002).values():
        assert "10 seeds" in claim.measured or claim.figure == "collapse"
        assert claim.criterion.endswith(".") and claim.paper.endswith(".")


def test_other_exponents_do_not_support_proportionality():
    found = evaluated(noise=0.0005, exponents=(0.5, 0.5, 0.5))
    assert found["B_opt ∝ ε"].verdict == Verdict.NOT_SUPPORTED
    assert found["B_opt ∝ 1/(1 − m)"].verdict == Verdict.NOT_SUPPORTED
    # The paper claims proportionality to N for N far larger than these.
    assert found["B_opt ∝ N"].verdict == Verdict.UNDECIDED


PERFECT_FIT = fit_exponent(
    "learning_rate",
    "",
    np.array([1.0, 2, 4, 8]),
    Peaks(
        pd.DataFrame({"batch_opt": [3.0, 6, 12, 24], "batch_argmax": [3, 6, 12, 24]}).assign(
            censored=False, reason="", side=0, bound=np.nan, n_seeds=10
        ),
        np.tile([3.0, 6, 12, 24], (50, 1)),
    ),
    0.95,
)


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
    fit = replace(PERFECT_FIT, low=seeds[0], high=seeds[1], fit_low=scatter[0], fit_high=scatter[1])
    assert is_proportional(fit) is expected


def test_large_batches_that_have_not_finished_leave_fixed_epochs_undecided():
    runs = synthetic_runs(STUDY, noise=0.002)
    laws = fit_scaling_laws(STUDY, runs)
    full = runs["batch_size"] == runs["train_size"]
    for accuracy, expected in ((1.0, Verdict.SUPPORTED), (0.938, Verdict.UNDECIDED)):
        runs.loc[full, "train_accuracy"] = accuracy
        largest = measure_largest_batches(STUDY, final_rows(runs), "fixed_epochs")
        claim = fixed_epochs_claim(laws.peaks_of("fixed_epochs"), largest)
        assert claim.verdict == expected
        assert ("not finished training" in claim.measured) == (expected == Verdict.UNDECIDED)


def test_weight_decay_is_decided_only_where_the_sweep_passes_the_full_batchs_best():
    runs = synthetic_runs(STUDY, noise=0.0005)
    finals = final_rows(runs)
    strongest = (finals["weight_decay"] == 0.01) & (finals["batch_size"] == finals["train_size"])
    for lift, expected in (
        (0.0, Verdict.SUPPORTED),
        (0.012, Verdict.UNDECIDED),
        (0.1, Verdict.NOT_SUPPORTED),
    ):
        lifted = finals.assign(test_accuracy=finals["test_accuracy"] + lift * strongest)
        claim = weight_decay_claim(measure_weight_decay_gap(STUDY, lifted))
        assert claim.verdict == expected
        assert ("A stronger one might" in claim.measured) == (expected != Verdict.SUPPORTED)
    sweep = STUDY.experiments["weight_decay"]
    single = replace(sweep, axes=sweep.axes | {"weight_decay": [0.001]})
    study = replace(STUDY, experiments={"weight_decay": single})
    assert measure_weight_decay_gap(study, finals).verdict == Verdict.UNDECIDED


def test_curves_that_only_fall_have_no_optimum():
    found = evaluated(noise=0.0005, batch_opt=0.25)
    assert found["An optimum batch size"].verdict == Verdict.NOT_SUPPORTED
    assert found["B_opt ∝ ε"].verdict == Verdict.UNDECIDED
    assert "no estimate" in found["B_opt ∝ ε"].measured


def test_an_optimum_below_the_range_is_undecided():
    curve = replace(STUDY.experiments["batch_size"], batch_size=[32, 64, 128, 256, "full"])
    study = replace(STUDY, experiments={"batch_size": curve}, evidence=None)
    runs = synthetic_runs(study, noise=0.0005, batch_opt=4)
    (claim,) = all_claims(Results(study, runs, None, fit_scaling_laws(study, runs)))
    assert claim.verdict == Verdict.UNDECIDED and "edge" in claim.measured


def test_a_flat_curve_has_no_gap_and_no_optimum():
    found = evaluated(noise=0.0005, gap=0.0)
    assert found["An optimum batch size"].verdict == Verdict.NOT_SUPPORTED
    assert found["The generalization gap"].verdict != Verdict.SUPPORTED


def test_noise_leaves_claims_undecided():
    found = evaluated(noise=0.03)
    assert found["An optimum batch size"].verdict == Verdict.UNDECIDED


def test_one_seed_decides_nothing_about_training():
    found = evaluated(synthetic_study(seeds=1, bootstrap=50))
    assert all(claim.verdict == Verdict.UNDECIDED for claim in found.values())


def test_random_labels_that_generalize_contradict_the_first_claim():
    evidence = synthetic_evidence(STUDY)
    evidence.loc[evidence["label_noise"] == 1, "test_accuracy"] = 0.8
    name = "Memorization and generalization"
    assert evaluated(evidence=evidence)[name].verdict == Verdict.NOT_SUPPORTED


def test_minima_three_decades_apart_contradict_the_second_claim():
    evidence = synthetic_evidence(STUDY)
    x = np.log10(evidence["prior_precision"])
    ratio = "log_evidence_ratio_per_example"
    evidence.loc[evidence["label_noise"] == 0, ratio] = (x + 3) ** 2 / 100 - 0.6
    claim = evaluated(evidence=evidence)["Evidence and test cross-entropy"]
    assert claim.verdict == Verdict.NOT_SUPPORTED and "at λ = 0.001;" in claim.measured


def test_evidence_for_memorized_noise_contradicts_the_claim():
    evidence = synthetic_evidence(STUDY)
    evidence.loc[evidence["label_noise"] == 1, "log_evidence_ratio_per_example"] = -0.1
    assert (
        evaluated(evidence=evidence)["Evidence of random labels"].verdict == Verdict.NOT_SUPPORTED
    )


def test_experiments_that_a_study_lacks_have_no_claim():
    chosen = {"weight_decay": STUDY.experiments["weight_decay"]}
    study = replace(STUDY, experiments=chosen, evidence=None)
    runs = synthetic_runs(study)
    found = all_claims(Results(study, runs, None, fit_scaling_laws(study, runs)))
    assert [claim.figure for claim in found] == ["fig8_weight_decay"]
    assert all_claims(Results(study, None, None, None)) == []


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ((True, True), Verdict.SUPPORTED),
        ((True, None), Verdict.UNDECIDED),
        ((None, False), Verdict.NOT_SUPPORTED),
        ((), Verdict.UNDECIDED),
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
