"""Claims about the optimum batch size and its scaling (figures 4 to 7, 9 and the collapse).

Their numbers are those of `noisescale.results.scaling_laws`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from noisescale.claims.claim import Claim, Verdict, verdict
from noisescale.laws.conditions import LARGE_TRAIN_SIZE, TRAINED
from noisescale.results.scaling_laws import Collapse, Exponent, Peak
from noisescale.results.selection import experiment_rows
from noisescale.statistics.bootstrap import resample_counts, seed_matrix
from noisescale.statistics.estimate import Estimate, estimate, minus
from noisescale.study.experiments import EXPERIMENTS, LAWS
from noisescale.study.model import Study

NO_PEAK = 0.002
"""A peak significantly lower than this over the ends of its curve counts as none."""
CERTAIN_EDGE = 0.95
"""Share of resamples with the peak at B = 1 or full batch from which there is none between."""
PROPORTIONAL = (0.75, 1.33)
"""Exponents that count as 1."""
ALIGNED = 1.0
"""Ratio of the spreads in g and in B below which the peaks are closer in g."""
NO_CURVE = "No curve with three batch sizes."


@dataclass(frozen=True)
class LargestBatch:
    """The training accuracy at the largest batch size of a curve.

    Attributes
    ----------
    variant, epochs
        Which curve.
    accuracy
        Training accuracy after the last update.
    """

    variant: str
    epochs: float
    accuracy: Estimate

    @property
    def text(self) -> str:
        """The curve and its accuracy."""
        where = f"{self.variant}, " if self.variant else ""
        return f"{where}{self.epochs:g} epochs {self.accuracy.percent()}"


def optimum_exists_claim(peaks: Sequence[Peak]) -> Claim:
    """Return the claim of figure 4.

    Parameters
    ----------
    peaks
        Those of the experiment batch_size.
    """
    return Claim(
        name="An optimum batch size",
        figure=EXPERIMENTS["batch_size"].figure,
        paper="At a fixed learning rate there is an optimum batch size that maximizes test "
        "accuracy.",
        measured=_peaks_text(peaks),
        criterion=_PEAKS_CRITERION,
        verdict=verdict(*(has_peak(peak) for peak in peaks)),
    ).with_number(_first_optimum(peaks), _OPTIMUM_UNIT)


def measure_largest_batches(
    study: Study, finals: pd.DataFrame, experiment: str
) -> list[LargestBatch]:
    """Return the training accuracy at the largest batch size of every curve of an experiment.

    Parameters
    ----------
    study
        Has the experiment.
    finals
        The rows of final evaluations of all runs.
    experiment
        The experiment, whose curves differ in the number of epochs.
    """
    rows = experiment_rows(study, finals, experiment)
    found = []
    for _, curve in rows.groupby(["variant", "epochs"], dropna=False):
        largest = curve[curve["batch_size"] == curve["batch_size"].max()]
        _, seeds, values = seed_matrix(largest, ["batch_size"], "train_accuracy")
        counts = resample_counts(seeds, study.statistics)
        accuracy = estimate(values[:, 0], counts, study.statistics.confidence)
        first = curve.iloc[0]
        found.append(LargestBatch(first["variant"], float(first["epochs"]), accuracy))
    return found


def fixed_epochs_claim(peaks: Sequence[Peak], largest: Sequence[LargestBatch]) -> Claim:
    """Return the claim of figure 9, whose large batches may have made too few updates.

    Parameters
    ----------
    peaks
        Those of the experiment fixed_epochs.
    largest
        Training accuracies at the largest batch sizes of its curves.
    """
    decided = verdict(*(has_peak(peak) for peak in peaks))
    measured = _peaks_text(peaks)
    if largest:
        texts = ", ".join(curve.text for curve in largest)
        measured += f" Training accuracy at the largest batch: {texts}."
    finished = all(curve.accuracy.mean > TRAINED for curve in largest)
    if decided is not Verdict.NOT_SUPPORTED and not finished:
        decided = Verdict.UNDECIDED
        measured += (
            " The largest batches have not finished training, which by itself may lower their test "
            "accuracy."
        )
    return Claim(
        name="The optimum at a fixed number of epochs",
        figure=EXPERIMENTS["fixed_epochs"].figure,
        paper="There is also an optimum batch size when the number of epochs, not of updates, is "
        "held fixed (our reading of the appendix).",
        measured=measured,
        criterion=f"{_PEAKS_CRITERION} Undecided unless the mean training accuracy at the largest "
        f"batch is above {TRAINED:.0%} as well.",
        verdict=decided,
    ).with_number(_first_optimum(peaks), _OPTIMUM_UNIT)


_OPTIMUM_UNIT = "is the optimum batch size"
_PEAKS_CRITERION = (
    "Every curve has its peak inside its range of B, significantly above both ends (the peak is "
    "located on some seeds and its height measured on others). There is no peak if it is "
    f"significantly lower than {100 * NO_PEAK:.1f} points, or at B = 1 or full batch in "
    f"{CERTAIN_EDGE:.0%} of the resamples."
)


def has_peak(peak: Peak) -> bool | None:
    """Return whether a curve has an optimum batch size inside its range; None if undecided."""
    if not peak.censored:
        return True
    low = peak.gap_high is not None and peak.gap_high < NO_PEAK
    at_limit = peak.batch_argmax in (1, peak.train_size)
    return False if low or (at_limit and peak.edge_share >= CERTAIN_EDGE) else None


def _first_optimum(peaks: Sequence[Peak]) -> Estimate | None:
    return next((peak.batch_opt_estimate for peak in peaks if not peak.censored), None)


def _peaks_text(peaks: Sequence[Peak]) -> str:
    return " ".join(_peak_text(peak) for peak in peaks) or NO_CURVE


def _peak_text(peak: Peak) -> str:
    value = "" if peak.value is None else f"{peak.axis} {peak.value:g}"
    curve = ", ".join(part for part in (peak.variant, value) if part)
    where = f"{curve}: " if curve else ""
    gap, seeds = peak.gap_estimate.points(), f"{peak.n_seeds} seeds"
    if peak.censored:
        return f"{where}no usable peak ({peak.reason}; {gap} above the largest batch; {seeds})."
    optimum = peak.batch_opt_estimate.text(0)
    return f"{where}B_opt = {optimum}, {gap} above the largest batch ({seeds})."


def proportionality_claim(experiment: str, fits: Sequence[Exponent]) -> Claim:
    """Return the claim of figure 5, 6 or 7: B_opt is proportional to a variable.

    Parameters
    ----------
    experiment
        The experiment that varies it, one of `noisescale.study.experiments.LAWS`.
    fits
        Its exponents, one for each variant.
    """
    law = LAWS[experiment]
    paper = f"The optimum batch size is proportional to {law.words}"
    criterion = (
        "The wider of the exponent's two intervals (over seeds, and from the scatter about the "
        f"line) lies within [{PROPORTIONAL[0]}, {PROPORTIONAL[1]}]. Not supported if it lies "
        "entirely outside, undecided if it straddles an end."
    )
    if experiment == "train_size":
        paper += f", from about N = {LARGE_TRAIN_SIZE:,} on"
        criterion += (
            " Undecided instead of not supported if no curve with a usable peak has "
            f"N = {LARGE_TRAIN_SIZE:,} or more."
        )
    slopes = [fit.estimate for fit in fits if fit.estimate is not None]
    return Claim(
        name=f"B_opt ∝ {law.symbol}",
        figure=EXPERIMENTS[experiment].figure,
        paper=f"{paper}.",
        measured=" ".join(_exponent_text(fit) for fit in fits) or NO_CURVE,
        criterion=criterion,
        verdict=verdict(*(is_proportional(fit) for fit in fits)),
    ).with_number(slopes[0] if slopes else None, "is the exponent, 1 in theory")


def is_proportional(fit: Exponent) -> bool | None:
    """Return whether an exponent counts as 1; None if undecided."""
    if fit.estimate is None or fit.scatter is None or np.isnan(fit.estimate.low):
        return None
    wider = max(fit.estimate, fit.scatter, key=lambda interval: interval.high - interval.low)
    if PROPORTIONAL[0] <= wider.low and wider.high <= PROPORTIONAL[1]:
        return True
    if wider.low <= PROPORTIONAL[1] and wider.high >= PROPORTIONAL[0]:
        return None
    small = (
        fit.experiment == "train_size"
        and fit.line is not None
        and fit.line.x[-1] < LARGE_TRAIN_SIZE
    )
    return None if small else False


def _exponent_text(fit: Exponent) -> str:
    where = f"{fit.variant}: " if fit.variant else ""
    if fit.estimate is None or fit.scatter is None:
        return f"{where}{fit.note}."
    scatter = minus(f"[{fit.scatter.low:.2f}, {fit.scatter.high:.2f}]")
    r_squared = np.nan if fit.r_squared is None else fit.r_squared
    return (
        f"{where}Exponent {fit.estimate.text()} (from the scatter about the line {scatter}), "
        f"R² = {r_squared:.2f}; {fit.n_points} curves, {fit.n_bounds} as bounds, "
        f"{fit.n_censored - fit.n_bounds} left out, {fit.n_seeds} seeds."
    )


def one_noise_scale_claim(found: Sequence[Collapse]) -> Claim | None:
    """Return the claim of the collapse: the peaks differ less in g than in B.

    It is weaker than exponents of 1, and may hold where those fail.

    Parameters
    ----------
    found
        One for each training set size.

    Returns
    -------
    Claim or None
        None when no training set size has enough usable peaks.
    """
    if not found:
        return None
    texts = [
        f"N = {size.train_size}: {size.n_curves} curves spread "
        f"{size.spread_batch_opt:.2f} octaves in B_opt and {size.spread_noise_scale:.2f} in "
        f"g, ratio {size.ratio_estimate.text()}."
        for size in found
    ]
    ratios = [size.ratio_estimate for size in found if size.ratio is not None]
    return Claim(
        name="The noise scale lines the peaks up",
        figure="collapse",
        paper="The noise scale g = ε (N/B − 1) / (1 − m) governs the optimum. This claim evaluates "
        "only a weaker statement: the noise scale lines up the peaks of different ε and m better "
        "than the batch size does.",
        measured=" ".join(texts),
        criterion="For each N, the peaks spread less in log g than in log B: the ratio of the "
        "standard deviations is below 1 with its whole interval.",
        verdict=verdict(*(size.ratio_estimate.below(ALIGNED) for size in found)),
    ).with_number(ratios[0] if ratios else None, "times as much spread in g as in B")
