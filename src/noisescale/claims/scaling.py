"""Claims about the optimum batch size and its scaling (figures 4 to 7, 9 and the collapse)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from noisescale.claims.claim import NOT_SUPPORTED, UNDECIDED, Claim, verdict
from noisescale.claims.generalization_gap import TRAINED
from noisescale.results.selection import experiment_rows
from noisescale.statistics.bootstrap import resamples, seed_matrix
from noisescale.statistics.estimate import Estimate, estimate, minus
from noisescale.study.model import Study

NO_PEAK = 0.002
"""A peak that is surely lower than this over the ends of its curve counts as none."""
SURELY_EDGE = 0.95
"""Share of resamples with the peak at B = 1 or full batch from which there is none between."""
LARGE_TRAIN_SIZE = 20_000
"""The paper finds B_opt ∝ N for training sets from about this size on."""
PROPORTIONAL = (0.75, 1.33)
"""Exponents that count as 1."""
ALIGNED = 1.0
"""Peaks line up in g if they spread less than this many times as much as in B."""


def optimum_exists_claim(laws: dict[str, Any]) -> Claim:
    """Return the claim of figure 4."""
    return Claim(
        name="An optimum batch size",
        figure="fig4_batch_size",
        paper="At a fixed learning rate there is an optimum batch size that maximizes test "
        "accuracy.",
        **_peaks(laws, "batch_size"),
    )


def fixed_epochs_claim(study: Study, finals: pd.DataFrame, laws: dict[str, Any]) -> Claim:
    """Return the claim of figure 9, whose large batches may have made too few updates.

    Parameters
    ----------
    finals
        The rows of final evaluations of all runs.
    """
    parts = _peaks(laws, "fixed_epochs")
    ends = _trained_at_ends(study, finals, "fixed_epochs")
    texts = [f"{where}{fit.percent()}" for where, fit in ends]
    if texts:
        parts["measured"] += f" Training accuracy at the largest batch: {', '.join(texts)}."
    if parts["verdict"] != NOT_SUPPORTED and not all(fit.mean > TRAINED for _, fit in ends):
        parts["verdict"] = UNDECIDED
        parts["measured"] += (
            " The largest batches have not finished training: that alone may lower their test "
            "accuracy."
        )
    parts["criterion"] += (
        f" Undecided unless the mean training accuracy at the largest batch is above {TRAINED:.0%}"
        " as well."
    )
    return Claim(
        name="The optimum at a fixed number of epochs",
        figure="fig9_fixed_epochs",
        paper="There is an optimum batch size as well when the number of epochs, not of updates, "
        "is held fixed (our reading of the appendix).",
        **parts,
    )


def _trained_at_ends(
    study: Study, finals: pd.DataFrame, experiment: str
) -> list[tuple[str, Estimate]]:
    """Return the training accuracy at the largest batch of every curve, and which curve it is."""
    rows = experiment_rows(study, finals, experiment)
    found = []
    for (variant, epochs), curve in rows.groupby(["variant", "epochs"], dropna=False):
        largest = curve[curve["batch_size"] == curve["batch_size"].max()]
        _, seeds, values = seed_matrix(largest, ["batch_size"], "train_accuracy")
        counts = resamples(seeds, study.statistics)
        where = f"{variant}, " if variant else ""
        fit = estimate(values[:, 0], counts, study.statistics.confidence)
        found.append((f"{where}{epochs:g} epochs ", fit))
    return found


def _peaks(laws: dict[str, Any], experiment: str) -> dict[str, Any]:
    peaks = [peak for peak in laws["peaks"] if peak["experiment"] == experiment]
    return {
        "measured": " ".join(_peak_text(peak) for peak in peaks)
        or "No curve with three batch sizes.",
        "criterion": "Every curve has its peak inside its range of B, significantly above both "
        "ends (the peak sought on some seeds, its height measured on others). None counts if it is "
        f"surely lower than {100 * NO_PEAK:.1f} points, or at B = 1 or full batch in "
        f"{SURELY_EDGE:.0%} of the resamples.",
        "verdict": verdict(*(_has_peak(peak) for peak in peaks)),
        **_headline(
            [_estimate(peak, "batch_opt") for peak in peaks if not peak["censored"]],
            "is the best batch size",
        ),
    }


def _headline(estimates: list[Estimate], unit: str) -> dict[str, Any]:
    """Return the first of the estimates that are numbers as the fields of a claim."""
    found = [estimate for estimate in estimates if not np.isnan(estimate.mean)]
    return found[0].headline(unit) if found else {}


def _has_peak(peak: dict[str, Any]) -> bool | None:
    if not peak["censored"]:
        return True
    low = peak["gap_high"] is not None and peak["gap_high"] < NO_PEAK
    at_limit = peak["batch_argmax"] in (1, peak["train_size"])
    return False if low or (at_limit and peak["edge_share"] >= SURELY_EDGE) else None


def _peak_text(peak: dict[str, Any]) -> str:
    where = "" if peak["value"] is None else f"{peak['axis']} {peak['value']:g}: "
    if peak["variant"]:
        where = f"{peak['variant']}, {where}" if where else f"{peak['variant']}: "
    gap = _estimate(peak, "gap").points()
    seeds = f"{peak['n_seeds']} seeds"
    if peak["censored"]:
        return f"{where}no usable peak ({peak['reason']}; {gap} above the largest batch; {seeds})."
    optimum = _estimate(peak, "batch_opt").text(0)
    return f"{where}B_opt = {optimum}, {gap} above the largest batch ({seeds})."


def _estimate(record: dict[str, Any], *names: str) -> Estimate:
    """Return an estimate from its key and its ends', ``key_low`` and ``key_high`` by default."""
    name, low, high = names if len(names) == 3 else (*names, f"{names[0]}_low", f"{names[0]}_high")
    ends = (record[name], record[low], record[high])
    return Estimate(*(np.nan if end is None else end for end in ends))


