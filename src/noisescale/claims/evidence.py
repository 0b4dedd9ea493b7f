"""Claims about the evidence of a linear model on true and on random labels (figures 1 and 2)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from noisescale.claims.claim import Claim, Verdict, verdict
from noisescale.statistics.bootstrap import (
    FloatArray,
    IntArray,
    means,
    resample_counts,
    seed_matrix,
)
from noisescale.statistics.estimate import Estimate, estimate, estimate_from_draws, power_of_ten
from noisescale.study.model import Statistics

MEMORIZED = 0.99
"""Training accuracy from which random labels count as memorized."""
CHANCE = (0.45, 0.55)
"""Test accuracy that counts as guessing between two classes."""
GENERALIZES = 0.9
"""Test accuracy from which a model of two classes counts as generalizing."""
DEPARTS = 0.9 * np.log(2)
"""Training cross-entropy (nats) below which a model does more than guess."""
ONE_DECADE = 1 + 1e-9
"""Largest distance of two minima in decades of λ, with room for rounding."""


@dataclass(frozen=True)
class Memorization:
    """Accuracies at the weakest prior.

    Attributes
    ----------
    prior_precision
        The λ of the weakest prior.
    random_train, random_test
        Accuracy on random labels, in training and in test.
    true_test
        Test accuracy on the true labels.
    n_seeds
        Number of seeds of the random labels.
    """

    prior_precision: float
    random_train: Estimate
    random_test: Estimate
    true_test: Estimate
    n_seeds: int

    @property
    def verdict(self) -> Verdict:
        """Whether the model memorizes random labels and generalizes on true labels."""
        return verdict(
            self.random_train.above(MEMORIZED),
            self.random_test.above(CHANCE[0]),
            self.random_test.below(CHANCE[1]),
            self.true_test.above(GENERALIZES),
        )


@dataclass(frozen=True)
class EvidenceMinima:
    """Where evidence and test cross-entropy have their minima on true labels.

    Attributes
    ----------
    lowest_ratio
        The lowest log evidence ratio, in nats per example.
    ratio_at, loss_at
        The λ of the lowest log evidence ratio, and of the lowest test cross-entropy.
    distance
        Their distance in decades.
    n_seeds
        Number of seeds.
    """

    lowest_ratio: Estimate
    ratio_at: float
    loss_at: float
    distance: Estimate
    n_seeds: int

    @property
    def verdict(self) -> Verdict:
        """Whether the model is favoured over guessing and the minima are close."""
        return verdict(self.lowest_ratio.below(0), self.distance.below(ONE_DECADE))


@dataclass(frozen=True)
class RandomLabelEvidence:
    """The evidence of random labels where the model does more than guess.

    Attributes
    ----------
    n_departing
        Number of λ at which the model departs from guessing.
    lowest_ratio
        The lowest log evidence ratio there, in nats per example; None where there is no such λ.
    n_seeds
        Number of seeds.
    """

    n_departing: int
    lowest_ratio: Estimate | None
    n_seeds: int

    @property
    def verdict(self) -> Verdict:
        """Whether the evidence never favours such a model."""
        return verdict() if self.lowest_ratio is None else verdict(self.lowest_ratio.above(0))


def evidence_claims(evidence: pd.DataFrame, statistics: Statistics) -> list[Claim]:
    """Return the claims that an evidence sweep can evaluate.

    Parameters
    ----------
    evidence
        Columns as in `schemas.EVIDENCE`. The task of true labels has `label_noise` 0, that of
        random labels 1; a claim without its task is left out.
    statistics
        Number of resamples and level of the intervals.

    Returns
    -------
    list of Claim
        At most three.
    """
    true = evidence[evidence["label_noise"] == 0]
    random = evidence[evidence["label_noise"] == 1]
    found = []
    if len(true) and len(random):
        found.append(memorization_claim(measure_memorization(true, random, statistics)))
    if len(true):
        found.append(minima_claim(measure_minima(true, statistics)))
    if len(random):
        found.append(random_label_claim(measure_random_labels(random, statistics)))
    return found


def measure_memorization(
    true: pd.DataFrame, random: pd.DataFrame, statistics: Statistics
) -> Memorization:
    """Return the accuracies at the weakest prior.

    Parameters
    ----------
    true, random
        Rows of the evidence table: those of true labels, and of random labels.
    statistics
        Number of resamples and level of the intervals.
    """
    weakest = float(random["prior_precision"].min())

    def at_weakest(rows: pd.DataFrame, column: str) -> Estimate:
        rows = rows[rows["prior_precision"] == weakest]
        _, seeds, values = seed_matrix(rows, ["prior_precision"], column)
        return estimate(values[:, 0], resample_counts(seeds, statistics), statistics.confidence)

    return Memorization(
        prior_precision=weakest,
        random_train=at_weakest(random, "train_accuracy"),
        random_test=at_weakest(random, "test_accuracy"),
        true_test=at_weakest(true, "test_accuracy"),
        n_seeds=random["seed"].nunique(),
    )


def memorization_claim(found: Memorization) -> Claim:
    """Return the claim of figure 1."""
    return Claim(
        name="Memorization and generalization",
        figure="fig1_memorization",
        paper="A small linear model memorizes random labels, yet generalizes on the true labels of "
        "the same inputs.",
        measured=f"At the weakest prior (λ = {power_of_ten(found.prior_precision)}): random labels "
        f"{found.random_train.percent()} accuracy in training and {found.random_test.percent()} in "
        f"test; true labels {found.true_test.percent()} in test ({found.n_seeds} seeds).",
        criterion=f"Random labels: training accuracy above {MEMORIZED:.0%}, test accuracy from "
        f"{CHANCE[0]:.0%} to {CHANCE[1]:.0%}. True labels: test accuracy above "
        f"{GENERALIZES:.0%}. The whole interval must satisfy each.",
        verdict=found.verdict,
    ).with_number(found.true_test, "% test accuracy on true labels at the weakest prior", 100)


def measure_minima(true: pd.DataFrame, statistics: Statistics) -> EvidenceMinima:
    """Return the minima of log evidence ratio and test cross-entropy over λ.

    Parameters
    ----------
    true
        Rows of the evidence table of true labels.
    statistics
        Number of resamples and level of the intervals.
    """
    cells, seeds, ratio = seed_matrix(true, ["prior_precision"], "log_evidence_ratio_per_example")
    _, _, loss = seed_matrix(true, ["prior_precision"], "test_cross_entropy")
    decades = np.log10(cells["prior_precision"].to_numpy(dtype=float))
    counts, n_seeds = resample_counts(seeds, statistics), len(seeds)
    every_seed = np.ones((1, n_seeds))

    def minimum_at(counts: IntArray | FloatArray, values: FloatArray) -> FloatArray:
        return decades[means(values, counts).argmin(axis=1)]

    ratio_at, loss_at = minimum_at(every_seed, ratio)[0], minimum_at(every_seed, loss)[0]
    distances = np.abs(minimum_at(counts, ratio) - minimum_at(counts, loss))
    return EvidenceMinima(
        lowest_ratio=estimate_from_draws(
            ratio.mean(axis=0).min(),
            means(ratio, counts).min(axis=1),
            n_seeds,
            statistics.confidence,
        ),
        ratio_at=10**ratio_at,
        loss_at=10**loss_at,
        distance=estimate_from_draws(
            abs(ratio_at - loss_at), distances, n_seeds, statistics.confidence
        ),
        n_seeds=n_seeds,
    )


def minima_claim(found: EvidenceMinima) -> Claim:
    """Return the claim of figure 2 about the true labels."""
    return Claim(
        name="Evidence and test cross-entropy",
        figure="fig2_evidence",
        paper="On true labels the evidence favours the model over guessing, and its best "
        "regularization is close to the one with the lowest test cross-entropy.",
        measured=f"Lowest log evidence ratio {found.lowest_ratio.text()} nats per example, at "
        f"λ = {power_of_ten(found.ratio_at)}; lowest test cross-entropy at "
        f"λ = {power_of_ten(found.loss_at)}: "
        f"{found.distance.text(1)} decades apart ({found.n_seeds} seeds).",
        criterion="The lowest ratio is below 0, and the two minima are at most one decade of λ "
        "apart. The whole interval must satisfy each.",
        verdict=found.verdict,
    ).with_number(found.distance, "decades of λ between the two minima")


def measure_random_labels(random: pd.DataFrame, statistics: Statistics) -> RandomLabelEvidence:
    """Return the lowest log evidence ratio where the model departs from guessing.

    Parameters
    ----------
    random
        Rows of the evidence table of random labels.
    statistics
        Number of resamples and level of the intervals.
    """
    _, seeds, ratio = seed_matrix(random, ["prior_precision"], "log_evidence_ratio_per_example")
    _, _, loss = seed_matrix(random, ["prior_precision"], "train_cross_entropy")
    departs = loss.mean(axis=0) < DEPARTS
    lowest = None
    if departs.any():
        ratio = ratio[:, departs]
        lowest = estimate_from_draws(
            ratio.mean(axis=0).min(),
            means(ratio, resample_counts(seeds, statistics)).min(axis=1),
            len(seeds),
            statistics.confidence,
        )
    return RandomLabelEvidence(int(departs.sum()), lowest, len(seeds))


def random_label_claim(found: RandomLabelEvidence) -> Claim:
    """Return the claim of figure 2 about random labels."""
    if found.lowest_ratio is None:
        measured = "The model does not depart from guessing at any λ of the sweep"
    else:
        measured = (
            f"Over the {found.n_departing} values of λ at which the model departs from guessing, "
            f"the lowest log evidence ratio is {found.lowest_ratio.text(3)} nats per example"
        )
    return Claim(
        name="Evidence of random labels",
        figure="fig2_evidence",
        paper="On random labels the evidence never favours a model that departs from guessing.",
        measured=f"{measured} ({found.n_seeds} seeds).",
        criterion=f"Wherever the mean training cross-entropy is below 0.9 ln 2 = {DEPARTS:.2f} "
        "nats, the log evidence ratio is above 0 with its whole interval.",
        verdict=found.verdict,
    ).with_number(found.lowest_ratio, "nats per example, the lowest log evidence ratio")
