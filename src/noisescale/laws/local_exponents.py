"""The exponent between neighbouring curves, and the violated conditions of the law."""

from __future__ import annotations

import itertools

import numpy as np

from noisescale.laws.conditions import violated_conditions
from noisescale.laws.peaks import Peaks
from noisescale.laws.power_law import law_variable
from noisescale.results.scaling_laws import LocalExponent, optional_number
from noisescale.statistics.bootstrap import percentiles
from noisescale.study.experiments import LAWS


def fit_local_exponents(peaks: Peaks, confidence: float) -> tuple[LocalExponent, ...]:
    """Return the exponent between neighbouring curves, and the violated conditions of the law.

    Parameters
    ----------
    peaks
        All peaks of a study; the censored ones are left out.
    confidence
        Level of the intervals.

    Returns
    -------
    tuple of LocalExponent
        For each experiment with a law, its variants, and their pairs of neighbouring peaks.
    """
    table = peaks.table
    found = []
    for experiment in LAWS:
        usable = table[(table["experiment"] == experiment) & ~table["censored"].astype(bool)]
        for variant in sorted(usable["variant"].unique()):
            curves = usable[usable["variant"] == variant]
            order = curves.index[np.argsort(law_variable(experiment, curves))]
            for neighbours in itertools.pairwise(order):
                pair = curves.loc[list(neighbours)]
                batch = np.vstack([pair["batch_opt"], peaks.draws[:, list(neighbours)]])
                step = np.diff(np.log(law_variable(experiment, pair)))[0]
                slopes = np.diff(np.log(batch), axis=1)[:, 0] / step
                low, high = (float(end) for end in percentiles(slopes[1:], confidence))
                found.append(
                    LocalExponent(
                        experiment=experiment,
                        variant=variant,
                        start=float(pair["value"].iloc[0]),
                        stop=float(pair["value"].iloc[1]),
                        slope=float(slopes[0]),
                        low=optional_number(low),
                        high=optional_number(high),
                        bends=low > 1 or high < 1,
                        notes=violated_conditions(experiment, pair),
                    )
                )
    return tuple(found)
