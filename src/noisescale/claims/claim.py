"""A claim of the paper with its verdict: estimates compared with thresholds fixed in advance."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Self

import numpy as np

from noisescale.statistics.estimate import Estimate


class Verdict(StrEnum):
    """What the data say about a claim."""

    SUPPORTED = "supported"
    """Every quantity of the claim has its interval on the claimed side of its threshold."""
    NOT_SUPPORTED = "not supported"
    """At least one has its interval on the other side."""
    UNDECIDED = "undecided"
    """The data do not decide it."""


@dataclass(frozen=True)
class Claim:
    """A claim of the paper and its verdict.

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
    criterion
        The rule that decides the verdict.
    verdict
        The verdict at the study's confidence.
    unit
        What `estimate` is a number of.
    estimate, low, high
        The most important number of `measured`, and its interval; where there are several curves,
        that of the first. None where there is none.
    adjusted_verdict
        The verdict with Bonferroni's correction for the number of claims, see
        `noisescale.claims.evaluate.evaluate_claims`; None where it has not been evaluated.
    """

    name: str
    figure: str
    paper: str
    measured: str
    criterion: str
    verdict: Verdict
    unit: str = ""
    estimate: float | None = None
    low: float | None = None
    high: float | None = None
    adjusted_verdict: Verdict | None = None

    def with_number(self, number: Estimate | None, unit: str, scale: float = 1) -> Self:
        """Return the claim with its most important number.

        Parameters
        ----------
        number
            The number; None where there is none, which changes nothing.
        unit
            What it is a number of.
        scale
            A factor of the number, e.g. 100 for percent.
        """
        if number is None:
            return self
        mean, low, high = (
            None if np.isnan(end) else float(scale * end)
            for end in (number.mean, number.low, number.high)
        )
        return replace(self, unit=unit, estimate=mean, low=low, high=high)

    @property
    def number(self) -> str:
        """The estimate with its interval, e.g. ``"0.77 [0.60, 1.03]"``; empty without one."""
        if self.estimate is None:
            return ""
        digits = 0 if abs(self.estimate) >= 10 else 2 if abs(self.estimate) >= 0.01 else 3
        return Estimate.of(self.estimate, self.low, self.high).text(digits)


def verdict(*answers: bool | None) -> Verdict:
    """Return the verdict on a claim that holds when all of `answers` are true.

    Parameters
    ----------
    *answers
        One for each quantity of the claim; None where the data do not decide it.
    """
    if any(answer is False for answer in answers):
        return Verdict.NOT_SUPPORTED
    return Verdict.UNDECIDED if None in answers or not answers else Verdict.SUPPORTED
