"""Whether the evidence and the test cross-entropy agree on the best prior, for each seed."""

from __future__ import annotations

import numpy as np
import pandas as pd

from noisescale.statistics.bootstrap import seed_matrix, t_interval


def evidence_agreement(evidence: pd.DataFrame, confidence: float) -> pd.DataFrame:
    """Return how similarly the evidence and the test cross-entropy rank the priors.

    Parameters
    ----------
    evidence
        Columns as in `schemas.EVIDENCE`.
    confidence
        Level of Student's intervals over the seeds.

    Returns
    -------
    pandas.DataFrame
        One row per label noise, with columns as in `schemas.AGREEMENT`. ``decades``: mean of
        |log₁₀ λ_E − log₁₀ λ_H|, where the log evidence ratio and the test cross-entropy have their
        minima. ``rank_correlation``: mean of Spearman's coefficient of the two over all λ of a
        seed; null where one of the two does not vary. Ends of intervals are ``_low`` and ``_high``,
        null with one seed.
    """
    from scipy.stats import spearmanr

    rows = []
    for _, task in evidence.groupby("label_noise", sort=True):
        cells, seeds, ratio = seed_matrix(task, ["prior_precision"], "log_evidence_ratio")
        _, _, loss = seed_matrix(task, ["prior_precision"], "test_cross_entropy")
        decades = np.log10(cells["prior_precision"].to_numpy())
        distance = np.abs(decades[ratio.argmin(axis=1)] - decades[loss.argmin(axis=1)])
        ranks = np.array(
            [
                spearmanr(a, b).statistic if np.ptp(a) and np.ptp(b) else np.nan
                for a, b in zip(ratio, loss, strict=True)
            ]
        )
        row = {"label_noise": float(task["label_noise"].iloc[0]), "n_seeds": len(seeds)}
        for name, values in {"decades": distance, "rank_correlation": ranks}.items():
            low, high = t_interval(values, confidence)
            row |= {name: values.mean(), f"{name}_low": low, f"{name}_high": high}
        rows.append(row)
    return pd.DataFrame(rows)
