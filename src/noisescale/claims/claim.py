"""Verdicts on claims: estimates with intervals, judged against thresholds fixed in advance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from noisescale.statistics.estimate import Estimate

SUPPORTED, NOT_SUPPORTED, UNDECIDED = "supported", "not supported", "undecided"


@dataclass(frozen=True)
class Claim:
    """A claim of the paper and what became of it.

    Attributes
    ----------
    name
        What it is about, in a few words.
    figure
        The figure that shows it, e.g. ``fig4_batch_size``.
    paper
        What the paper claims.
    measured
        What was found: numbers, intervals, number of seeds.
    unit
        What `estimate` is a number of.
    estimate, low, high
        The one number of `measured` that tells most, and its interval; of several curves, the
        first one's. None where there is none.
    criterion
        The rule by which it is judged.
    verdict
        ``"supported"``, ``"not supported"`` or ``"undecided"``.
    together
        The verdict when all claims are judged at once, see `evaluate.evaluate_claims`.
    """

    name: str
    figure: str
    paper: str
    measured: str
    criterion: str
    verdict: str
    unit: str = ""
    estimate: float | None = None
    low: float | None = None
    high: float | None = None
    together: str = ""

    @property
    def number(self) -> str:
        """The estimate with its interval, e.g. ``"0.77 [0.60, 1.03]"``; empty without one."""
        if self.estimate is None:
            return ""
        digits = 0 if abs(self.estimate) >= 10 else 2 if abs(self.estimate) >= 0.01 else 3
        ends = (np.nan if end is None else end for end in (self.low, self.high))
        return Estimate(self.estimate, *ends).text(digits)


def verdict(*answers: bool | None) -> str:
    """Return the verdict on a claim that holds when all of `answers` are true."""
    if any(answer is False for answer in answers):
        return NOT_SUPPORTED
    return UNDECIDED if None in answers or not answers else SUPPORTED
