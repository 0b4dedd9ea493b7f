"""Claims about the evidence of a linear model on true and on random labels (figures 1 and 2)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from noisescale.claims.claim import Claim, verdict
from noisescale.statistics.bootstrap import means, resamples, seed_matrix
from noisescale.statistics.estimate import Estimate, estimate, estimate_from_draws, power_of_ten
from noisescale.study.model import Statistics

MEMORIZED = 0.99
"""Training accuracy from which random labels count as memorized."""
CHANCE = (0.45, 0.55)
"""Test accuracy that counts as guessing between two classes."""
GENERALIZES = 0.9
DEPARTS = 0.9 * np.log(2)
"""A model whose training cross-entropy (nats) is below it does more than guess."""
ONE_DECADE = 1 + 1e-9


def evidence_claims(evidence: pd.DataFrame, statistics: Statistics) -> list[Claim]:
    """Return the claims that an evidence sweep speaks to.

    Parameters
    ----------
    evidence
        Columns as in `schemas.EVIDENCE`. The task of true labels has `label_noise` 0, that of
        random labels 1; a claim without its task is left out.
    """
    true = evidence[evidence["label_noise"] == 0]
    random = evidence[evidence["label_noise"] == 1]
    found = []
    if len(true) and len(random):
        found.append(_memorization(true, random, statistics))
    if len(true):
        found.append(_minima(true, statistics))
    if len(random):
        found.append(_random_labels(random, statistics))
    return found


def _memorization(true: pd.DataFrame, random: pd.DataFrame, statistics: Statistics) -> Claim:
    weakest = random["prior_precision"].min()

    def at_weakest(rows: pd.DataFrame, column: str) -> Estimate:
        rows = rows[rows["prior_precision"] == weakest]
        _, seeds, values = seed_matrix(rows, ["prior_precision"], column)
        return estimate(values[:, 0], resamples(seeds, statistics), statistics.confidence)

    train, test = at_weakest(random, "train_accuracy"), at_weakest(random, "test_accuracy")
    real = at_weakest(true, "test_accuracy")
    return Claim(
        name="Memorization and generalization",
        figure="fig1_memorization",
        paper="A small linear model memorizes random labels, yet generalizes on the real labels of "
        "the same inputs.",
        measured=f"At the weakest prior (λ = {power_of_ten(weakest)}): random labels "
        f"{train.percent()} accuracy in training and {test.percent()} in test; "
        f"real labels {real.percent()} in test "
        f"({random['seed'].nunique()} seeds).",
        criterion=f"Random labels: training accuracy above {MEMORIZED:.0%}, test accuracy from "
        f"{CHANCE[0]:.0%} to {CHANCE[1]:.0%}. Real labels: test accuracy above "
        f"{GENERALIZES:.0%}. Each with its whole interval.",
        verdict=verdict(
            train.above(MEMORIZED),
            test.above(CHANCE[0]),
            test.below(CHANCE[1]),
            real.above(GENERALIZES),
        ),
        **real.headline("% test accuracy on real labels at the weakest prior", 100),
    )


def _minima(true: pd.DataFrame, statistics: Statistics) -> Claim:
    cells, seeds, ratio = seed_matrix(true, ["prior_precision"], "log_evidence_ratio_per_example")
    _, _, loss = seed_matrix(true, ["prior_precision"], "test_cross_entropy")
    decades = np.log10(cells["prior_precision"].to_numpy())
    counts, n_seeds = resamples(seeds, statistics), len(seeds)
    everyone = np.ones((1, n_seeds))

    def lowest(counts: np.ndarray, values: np.ndarray) -> np.ndarray:
        return decades[means(values, counts).argmin(axis=1)]

    best, best_loss = lowest(everyone, ratio)[0], lowest(everyone, loss)[0]
    apart = np.abs(lowest(counts, ratio) - lowest(counts, loss))
    distance = estimate_from_draws(abs(best - best_loss), apart, n_seeds, statistics.confidence)
    minimum = estimate_from_draws(
        ratio.mean(axis=0).min(),
        means(ratio, counts).min(axis=1),
        n_seeds,
        statistics.confidence,
    )
    return Claim(
        name="Evidence and test cross-entropy",
        figure="fig2_evidence",
        paper="On real labels the evidence favours the model over guessing, and its best "
        "regularization is close to the one with the lowest test cross-entropy.",
        measured=f"Lowest log evidence ratio {minimum.text()} nats per example, at "
        f"λ = {power_of_ten(10**best)}; lowest test cross-entropy at "
        f"λ = {power_of_ten(10**best_loss)}: "
        f"{distance.text(1)} decades apart ({n_seeds} seeds).",
        criterion="The lowest ratio is below 0, and the two minima are at most one decade of λ "
        "apart, each with its whole interval.",
        verdict=verdict(minimum.below(0), distance.below(ONE_DECADE)),
        **distance.headline("decades of λ between the two minima"),
    )


def _random_labels(random: pd.DataFrame, statistics: Statistics) -> Claim:
    _, seeds, ratio = seed_matrix(random, ["prior_precision"], "log_evidence_ratio_per_example")
    _, _, loss = seed_matrix(random, ["prior_precision"], "train_cross_entropy")
    departs = loss.mean(axis=0) < DEPARTS
    answers: list[bool | None] = []
    headline: dict[str, Any] = {}
    measured = "The model does not depart from guessing at any λ of the sweep"
    if departs.any():
        ratio = ratio[:, departs]
        lowest = estimate_from_draws(
            ratio.mean(axis=0).min(),
            means(ratio, resamples(seeds, statistics)).min(axis=1),
            len(seeds),
            statistics.confidence,
        )
        answers.append(lowest.above(0))
        headline = lowest.headline("nats per example, the lowest log evidence ratio")
        measured = (
            f"Over the {departs.sum()} values of λ at which the model departs from guessing, the "
            f"lowest log evidence ratio is {lowest.text(3)} nats per example"
        )
    return Claim(
        name="Evidence of random labels",
        figure="fig2_evidence",
        paper="On random labels the evidence never favours a model that departs from guessing.",
        measured=f"{measured} ({len(seeds)} seeds).",
        criterion=f"Wherever the mean training cross-entropy is below 0.9 ln 2 = {DEPARTS:.2f} "
        "nats, the log evidence ratio is above 0 with its whole interval.",
        verdict=verdict(*answers),
        **headline,
    )
