"""The exponent of B_opt along one experiment, with the line that is drawn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from noisescale.laws.peaks import Peaks
from noisescale.laws.power_law import fit_power_law, law_variable
from noisescale.results.scaling_laws import (
    CensoredCurve,
    Draws,
    Exponent,
    Line,
    Reason,
    Side,
    optional_number,
)
from noisescale.statistics.bootstrap import FloatArray, percentiles
from noisescale.study.experiments import LAWS

THEORY = 1.0
"""The exponent of every law in theory."""
MIN_POINTS = 3
"""A line through two points cannot show whether there is a line."""
LINE_POINTS = 21
"""Number of points of the line that is drawn."""


def fit_exponents(peaks: Peaks, confidence: float) -> dict[str, Exponent]:
    """Return the exponent of every experiment with a law, for each of its variants.

    Parameters
    ----------
    peaks
        All peaks of a study.
    confidence
        Level of the intervals.

    Returns
    -------
    dict
        By the name of the experiment, or ``"name (variant)"`` where there is a variant.
    """
    found = {}
    for experiment in LAWS:
        chosen = peaks.table[peaks.table["experiment"] == experiment]
        for variant in sorted(chosen["variant"].unique()):
            curves = chosen[chosen["variant"] == variant]
            name = f"{experiment} ({variant})" if variant else experiment
            found[name] = fit_exponent(
                experiment,
                variant,
                law_variable(experiment, curves),
                Peaks(curves, peaks.draws[:, curves.index]),
                confidence,
            )
    return found


def fit_exponent(
    experiment: str, variant: str, x: FloatArray, peaks: Peaks, confidence: float
) -> Exponent:
    """Return the exponent of B_opt on `x`, from one experiment's curves.

    Parameters
    ----------
    experiment, variant
        Which curves these are.
    x : ndarray of shape (n_curves,)
        The variable of the law.
    peaks
        The peaks of the curves.
    confidence
        Level of the intervals.

    Returns
    -------
    Exponent
        Without an estimate where fewer than `MIN_POINTS` values of `x` have a usable peak.
    """
    table = peaks.table
    censored = table["censored"].to_numpy(dtype=bool)
    usable = int((~censored).sum())
    without_fit = Exponent(
        experiment=experiment,
        variant=variant,
        variable=LAWS[experiment].name,
        theory=THEORY,
        n_points=usable,
        n_censored=int(censored.sum()),
        n_bounds=int((table["side"] != Side.UNKNOWN).sum()),
        censored=tuple(
            CensoredCurve(float(value), Reason(reason), Side(side))
            for value, reason, side in zip(
                x[censored], table["reason"][censored], table["side"][censored], strict=True
            )
        ),
        n_seeds=int(table["n_seeds"].min()),
        note="",
        slope=None,
        low=None,
        high=None,
        prefactor=None,
        r_squared=None,
        fit_low=None,
        fit_high=None,
        slope_argmax=None,
        theory_inside=None,
        line=None,
        draws=None,
    )
    if len(np.unique(x[~censored])) < MIN_POINTS:
        return replace(
            without_fit,
            note=f"no estimate: {usable} of {len(x)} curves have a usable peak, "
            f"at least {MIN_POINTS} are needed",
        )
    law = fit_power_law({"slope": x}, peaks, confidence)
    slope = law.exponents["slope"]
    return replace(
        without_fit,
        slope=slope.value,
        low=optional_number(slope.low),
        high=optional_number(slope.high),
        prefactor=law.prefactor,
        r_squared=optional_number(law.r_squared),
        fit_low=optional_number(slope.fit_low),
        fit_high=optional_number(slope.fit_high),
        slope_argmax=_slope_of_argmax(x, peaks, confidence),
        theory_inside=slope.low <= THEORY <= slope.high,
        line=_line(law.coefficients, x[~censored], confidence),
        draws=Draws.of(law.coefficients[1:, 1]),
    )


def _slope_of_argmax(x: FloatArray, peaks: Peaks, confidence: float) -> float:
    """Return the exponent of the paper's estimate of the optimum, from the usable peaks."""
    usable = ~peaks.table["censored"].to_numpy(dtype=bool)
    table = peaks.table[usable]
    table = table.assign(batch_opt=table["batch_argmax"].astype(float))
    law = fit_power_law({"slope": x[usable]}, Peaks(table, peaks.draws[:0, usable]), confidence)
    return law.exponents["slope"].value


def _line(coefficients: FloatArray, x: FloatArray, confidence: float) -> Line:
    """Return the law over the range of `x`, with the interval of its draws."""
    at = np.geomspace(x.min(), x.max(), LINE_POINTS)
    lines = np.exp(coefficients @ np.array([np.ones_like(at), np.log(at)]))
    low, high = percentiles(lines[1:], confidence)
    return Line(*(tuple(values.tolist()) for values in (at, lines[0], low, high)))
