"""Claims about the gap between small and full batches (figures 3 and 8)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from noisescale.claims.claim import Claim, Verdict, verdict
from noisescale.laws.conditions import TRAINED
from noisescale.results.selection import experiment_rows
from noisescale.statistics.bootstrap import (
    FloatArray,
    IntArray,
    means,
    resample_counts,
    seed_matrix,
)
from noisescale.statistics.estimate import Estimate, estimate, estimate_from_draws
from noisescale.study.experiments import EXPERIMENTS
from noisescale.study.model import Study


@dataclass(frozen=True)
class GeneralizationGap:
    """Small against large batch.

    Attributes
    ----------
    small, large
        The batch sizes.
    gap
        Paired difference of their test accuracies, small minus large.
    train_small, train_large
        Their training accuracies.
    n_seeds
        Number of seeds.
    """

    small: int
    large: int
    gap: Estimate
    train_small: Estimate
    train_large: Estimate
    n_seeds: int

    @property
    def verdict(self) -> Verdict:
        """Whether both fit the training set and the small batch generalizes better."""
        return verdict(
            self.gap.above(0), self.train_small.above(TRAINED), self.train_large.above(TRAINED)
        )


@dataclass(frozen=True)
class WeightDecayGap:
    """Small against large batch, each at its best weight decay.

    Attributes
    ----------
    small, large
        The batch sizes.
    gap
        Difference of their highest mean test accuracies, small minus large.
    n_weight_decays
        How many weight decays were tried.
    best_for_large
        The weight decay at which the large batch has its highest mean test accuracy.
    falls
        Whether the large batch does significantly worse at the strongest weight decay than at its
        best one.
    n_seeds
        Number of seeds.
    """

    small: int
    large: int
    gap: Estimate
    n_weight_decays: int
    best_for_large: float
    falls: bool
    n_seeds: int

    @property
    def verdict(self) -> Verdict:
        """Whether a gap remains; undecided if a stronger weight decay might close it."""
        return verdict(self.gap.above(0), self.falls or None)


def _first_variant(study: Study, finals: pd.DataFrame, experiment: str) -> pd.DataFrame:
    """Return the rows of an experiment's first variant (most have only one)."""
    rows = experiment_rows(study, finals, experiment)
    return rows[rows["variant"] == rows["variant"].iloc[0]]


def measure_generalization_gap(study: Study, finals: pd.DataFrame) -> GeneralizationGap:
    """Return the gap between the smallest and the largest batch of the experiment.

    Parameters
    ----------
    study
        Has the experiment generalization_gap.
    finals
        The rows of final evaluations of all runs.
    """
    rows = _first_variant(study, finals, "generalization_gap")
    confidence = study.statistics.confidence
    cells, seeds, test = seed_matrix(rows, ["batch_size"], "test_accuracy")
    _, _, train = seed_matrix(rows, ["batch_size"], "train_accuracy")
    counts = resample_counts(seeds, study.statistics)
    return GeneralizationGap(
        small=int(cells["batch_size"].iloc[0]),
        large=int(cells["batch_size"].iloc[-1]),
        gap=estimate(test[:, 0] - test[:, -1], counts, confidence),
        train_small=estimate(train[:, 0], counts, confidence),
        train_large=estimate(train[:, -1], counts, confidence),
        n_seeds=len(seeds),
    )


def generalization_gap_claim(found: GeneralizationGap) -> Claim:
    """Return the claim of figure 3."""
    return Claim(
        name="The generalization gap",
        figure=EXPERIMENTS["generalization_gap"].figure,
        paper="Small and full batches both fit the training set, and the small batch ends with the "
        "higher test accuracy.",
        measured=f"B = {found.small} ends {found.gap.points()} above B = {found.large}, paired "
        f"over {found.n_seeds} seeds; training accuracy {found.train_small.percent()} and "
        f"{found.train_large.percent()}.",
        criterion=f"Both training accuracies are above {TRAINED:.0%} and the paired difference "
        "is above 0. The whole interval must satisfy each.",
        verdict=found.verdict,
    ).with_number(found.gap, "points of test accuracy above the largest batch", 100)


def measure_weight_decay_gap(study: Study, finals: pd.DataFrame) -> WeightDecayGap:
    """Return the gap between the smallest and the largest batch, each at its best weight decay.

    Parameters
    ----------
    study
        Has the experiment weight_decay.
    finals
        The rows of final evaluations of all runs.
    """
    rows = _first_variant(study, finals, "weight_decay")
    small, large = int(rows["batch_size"].min()), int(rows["batch_size"].max())
    confidence = study.statistics.confidence
    curves = {
        size: seed_matrix(rows[rows["batch_size"] == size], ["weight_decay"], "test_accuracy")
        for size in (small, large)
    }
    cells, seeds, _ = curves[small]
    counts = resample_counts(seeds, study.statistics)

    def difference(counts: IntArray | FloatArray) -> FloatArray:
        best = {size: means(values, counts).max(axis=1) for size, (*_, values) in curves.items()}
        return best[small] - best[large]

    observed = difference(np.ones((1, len(seeds))))[0]
    large_values = curves[large][2]
    return WeightDecayGap(
        small=small,
        large=large,
        gap=estimate_from_draws(observed, difference(counts), len(seeds), confidence),
        n_weight_decays=len(cells),
        best_for_large=float(cells["weight_decay"].iloc[large_values.mean(axis=0).argmax()]),
        falls=_falls_at_the_end(large_values, counts, confidence),
        n_seeds=len(seeds),
    )


def weight_decay_claim(found: WeightDecayGap) -> Claim:
    """Return the claim of figure 8."""
    return Claim(
        name="The gap under weight decay",
        figure=EXPERIMENTS["weight_decay"].figure,
        paper="L2 regularization does not close the gap between small and full batch (our reading "
        "of the appendix).",
        measured=f"At the best of {found.n_weight_decays} weight decays for each (full batch: "
        f"{found.best_for_large:g}), B = {found.small} ends {found.gap.points()} above "
        f"B = {found.large} ({found.n_seeds} seeds)."
        + ("" if found.falls else " A stronger one might do better for the full batch."),
        criterion="The difference of the best accuracies is above 0 with its whole interval. "
        "Undecided unless the full batch does worse at the strongest weight decay than at its "
        "best, also with the whole interval.",
        verdict=found.verdict,
    ).with_number(found.gap, "points of test accuracy above the largest batch", 100)


def _falls_at_the_end(values: FloatArray, counts: IntArray, confidence: float) -> bool:
    """Return whether the last of some means is significantly below the largest before it.

    Parameters
    ----------
    values : ndarray of shape (n_seeds, n_means)
    counts : ndarray of shape (n_resamples, n_seeds)
    confidence
        Level of the interval of the difference.
    """
    if values.shape[1] == 1:
        return False

    def drop(counts: IntArray | FloatArray) -> FloatArray:
        found = means(values, counts)
        return found[:, :-1].max(axis=1) - found[:, -1]

    observed = drop(np.ones((1, len(values))))[0]
    return estimate_from_draws(observed, drop(counts), len(values), confidence).above(0) is True
