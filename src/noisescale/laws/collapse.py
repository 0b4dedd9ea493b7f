"""The collapse: whether curves of different learning rate and momentum peak at one noise scale."""

from __future__ import annotations

from typing import Any

import numpy as np

from noisescale.laws.peaks import Peaks
from noisescale.statistics.bootstrap import interval
from noisescale.study.grid import noise_scale
from noisescale.study.model import Statistics

MIN_CURVES = 3


def fit_collapse(peaks: Peaks, statistics: Statistics) -> list[dict[str, Any]]:
    """Compare how much the peaks spread in batch size and in noise scale.

    Parameters
    ----------
    peaks
        Those of the experiments learning_rate and momentum are used, unless censored; a curve that
        both experiments have counts once.

    Returns
    -------
    list of dict
        For each training set size with at least three curves: ``train_size``, ``n_curves``;
        ``noise_scale``, ``noise_scale_low``, ``noise_scale_high``: geometric mean of g at the
        peaks; ``spread_batch_opt``, ``spread_noise_scale``: standard deviations of log2 B_opt and
        of log2 g, in octaves; ``ratio``, ``ratio_low``, ``ratio_high``: the second over the first,
        0 if one noise scale is the optimum of all curves. Intervals are of the joint bootstrap;
        as resampling adds noise to the peaks, those of spreads lie rather too high than too low.
    """
    table = peaks.table
    if table.empty:
        return []
    usable = table["experiment"].isin(["learning_rate", "momentum"]) & ~table["censored"]
    curves = table[usable].drop_duplicates(["setting", "learning_rate", "momentum", "train_size"])
    result = []
    for train_size, rows in curves.groupby("train_size"):
        if len(rows) < MIN_CURVES:
            continue
        batch = np.vstack([rows["batch_opt"], peaks.draws[:, rows.index]])
        g = noise_scale(
            rows["learning_rate"].to_numpy(), train_size, batch, rows["momentum"].to_numpy()
        )
        # At full batch g is 0; a resample may put a peak there.
        log_g = np.log2(np.maximum(g, np.finfo(float).tiny))
        centre = np.exp2(log_g.mean(axis=1))
        in_batch, in_g = np.log2(batch).std(axis=1, ddof=1), log_g.std(axis=1, ddof=1)
        record = {
            "train_size": int(train_size),
            "n_curves": len(rows),
            "spread_batch_opt": float(in_batch[0]),
            "spread_noise_scale": float(in_g[0]),
        }
        for name, values in {"noise_scale": centre, "ratio": in_g / in_batch}.items():
            low, high = interval(values[1:], int(rows["n_seeds"].min()), statistics.confidence)
            record |= {name: float(values[0]), f"{name}_low": low, f"{name}_high": high}
        result.append(record)
    return result
