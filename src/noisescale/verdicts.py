"""Verdicts on claims: estimates with intervals, judged against thresholds fixed in advance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from noisescale.curves import interval, means

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
        The verdict when all claims are judged at once, see `judge.judged_together`.
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


@dataclass(frozen=True)
class Estimate:
    """A number with its interval; NaN ends where there is no interval."""

    mean: float
    low: float
    high: float

    def above(self, threshold: float) -> bool | None:
        """Tell whether the interval lies above `threshold`; None if it straddles it."""
        if self.low > threshold:
            return True
        return False if self.high <= threshold else None

    def below(self, threshold: float) -> bool | None:
        """Tell whether the interval lies below `threshold`; None if it straddles it."""
        if self.high < threshold:
            return True
        return False if self.low >= threshold else None

    def text(self, digits: int = 2, scale: float = 1, unit: str = "") -> str:
        """Return e.g. ``"1.2 % [0.8, 1.6]"`` with scale=100, unit=" %", digits=1."""
        numbers = (self.mean, self.low, self.high)
        mean, low, high = (minus(f"{scale * x:.{digits}f}") for x in numbers)
        return f"{mean}{unit}" + ("" if np.isnan(self.low) else f" [{low}, {high}]")

    def headline(self, unit: str, scale: float = 1) -> dict[str, Any]:
        """Return it as the fields of a `Claim`."""
        numbers = zip(("estimate", "low", "high"), (self.mean, self.low, self.high), strict=True)
        return {"unit": unit} | {k: None if np.isnan(x) else float(scale * x) for k, x in numbers}

    def percent(self) -> str:
        """Return it as a percentage."""
        return self.text(1, 100, " %")

    def points(self) -> str:
        """Return it as a difference in percentage points."""
        return self.text(2, 100, " points")


def minus(text: str) -> str:
    """Return a number's text with a real minus sign."""
    return text.replace("-", "−")


def power_of_ten(value: float) -> str:
    """Return a positive number as plain decimals, or e.g. ``"3.2·10⁻⁵"`` where it is far from 1."""
    if 1e-3 <= value < 1e4:
        return f"{value:.2g}" if value < 100 else f"{value:.0f}"
    digits, _, exponent = f"{value:.1e}".partition("e")
    power = str(int(exponent)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"10{power}" if digits == "1.0" else f"{digits}·10{power}"


def verdict(*answers: bool | None) -> str:
    """Return the verdict on a claim that holds when all of `answers` are true."""
    if any(answer is False for answer in answers):
        return NOT_SUPPORTED
    return UNDECIDED if None in answers or not answers else SUPPORTED


def estimate(values: np.ndarray, counts: np.ndarray, confidence: float) -> Estimate:
    """Return the mean of one value per seed with its bootstrap interval.

    Parameters
    ----------
    values : ndarray of shape (n_seeds,)
    counts : ndarray of shape (n_resamples, n_seeds)
    """
    low, high = interval(means(values[:, None], counts)[:, 0], len(values), confidence)
    return Estimate(float(np.nanmean(values)), float(low), float(high))


def of_draws(value: float, draws: np.ndarray, n_seeds: int, confidence: float) -> Estimate:
    """Return a statistic with the interval of its bootstrap draws."""
    low, high = interval(draws, n_seeds, confidence)
    return Estimate(float(value), float(low), float(high))
