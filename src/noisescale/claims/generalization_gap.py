"""Claims about the gap between small and full batches (figures 3 and 8)."""

from __future__ import annotations

import numpy as np
import pandas as pd

from noisescale.claims.claim import Claim, verdict
from noisescale.results.selection import experiment_rows
from noisescale.statistics.bootstrap import means, resamples, seed_matrix
from noisescale.statistics.estimate import estimate, estimate_from_draws
from noisescale.study.model import Study

TRAINED = 0.99
"""Training accuracy from which a training set counts as fitted."""


def _first_variant(study: Study, finals: pd.DataFrame, experiment: str) -> pd.DataFrame:
    """Return the rows of an experiment's first variant (most have one only)."""
    rows = experiment_rows(study, finals, experiment)
    return rows[rows["variant"] == rows["variant"].iloc[0]]


def generalization_gap_claim(study: Study, finals: pd.DataFrame) -> Claim:
    """Return the claim of figure 3, from the rows of final evaluations."""
    rows = _first_variant(study, finals, "generalization_gap")
    confidence = study.statistics.confidence
    cells, seeds, test = seed_matrix(rows, ["batch_size"], "test_accuracy")
    _, _, train = seed_matrix(rows, ["batch_size"], "train_accuracy")
    counts = resamples(seeds, study.statistics)
    gap = estimate(test[:, 0] - test[:, -1], counts, confidence)
    fits = [estimate(train[:, column], counts, confidence) for column in (0, -1)]
    small, large = cells["batch_size"].iloc[[0, -1]]
    return Claim(
        name="The generalization gap",
        figure="fig3_generalization_gap",
        paper="Small and full batches both fit the training set, and the small batch ends with the "
        "higher test accuracy.",
        measured=f"B = {small} ends {gap.points()} above B = {large}, paired over {len(seeds)} "
        f"seeds; training accuracy {fits[0].percent()} and {fits[1].percent()}.",
        criterion=f"Both training accuracies are above {TRAINED:.0%} and the paired difference "
        "is above 0, each with its whole interval.",
        verdict=verdict(gap.above(0), *(fit.above(TRAINED) for fit in fits)),
        **gap.headline("points of test accuracy above the largest batch", 100),
    )


def weight_decay_claim(study: Study, finals: pd.DataFrame) -> Claim:
    """Return the claim of figure 8, from the rows of final evaluations."""
    rows = _first_variant(study, finals, "weight_decay")
    small, large = rows["batch_size"].min(), rows["batch_size"].max()
    confidence = study.statistics.confidence
    curves = {
        size: seed_matrix(rows[rows["batch_size"] == size], ["weight_decay"], "test_accuracy")
        for size in (small, large)
    }
    cells, seeds, _ = curves[small]
    counts = resamples(seeds, study.statistics)

    def best(size: int, counts: np.ndarray) -> np.ndarray:
        return means(curves[size][2], counts).max(axis=1)

    everyone = np.ones((1, len(seeds)))
    difference = (best(small, everyone) - best(large, everyone))[0]
    draws = best(small, counts) - best(large, counts)
    gap = estimate_from_draws(difference, draws, len(seeds), confidence)
    full = curves[large][2]
    falls = _falls_at_the_end(full, counts, confidence)
    at = cells["weight_decay"].iloc[full.mean(axis=0).argmax()]
    return Claim(
        name="The gap under weight decay",
        figure="fig8_weight_decay",
        paper="L2 regularization does not close the gap between small and full batch (our reading "
        "of the appendix).",
        measured=f"At the best of {len(cells)} weight decays for each (full batch: {at:g}), "
        f"B = {small} ends {gap.points()} above B = {large} ({len(seeds)} seeds)."
        + ("" if falls else " A stronger one might do better for the full batch."),
        criterion="The difference of the best accuracies is above 0 with its whole interval. "
        "Undecided unless the full batch does worse at the strongest weight decay than at its "
        "best, with the whole interval as well.",
        verdict=verdict(gap.above(0), falls or None),
        **gap.headline("points of test accuracy above the largest batch", 100),
    )


def _falls_at_the_end(values: np.ndarray, counts: np.ndarray, confidence: float) -> bool:
    """Tell whether the last of some means is surely below the largest of those before it.

    Parameters
    ----------
    values : ndarray of shape (n_seeds, n_means)
    counts : ndarray of shape (n_resamples, n_seeds)
    """
    if values.shape[1] == 1:
        return False

    def drop(counts: np.ndarray) -> np.ndarray:
        found = means(values, counts)
        return found[:, :-1].max(axis=1) - found[:, -1]

    everyone = np.ones((1, len(values)))
    return (
        estimate_from_draws(drop(everyone)[0], drop(counts), len(values), confidence).above(0)
        is True
    )
