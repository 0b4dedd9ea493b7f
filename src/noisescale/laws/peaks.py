"""The optimum batch size of every curve of a study."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from noisescale.laws.peak_fit import ROUNDING, PeakAt, PeakFit, fit_peak
from noisescale.results.scaling_laws import (
    Peak,
    PeakResamples,
    Reason,
    optional_number,
    peak_table,
)
from noisescale.results.selection import experiment_rows, final_rows
from noisescale.statistics.bootstrap import FloatArray, resample_counts, seed_matrix
from noisescale.study.experiments import EXPERIMENTS
from noisescale.study.model import Statistics, Study
from noisescale.study.noise_scale import noise_scale
from noisescale.study.status import RunStatus

SETTING = ("hidden", "preprocessing", "weight_decay", "label_noise", "updates")
"""In addition to learning rate, training set size and momentum: what curves of one law share."""
MIN_BATCH_SIZES = 3
"""A curve with fewer points has no peak: small batch against full batch, for example."""


@dataclass(frozen=True)
class Peaks:
    """The peaks of a study's curves, as laws are fitted to them.

    Attributes
    ----------
    table
        One row per curve; columns as the fields of `Peak`, see `peak_table`.
    draws : ndarray of shape (n_resamples, n_curves)
        `batch_opt` in each bootstrap resample of the seeds; columns as the rows of `table`. Curves
        of one experiment share their resamples, so that row r is one draw of all of them.
    """

    table: pd.DataFrame
    draws: FloatArray

    @classmethod
    def of(cls, peaks: Sequence[Peak], stored: Sequence[PeakResamples]) -> Peaks:
        """Return peaks with their draws.

        Parameters
        ----------
        peaks, stored
            As in `ScalingLaws`.

        Returns
        -------
        Peaks
            Without peaks its `draws` have the shape (0, 0).
        """
        draws = [one.batch_opt.values for one in stored]
        return cls(peak_table(peaks), np.array(draws).T if draws else np.empty((0, 0)))


def find_peaks(study: Study, runs: pd.DataFrame) -> Peaks:
    """Return the optimum batch size of every curve with at least three batch sizes.

    Parameters
    ----------
    study
        Its experiments, and the level of the intervals.
    runs
        Columns as in `schemas.RUNS`.

    Returns
    -------
    Peaks
        A table with a row for each curve, and the bootstrap draws of its optimum.

    Raises
    ------
    RecordError
        Runs of the study are missing.

    Examples
    --------
    >>> import noisescale as ns
    >>> results = ns.load_results("docs/mnist")
    >>> peaks = ns.find_peaks(results.study, results.runs)
    >>> at = peaks.table.query("experiment == 'momentum' and not censored")
    >>> bool((at["batch_opt_low"] <= at["batch_opt"]).all())
    True
    """
    return Peaks.of(*fit_peaks(study, runs))


def fit_peaks(study: Study, runs: pd.DataFrame) -> tuple[list[Peak], list[PeakResamples]]:
    """Return the peak of every curve with at least three batch sizes.

    Parameters
    ----------
    study
        Its experiments, and the level of the intervals.
    runs
        Columns as in `schemas.RUNS`.

    Returns
    -------
    peaks, resamples
        The same number of each, see `ScalingLaws`.

    Raises
    ------
    RecordError
        Runs of the study are missing.
    """
    peaks, stored = [], []
    finals = final_rows(runs)
    for experiment in study.experiments:
        rows = experiment_rows(study, finals, experiment)
        swept = EXPERIMENTS[experiment].swept
        curve = ["variant"] if swept == "batch_size" else ["variant", swept]
        for _, points in rows.groupby(curve, sort=True):
            if points["batch_size"].nunique() >= MIN_BATCH_SIZES:
                peak, fit = _curve_peak(points, experiment, study.statistics)
                peaks.append(peak)
                stored.append(fit.resamples)
    return peaks, stored


def evaluate_peak(peak: Peak, stored: PeakResamples, confidence: float) -> Peak:
    """Return a peak with its intervals and its usability at another confidence.

    Parameters
    ----------
    peak, stored
        The peak at any confidence, and its draws.
    confidence
        The level that is asked for.

    Returns
    -------
    Peak
        As `find_peaks` gives it for a study of this level.
    """
    fit = PeakFit(
        batch_opt=peak.batch_opt,
        batch_argmax=peak.batch_argmax,
        accuracy=peak.accuracy,
        gap=peak.gap,
        edge_share=peak.edge_share,
        n_seeds=peak.n_seeds,
        resamples=stored,
    )
    at = fit.at(confidence)
    return replace(peak, **_at_confidence(at, peak.learning_rate, peak.train_size, peak.momentum))


def _curve_peak(
    points: pd.DataFrame, experiment: str, statistics: Statistics
) -> tuple[Peak, PeakFit]:
    points = points.assign(diverged=points["status"] == RunStatus.DIVERGED)
    cells, seeds, accuracy = seed_matrix(points, ["batch_size"], "test_accuracy")
    _, _, diverged = seed_matrix(points, ["batch_size"], "diverged")
    batch_sizes = cells["batch_size"].to_numpy()
    fit = fit_peak(batch_sizes, accuracy, diverged > 0, resample_counts(seeds, statistics))
    first = points.iloc[0]
    swept = EXPERIMENTS[experiment].swept
    at_best = points["batch_size"] == fit.batch_argmax
    learning_rate, train_size = float(first["learning_rate"]), int(first["train_size"])
    momentum = float(first["momentum"])
    peak = Peak(
        experiment=experiment,
        variant=first["variant"],
        axis=swept,
        value=None if swept == "batch_size" else float(first[swept]),
        learning_rate=learning_rate,
        train_size=train_size,
        momentum=momentum,
        setting=", ".join(f"{name} {first[name]}" for name in SETTING),
        batch_opt=fit.batch_opt,
        batch_argmax=fit.batch_argmax,
        noise_scale_opt=_noise_scale(fit.batch_opt, learning_rate, train_size, momentum),
        accuracy=fit.accuracy,
        gap=fit.gap,
        edge_share=fit.edge_share,
        train_accuracy=float(points.loc[at_best, "train_accuracy"].mean()),
        batch_min=int(batch_sizes[0]),
        batch_max=int(batch_sizes[-1]),
        n_batch_sizes=len(batch_sizes),
        n_seeds=len(seeds),
        n_diverged=int(diverged.sum()),
        batch_diverged=int(batch_sizes[diverged.any(axis=0)].max(initial=0)),
        **_at_confidence(fit.at(statistics.confidence), learning_rate, train_size, momentum),
    )
    return peak, fit


def _at_confidence(
    at: PeakAt, learning_rate: float, train_size: int, momentum: float
) -> dict[str, Any]:
    """Return the fields of `Peak` that depend on the confidence."""
    low, high = at.batch_opt_interval
    # g falls as B grows: the ends of the interval change places.
    intervals = {
        "batch_opt": (low, high),
        "batch_argmax": at.batch_argmax_interval,
        "noise_scale_opt": (
            _noise_scale(high, learning_rate, train_size, momentum),
            _noise_scale(low, learning_rate, train_size, momentum),
        ),
        "accuracy": at.accuracy_interval,
        "gap": at.gap_interval,
    }
    ends = {
        f"{name}_{end}": optional_number(number)
        for name, pair in intervals.items()
        for end, number in zip(("low", "high"), pair, strict=True)
    }
    return ends | {
        "censored": at.reason is not Reason.NONE,
        "reason": at.reason,
        "side": at.side,
        "bound": optional_number(at.bound),
    }


def _noise_scale(
    batch_size: float, learning_rate: float, train_size: int, momentum: float
) -> float:
    # 2 ** log2(N) may differ from N by a rounding error; at full batch there is no noise at all.
    if batch_size >= train_size * (1 - ROUNDING):
        return 0.0
    return noise_scale(learning_rate, train_size, batch_size, momentum)
