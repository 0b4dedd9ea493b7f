"""A number with its interval, and how it is written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from noisescale.statistics.bootstrap import FloatArray, IntArray, interval_of, means


@dataclass(frozen=True)
class Estimate:
    """A number with its interval.

    Attributes
    ----------
    mean
        The number; NaN where there is none.
    low, high
        The ends of its interval; NaN where there is no interval.
    """

    mean: float
    low: float
    high: float

    @classmethod
    def of(cls, mean: float | None, low: float | None, high: float | None) -> Self:
        """Return an estimate of numbers as JSON has them: None where there is none."""
        return cls(*(np.nan if number is None else number for number in (mean, low, high)))

    def above(self, threshold: float) -> bool | None:
        """Return whether the interval lies above `threshold`; None if it straddles it."""
        if self.low > threshold:
            return True
        return False if self.high <= threshold else None

    def below(self, threshold: float) -> bool | None:
        """Return whether the interval lies below `threshold`; None if it straddles it."""
        if self.high < threshold:
            return True
        return False if self.low >= threshold else None

    def text(self, digits: int = 2, scale: float = 1, unit: str = "") -> str:
        """Return e.g. ``"1.2 % [0.8, 1.6]"`` with scale=100, unit=" %", digits=1."""
        numbers = (self.mean, self.low, self.high)
        mean, low, high = (minus(f"{scale * x:.{digits}f}") for x in numbers)
        return f"{mean}{unit}" + ("" if np.isnan(self.low) else f" [{low}, {high}]")

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


def estimate(values: FloatArray, counts: IntArray, confidence: float) -> Estimate:
    """Return the mean of one value per seed with its bootstrap interval.

    Parameters
    ----------
    values : ndarray of shape (n_seeds,)
        One value per seed.
    counts : ndarray of shape (n_resamples, n_seeds)
        How often each resample draws each seed, see `bootstrap.resample_counts`.
    confidence
        Level of the interval.

    Returns
    -------
    Estimate
        Its ends are NaN with fewer than two seeds.
    """
    draws = means(values[:, None], counts)[:, 0]
    return Estimate(float(np.nanmean(values)), *interval_of(draws, len(values), confidence))


def estimate_from_draws(
    value: float, draws: FloatArray, n_seeds: int, confidence: float
) -> Estimate:
    """Return a statistic with the interval of its bootstrap draws.

    Parameters
    ----------
    value
        The statistic of all seeds.
    draws : ndarray of shape (n_resamples,)
        The statistic in each resample.
    n_seeds, confidence
        See `bootstrap.interval`.

    Returns
    -------
    Estimate
        Its ends are NaN with fewer than two seeds.
    """
    return Estimate(float(value), *interval_of(draws, n_seeds, confidence))
