"""Evaluate the paper's claims, each by a rule that is written down with it.

A claim is "supported" when every quantity in it has its interval on the claimed side of
a fixed threshold, "not supported" when one of them has its interval on the other side, and
"undecided" otherwise. Claims about experiments that the study does not have are left out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import pandas as pd

from noisescale.claims.claim import Claim, Verdict
from noisescale.claims.evidence import evidence_claims
from noisescale.claims.generalization_gap import (
    generalization_gap_claim,
    measure_generalization_gap,
    measure_weight_decay_gap,
    weight_decay_claim,
)
from noisescale.claims.scaling import (
    fixed_epochs_claim,
    measure_largest_batches,
    one_noise_scale_claim,
    optimum_exists_claim,
    proportionality_claim,
)
from noisescale.laws.scaling import evaluate_at
from noisescale.results.load import Results
from noisescale.results.scaling_laws import ScalingLaws
from noisescale.results.selection import final_rows
from noisescale.study.experiments import EXPERIMENTS, LAWS
from noisescale.study.model import Study


@dataclass(frozen=True)
class _Trainings:
    """What claims about trainings are evaluated from: `finals` are rows of final evaluations."""

    study: Study
    finals: pd.DataFrame
    laws: ScalingLaws


def _generalization_gap(data: _Trainings) -> Claim:
    return generalization_gap_claim(measure_generalization_gap(data.study, data.finals))


def _optimum_exists(data: _Trainings) -> Claim:
    return optimum_exists_claim(data.laws.peaks_of("batch_size"))


def _proportionality(experiment: str) -> Callable[[_Trainings], Claim]:
    return lambda data: proportionality_claim(experiment, data.laws.exponents_of(experiment))


def _weight_decay(data: _Trainings) -> Claim:
    return weight_decay_claim(measure_weight_decay_gap(data.study, data.finals))


def _fixed_epochs(data: _Trainings) -> Claim:
    largest = measure_largest_batches(data.study, data.finals, "fixed_epochs")
    return fixed_epochs_claim(data.laws.peaks_of("fixed_epochs"), largest)


_CLAIM_OF: dict[str, Callable[[_Trainings], Claim]] = {
    "generalization_gap": _generalization_gap,
    "batch_size": _optimum_exists,
    **{experiment: _proportionality(experiment) for experiment in LAWS},
    "weight_decay": _weight_decay,
    "fixed_epochs": _fixed_epochs,
}
"""The claim about each experiment that the paper makes one about."""


def all_claims(results: Results) -> list[Claim]:
    """Return the claims that a study's results can evaluate, without adjusted verdicts.

    Parameters
    ----------
    results
        Runs and laws are needed for claims about trainings, evidence for those about evidence.

    Returns
    -------
    list of Claim
        In the order of the figures.

    Raises
    ------
    RecordError
        Runs of the study are missing.
    """
    study = results.study
    found = []
    if results.evidence is not None and study.evidence is not None:
        found += evidence_claims(results.evidence, study.statistics)
    if results.runs is not None and results.laws is not None:
        data = _Trainings(study, final_rows(results.runs), results.laws)
        for experiment in EXPERIMENTS:
            if experiment in study.experiments and experiment in _CLAIM_OF:
                found.append(_CLAIM_OF[experiment](data))
        if (claim := one_noise_scale_claim(results.laws.collapse)) is not None:
            found.append(claim)
    return found


def evaluate_claims(results: Results, confidence: float | None = None) -> list[Claim]:
    """Return the claims, each with its verdict and its adjusted verdict.

    Among k claims, the adjusted verdicts are those of intervals of level 1 − (1 − c)/k for the
    level c (Bonferroni's correction): the probability that any of them is wrong is at
    most that of a single one without the correction.

    Parameters
    ----------
    results
        See `all_claims`.
    confidence
        The level c of the intervals; that of the study by default. Nothing is fitted again: the
        intervals of the laws come from their stored draws.

    Returns
    -------
    list of Claim
        In the order of the figures.

    Raises
    ------
    RecordError
        Runs of the study are missing.

    Examples
    --------
    >>> import noisescale as ns
    >>> claims = ns.evaluate_claims(ns.load_results("docs/mnist"))
    >>> {claim.name: str(claim.verdict) for claim in claims}["The generalization gap"]
    'supported'
    """
    if confidence is not None:
        results = _at(results, confidence)
    claims = all_claims(results)
    level = 1 - (1 - results.study.statistics.confidence) / max(1, len(claims))
    adjusted = {claim.name: claim.verdict for claim in all_claims(_at(results, level))}
    # A claim for which the wider intervals leave no curve is undecided.
    return [
        replace(claim, adjusted_verdict=adjusted.get(claim.name, Verdict.UNDECIDED))
        for claim in claims
    ]


def _at(results: Results, confidence: float) -> Results:
    """Return results with their intervals at another level."""
    statistics = replace(results.study.statistics, confidence=confidence)
    laws = None if results.laws is None else evaluate_at(results.laws, confidence)
    return replace(results, study=replace(results.study, statistics=statistics), laws=laws)
