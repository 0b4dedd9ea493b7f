"""The collapse: whether curves of different learning rate and momentum peak at one noise scale."""

from __future__ import annotations

import numpy as np
import pandas as pd

from noisescale.laws.joint import log2_noise_scale
from noisescale.laws.peaks import Peaks
from noisescale.results.scaling_laws import Collapse, optional_number
from noisescale.statistics.bootstrap import interval_of
from noisescale.study.experiments import COLLAPSE_EXPERIMENTS

MIN_CURVES = 3
"""Fewer curves have no spread worth comparing."""


def fit_collapse(peaks: Peaks, confidence: float) -> tuple[Collapse, ...]:
    """Compare how much the peaks vary in batch size and in noise scale.

    Parameters
    ----------
    peaks
        All peaks of a study. Those of the experiments learning_rate and momentum are used, unless
        they are censored; a curve that both experiments have counts once.
    confidence
        Level of the intervals. Since resampling adds noise to the peaks, the intervals of spreads
        tend to be too high rather than too low.

    Returns
    -------
    tuple of Collapse
        For each training set size with at least three curves. The ratio is 0 if one noise scale is
        the optimum of all curves.
    """
    table = peaks.table
    usable = table["experiment"].isin(COLLAPSE_EXPERIMENTS) & ~table["censored"].astype(bool)
    curves = table[usable].drop_duplicates(["setting", "learning_rate", "momentum", "train_size"])
    return tuple(
        _collapse(rows, peaks, confidence)
        for _, rows in curves.groupby("train_size")
        if len(rows) >= MIN_CURVES
    )


def _collapse(rows: pd.DataFrame, peaks: Peaks, confidence: float) -> Collapse:
    """Return the collapse of curves of one training set size."""
    batch = np.vstack([rows["batch_opt"], peaks.draws[:, rows.index]])
    log_g = log2_noise_scale(rows, batch)
    centre = np.exp2(log_g.mean(axis=1))
    in_batch, in_g = np.log2(batch).std(axis=1, ddof=1), log_g.std(axis=1, ddof=1)
    ratio = in_g / in_batch
    n_seeds = int(rows["n_seeds"].min())
    centre_interval = interval_of(centre[1:], n_seeds, confidence)
    ratio_interval = interval_of(ratio[1:], n_seeds, confidence)
    return Collapse(
        train_size=int(rows["train_size"].iloc[0]),
        n_curves=len(rows),
        spread_batch_opt=float(in_batch[0]),
        spread_noise_scale=float(in_g[0]),
        noise_scale=float(centre[0]),
        noise_scale_low=optional_number(centre_interval[0]),
        noise_scale_high=optional_number(centre_interval[1]),
        ratio=optional_number(ratio[0]),
        ratio_low=optional_number(ratio_interval[0]),
        ratio_high=optional_number(ratio_interval[1]),
    )