LAWS = {
    "learning_rate": ("fig5_learning_rate", "ε", "the learning rate"),
    "train_size": ("fig6_train_size", "N", "the size of the training set"),
    "momentum": ("fig7_momentum", "1/(1 − m)", "1/(1 − momentum)"),
}


def proportionality_claim(laws: dict[str, Any], experiment: str) -> Claim:
    """Return the claim of figure 5, 6 or 7: B_opt is proportional to something."""
    figure, symbol, words = LAWS[experiment]
    fits = [fit for fit in laws["exponents"].values() if fit["experiment"] == experiment]
    criterion = (
        f"The wider of the exponent's two intervals (over seeds, by scatter about the line) lies "
        f"within [{PROPORTIONAL[0]}, {PROPORTIONAL[1]}]; not supported if it lies wholly outside, "
        "undecided if it straddles an end."
    )
    if experiment == "train_size":
        criterion += f" Without N from {LARGE_TRAIN_SIZE:,} on, another exponent decides nothing."
    return Claim(
        name=f"B_opt ∝ {symbol}",
        figure=figure,
        paper=f"The optimum batch size is proportional to {words}"
        + (f", from about N = {LARGE_TRAIN_SIZE:,} on." if experiment == "train_size" else "."),
        measured=" ".join(_fit_text(fit) for fit in fits) or "No curve with three batch sizes.",
        criterion=criterion,
        verdict=verdict(*(_is_proportional(fit) for fit in fits)),
        **_headline(
            [_estimate(fit, "slope", "low", "high") for fit in fits], "is the exponent, 1 in theory"
        ),
    )


def _is_proportional(fit: dict[str, Any]) -> bool | None:
    if fit["slope"] is None or fit["low"] is None:
        return None
    low, high = max(
        (fit["low"], fit["high"]),
        (fit["fit_low"], fit["fit_high"]),
        key=lambda ends: ends[1] - ends[0],
    )
    if PROPORTIONAL[0] <= low and high <= PROPORTIONAL[1]:
        return True
    if low <= PROPORTIONAL[1] and high >= PROPORTIONAL[0]:
        return None
    small = fit["experiment"] == "train_size" and fit["line"]["x"][-1] < LARGE_TRAIN_SIZE
    return None if small else False


def _fit_text(fit: dict[str, Any]) -> str:
    where = f"{fit['variant']}: " if fit["variant"] else ""
    if fit["slope"] is None:
        return f"{where}{fit['note']}."
    scatter = f"[{fit['fit_low']:.2f}, {fit['fit_high']:.2f}]"
    return (
        f"{where}Exponent {_estimate(fit, 'slope', 'low', 'high').text()} (by the scatter about "
        f"the line {minus(scatter)}), R² = {fit['r_squared']:.2f}; "
        f"{fit['n_points']} curves, {fit['n_bounds']} as bounds, "
        f"{fit['n_censored'] - fit['n_bounds']} left out, {fit['n_seeds']} seeds."
    )


def one_noise_scale_claim(laws: dict[str, Any]) -> Claim | None:
    """Return the claim of the collapse: g lines the peaks up better than B does.

    It is weaker than exponents of 1, and may hold where those fail.

    None when no training set size has enough usable peaks.
    """
    if not laws["collapse"]:
        return None
    ratios = [_estimate(size, "ratio", "ratio_low", "ratio_high") for size in laws["collapse"]]
    texts = [
        f"N = {size['train_size']}: {size['n_curves']} curves spread "
        f"{size['spread_batch_opt']:.2f} octaves in B_opt and {size['spread_noise_scale']:.2f} in "
        f"g, ratio {ratio.text()}."
        for size, ratio in zip(laws["collapse"], ratios, strict=True)
    ]
    return Claim(
        name="The noise scale lines the peaks up",
        figure="collapse",
        paper="The noise scale g = ε (N/B − 1) / (1 − m) governs the optimum. Judged here is only "
        "the weaker statement that the noise scale lines the peaks of different ε and m up better "
        "than the batch size does.",
        measured=" ".join(texts),
        criterion="For each N, the peaks spread less in log g than in log B: the ratio of the "
        "standard deviations is below 1 with its whole interval.",
        verdict=verdict(*(ratio.below(ALIGNED) for ratio in ratios)),
        **_headline(ratios, "times as much spread in g as in B"),
    )
