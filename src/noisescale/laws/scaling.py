"""Scaling laws: how the optimum batch size grows with learning rate, training set and momentum.

Theory (Smith & Le, section 5): the optimum is at one noise scale g ≈ ε N / (B (1 − m)), therefore
B_opt ∝ ε, B_opt ∝ N, B_opt ∝ 1/(1 − m): the exponent is 1 in each.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from noisescale.laws.collapse import fit_collapse
from noisescale.laws.exponents import fit_exponents
from noisescale.laws.joint import fit_joint_law
from noisescale.laws.local_exponents import fit_local_exponents
from noisescale.laws.peaks import Peaks, evaluate_peak, fit_peaks
from noisescale.laws.prediction import predict_left_out
from noisescale.results.completeness import read_runs
from noisescale.results.scaling_laws import (
    LAWS_VERSION,
    Peak,
    PeakResamples,
    ScalingLaws,
    StatisticsUsed,
)
from noisescale.study.model import Study


def fit_scaling_laws(study: Study, runs: pd.DataFrame) -> ScalingLaws:
    """Return every peak and the exponents of B_opt.

    Parameters
    ----------
    study
        Its experiments, the number of resamples and the level of the intervals.
    runs
        Columns as in `schemas.RUNS`.

    Returns
    -------
    ScalingLaws
        With the draws of the peaks, from which `evaluate_at` gives another level.

    Raises
    ------
    RecordError
        Runs of the study are missing.

    Examples
    --------
    >>> import noisescale as ns
    >>> results = ns.load_results("docs/mnist")
    >>> laws = ns.fit_scaling_laws(results.study, results.runs)
    >>> laws.exponents["momentum"].slope == results.laws.exponents["momentum"].slope
    True
    >>> low, high = laws.exponents["momentum"].interval(0.99)
    >>> low < laws.exponents["momentum"].slope < high
    True
    """
    peaks, stored = fit_peaks(study, runs)
    used = StatisticsUsed(study.statistics.bootstrap, study.statistics.confidence)
    return _laws_of(peaks, stored, used)


def evaluate_at(laws: ScalingLaws, confidence: float) -> ScalingLaws:
    """Return the laws at another confidence, from their stored draws.

    The intervals of the peaks, and which of the peaks are usable, are evaluated at the new level;
    the laws are then those of the peaks that are usable there. No curve is fitted again and no run
    is read. The result equals `fit_scaling_laws` of a study with this confidence.

    Parameters
    ----------
    laws
        At any confidence.
    confidence
        The level that is asked for, e.g. 0.99.

    Returns
    -------
    ScalingLaws
    """
    peaks = [
        evaluate_peak(peak, stored, confidence)
        for peak, stored in zip(laws.peaks, laws.resamples, strict=True)
    ]
    used = StatisticsUsed(laws.statistics.bootstrap, confidence)
    return _laws_of(peaks, laws.resamples, used)


def _laws_of(
    peaks: Sequence[Peak], stored: Sequence[PeakResamples], used: StatisticsUsed
) -> ScalingLaws:
    chosen = Peaks.of(peaks, stored)
    return ScalingLaws(
        schema_version=LAWS_VERSION,
        statistics=used,
        peaks=tuple(peaks),
        exponents=fit_exponents(chosen, used.confidence),
        joint=fit_joint_law(chosen, used.confidence),
        prediction=predict_left_out(chosen, used.confidence),
        local_exponents=fit_local_exponents(chosen, used.confidence),
        collapse=fit_collapse(chosen, used.confidence),
        resamples=tuple(stored),
    )


def laws_stage(study_path: Path, runs_path: Path, output: Path) -> None:
    """Write the peaks and exponents of a study's runs to a JSON file.

    Parameters
    ----------
    study_path
        The resolved study as JSON.
    runs_path
        Its collected runs.
    output
        ``scaling_laws.json``.

    Raises
    ------
    RecordError
        The table of runs cannot be read or lacks runs of the study, or `output` cannot be written.
    """
    study = Study.read(study_path)
    # Peaks depend on last evaluations only; the other rows, 95 % of all, need not be loaded.
    runs = read_runs(runs_path, study, last_only=True)
    fit_scaling_laws(study, runs).write(output)
