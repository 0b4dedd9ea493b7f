"""Whether the evidence and the test cross-entropy agree on the best prior, seed by seed."""

from __future__ import annotations

import numpy as np
import pandas as pd

from noisescale.statistics.bootstrap import seed_matrix, t_interval


def evidence_agreement(evidence: pd.DataFrame, confidence: float) -> pd.DataFrame:
    """Return a row for each label noise: how alike the two orders of the priors are.

    Parameters
    ----------
    evidence
        Columns as in `schemas.EVIDENCE`.
    confidence
        Level of Student's intervals over the seeds.

    Returns
    -------
    pandas.DataFrame
        Columns as in `schemas.AGREEMENT`. ``decades``: mean of |log₁₀ λ_E − log₁₀ λ_H|, where the
        log evidence ratio and the test cross-entropy have their minima. ``rank_correlation``: mean
        of Spearman's coefficient of the two over all λ of a seed. Ends of intervals are
        ``_low``, ``_high``, null with one seed; a coefficient is null where one of the two does
        not vary.
    """
    from scipy.stats import spearmanr

    rows = []
    for noise, task in evidence.groupby("label_noise", sort=True):
        cells, seeds, ratio = seed_matrix(task, ["prior_precision"], "log_evidence_ratio")
        _, _, loss = seed_matrix(task, ["prior_precision"], "test_cross_entropy")
        decades = np.log10(cells["prior_precision"].to_numpy())
        apart = np.abs(decades[ratio.argmin(axis=1)] - decades[loss.argmin(axis=1)])
        ranks = np.array(
            [
                spearmanr(a, b).statistic if np.ptp(a) and np.ptp(b) else np.nan
                for a, b in zip(ratio, loss, strict=True)
            ]
        )
        row = {"label_noise": float(noise), "n_seeds": len(seeds)}
        for name, values in {"decades": apart, "rank_correlation": ranks}.items():
            low, high = t_interval(values, confidence)
            row |= {name: values.mean(), f"{name}_low": low, f"{name}_high": high}
        rows.append(row)
    return pd.DataFrame(rows)
