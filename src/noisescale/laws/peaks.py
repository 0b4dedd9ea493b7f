"""The optimum batch size of every curve of a study."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from noisescale.laws.peak_fit import ROUNDING, PeakFit, fit_peak
from noisescale.results.selection import experiment_rows, final_rows
from noisescale.statistics.bootstrap import resamples, seed_matrix
from noisescale.study.grid import SWEPT, noise_scale
from noisescale.study.model import Statistics, Study

SETTING = ("hidden", "preprocessing", "weight_decay", "label_noise", "updates")
"""Beside learning rate, training set size and momentum: what one law for all curves must share."""
MIN_BATCH_SIZES = 3
"""Fewer points are no curve: small against full batch has no peak to find."""


@dataclass(frozen=True)
class Peaks:
    """The peaks of a study's curves.

    Attributes
    ----------
    table
        One row per curve with the columns

        ``experiment``, ``variant``, ``axis``, ``value``
            Which curve; `value` of the experiment's own axis (NaN where that is the batch size).
        ``learning_rate``, ``train_size``, ``momentum``
            The curve's setting.
        ``batch_opt``, ``batch_opt_low``, ``batch_opt_high``
            The smooth estimate of the optimum and its interval, see `peakfit`.
        ``batch_argmax``, ``batch_argmax_low``, ``batch_argmax_high``
            The paper's: the batch size of the best mean final test accuracy.
        ``noise_scale_opt``, ``noise_scale_opt_low``, ``noise_scale_opt_high``
            g at `batch_opt`, exact formula; 0 at full batch.
        ``accuracy``, ``accuracy_low``, ``accuracy_high``
            Test accuracy at the peak, of the smoothed curve.
        ``gap``, ``gap_low``, ``gap_high``
            Paired difference to the largest batch, the peak chosen on other seeds.
        ``censored``, ``reason``, ``edge_share``
            Whether the peak is unusable for a fit, why (see `PeakFit.reason`), and the share of
            resamples at an end of the range.
        ``side``, ``bound``
            What a censored peak tells nevertheless, see `PeakFit.side`: −1 where the optimum is at
            most the bound, 1 where it is at least that; 0 and NaN where nothing is known.
        ``setting``
            What else the runs have in common: `hidden`, `preprocessing` and so on, as text.
        ``train_accuracy``
            Mean over the seeds at `batch_argmax`: below 1 the training is not finished.
        ``batch_min``, ``batch_max``, ``n_batch_sizes``, ``n_seeds``, ``n_diverged``
            The data: range of B, and numbers (`n_diverged` counts runs).
        ``batch_diverged``
            The largest batch size at which a run diverged, 0 where none did.
    draws : ndarray of shape (n_resamples, n_curves)
        `batch_opt` in each bootstrap resample of the seeds; columns as the rows of `table`. Curves
        of one experiment share their resamples, so that row r is one draw of all of them.
    """

    table: pd.DataFrame
    draws: np.ndarray


def find_peaks(study: Study, runs: pd.DataFrame) -> Peaks:
    """Return the peak of every curve with at least three batch sizes.

    Parameters
    ----------
    runs
        Columns as in `schemas.RUNS`.

    Raises
    ------
    RecordError
        Wanted runs are missing.
    """
    found: list[tuple[dict, np.ndarray]] = []
    finals = final_rows(runs)
    for experiment in study.experiments:
        rows = experiment_rows(study, finals, experiment)
        axis = SWEPT[experiment]
        curve = ["variant"] if axis == "batch_size" else ["variant", axis]
        for _, points in rows.groupby(curve, sort=True):
            if points["batch_size"].nunique() >= MIN_BATCH_SIZES:
                found.append(_row(points, experiment, axis, study.statistics))
    table = pd.DataFrame([row for row, _ in found], columns=None if found else ["experiment"])
    draws = [draw for _, draw in found]
    return Peaks(table, np.array(draws).T if draws else np.empty((study.statistics.bootstrap, 0)))


def _row(
    points: pd.DataFrame, experiment: str, axis: str, statistics: Statistics
) -> tuple[dict, np.ndarray]:
    points = points.assign(diverged=points["status"] == "diverged")
    cells, seeds, accuracy = seed_matrix(points, ["batch_size"], "test_accuracy")
    _, _, diverged = seed_matrix(points, ["batch_size"], "diverged")
    batch_sizes = cells["batch_size"].to_numpy()
    counts = resamples(seeds, statistics)
    fit = fit_peak(batch_sizes, accuracy, diverged > 0, counts, statistics.confidence)
    first = points.iloc[0]
    row = {
        "experiment": experiment,
        "variant": first["variant"],
        "axis": axis,
        "value": np.nan if axis == "batch_size" else float(first[axis]),
        "learning_rate": float(first["learning_rate"]),
        "train_size": int(first["train_size"]),
        "momentum": float(first["momentum"]),
        "setting": ", ".join(f"{name} {first[name]}" for name in SETTING),
    }
    row |= _estimates(fit, row)
    row |= {
        "censored": bool(fit.reason),
        "reason": fit.reason,
        "edge_share": fit.edge_share,
        "side": fit.side,
        "bound": fit.bound,
        "train_accuracy": float(
            points.loc[points["batch_size"] == fit.batch_argmax, "train_accuracy"].mean()
        ),
        "batch_min": int(batch_sizes[0]),
        "batch_max": int(batch_sizes[-1]),
        "n_batch_sizes": len(batch_sizes),
        "n_seeds": len(seeds),
        "n_diverged": int(diverged.sum()),
        "batch_diverged": int(batch_sizes[diverged.any(axis=0)].max(initial=0)),
    }
    return row, fit.draws


def _estimates(fit: PeakFit, setting: dict) -> dict:
    """Return each estimate with its interval; g falls as B grows, so its ends change places."""

    def g(batch_size: float) -> float:
        value = noise_scale(
            setting["learning_rate"], setting["train_size"], batch_size, setting["momentum"]
        )
        # 2 ** log2(N) may be a rounding error off N: at full batch there is no noise at all.
        return 0.0 if batch_size >= setting["train_size"] * (1 - ROUNDING) else value

    low, high = fit.batch_opt_interval
    triples = {
        "batch_opt": (fit.batch_opt, low, high),
        "batch_argmax": (fit.batch_argmax, *fit.batch_argmax_interval),
        "noise_scale_opt": (g(fit.batch_opt), g(high), g(low)),
        "accuracy": (fit.accuracy, *fit.accuracy_interval),
        "gap": (fit.gap, *fit.gap_interval),
    }
    return {
        name + suffix: value
        for name, triple in triples.items()
        for suffix, value in zip(("", "_low", "_high"), triple, strict=True)
    }
