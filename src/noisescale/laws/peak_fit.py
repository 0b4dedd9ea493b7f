"""The peak of one curve: the batch size that maximizes test accuracy, and its uncertainty.

There are two estimators. The paper's is the batch size of the highest mean accuracy. It can only be
a value of the grid, and varies strongly where the peak is broad. The smooth one is the maximum of a
local quadratic regression of accuracy on log2 B, see `noisescale.statistics.loess`. The smoothed
curve is linear in the accuracies, so that a thousand bootstrap resamples are one matrix product.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from noisescale.results.scaling_laws import Draws, PeakResamples, Reason, Side, optional_number
from noisescale.statistics.bootstrap import (
    FloatArray,
    IntArray,
    interval_of,
    means,
    t_interval_from_moments,
)
from noisescale.statistics.loess import CLIFF_HALF_WIDTH, HALF_WIDTH, local_quadratic

BoolArray = npt.NDArray[np.bool_]

STEPS_PER_OCTAVE = 32
"""Resolution of the smooth estimate."""
FAILURE_DEPTH = 2.0
"""Accuracies are clipped this far below the peak, in units of its height over the last point."""
BEYOND_NOISE = 4.0
"""A cliff is a fall in one step to the left by more than the peak's height over the last point, and
by more than this many standard errors of a paired difference."""
GRID_ERROR = 0.25
"""How precisely a peak is located between grid points, as a share of their spacing (either way).

In simulations without noise, of peaks of several shapes with the grid in every phase, the estimate
moved with the phase by up to 0.15 of the spacing (standard deviation); this uniform error has 0.14.
"""
CLIFF_ERROR = 0.5
"""The same for a peak next to a cliff, which may be on either side of its point.

Chosen by simulations of cliffs of several steepnesses: a smaller value makes intervals too narrow.
"""
ROUNDING = 1e-9
"""Differences of accuracy below it are rounding errors."""
EDGE_SHARE = 0.05
"""A peak is censored when more than this share of the resamples puts it at an end of the range."""


@dataclass(frozen=True)
class PeakAt:
    """A peak evaluated at one confidence. Pairs are the ends of intervals, NaN with one seed.

    Attributes
    ----------
    batch_opt_interval, batch_argmax_interval, accuracy_interval, gap_interval
        The intervals of the estimates of `PeakFit`.
    reason
        Why the peak is censored.
    side
        Where the optimum of a curve censored for its edge lies: at or below the upper end of its
        interval, or at or above the lower end. Otherwise unknown.
    """

    batch_opt_interval: tuple[float, float]
    batch_argmax_interval: tuple[float, float]
    accuracy_interval: tuple[float, float]
    gap_interval: tuple[float, float]
    reason: Reason
    side: Side

    @property
    def bound(self) -> float:
        """The bound on a censored optimum, on the side of `side`; NaN where none is known."""
        low, high = self.batch_opt_interval
        return {Side.AT_MOST: high, Side.UNKNOWN: np.nan, Side.AT_LEAST: low}[self.side]


@dataclass(frozen=True)
class PeakFit:
    """The peak of a curve; nothing here depends on a confidence, see `at`.

    Attributes
    ----------
    batch_opt
        The smooth estimate of the optimum batch size, in examples.
    batch_argmax
        The paper's estimate.
    accuracy
        Height of the smoothed curve at the peak.
    gap
        How much higher the peak is than the curve's last point (the largest B), see `held_out_gap`.
    edge_share
        Share of the resamples that puts the peak at an end of the range.
    n_seeds
        Number of seeds.
    resamples
        The draws of the estimates and the statistics of the tests. The draws of the smooth estimate
        include the scatter of the seeds and the resolution of the grid (`GRID_ERROR`,
        `CLIFF_ERROR`).
    """

    batch_opt: float
    batch_argmax: int
    accuracy: float
    gap: float
    edge_share: float
    n_seeds: int
    resamples: PeakResamples

    def at(self, confidence: float) -> PeakAt:
        """Evaluate the peak at a confidence.

        Parameters
        ----------
        confidence
            Level of the intervals. The peak is significantly higher than an end of the range when
            the interval of its `held_out_gap` lies above zero.

        Returns
        -------
        PeakAt
            The intervals, and whether the peak is usable.
        """
        draws = self.resamples
        gap = _mean_interval(self.gap, draws.gap_deviation, self.n_seeds, confidence)
        left_gap = _mean_interval(
            draws.left_gap, draws.left_gap_deviation, self.n_seeds, confidence
        )
        above_left, above_last = left_gap[0] > ROUNDING, gap[0] > ROUNDING
        reason = self._reason(above_left, above_last)
        return PeakAt(
            batch_opt_interval=interval_of(draws.batch_opt.values, self.n_seeds, confidence),
            batch_argmax_interval=interval_of(draws.batch_argmax.values, self.n_seeds, confidence),
            accuracy_interval=interval_of(draws.accuracy.values, self.n_seeds, confidence),
            gap_interval=gap,
            reason=reason,
            side=draws.nearer_end if reason is Reason.EDGE else Side.UNKNOWN,
        )

    def _reason(self, above_left: bool, above_last: bool) -> Reason:
        """Return why the peak is censored, from whether it is significantly above each end."""
        draws = self.resamples
        if self.n_seeds < 2:
            return Reason.ONE_SEED
        if not (above_left or above_last):
            return Reason.FLAT
        # Where smaller batches are left out, the left end of the curve is no end of the range.
        above_ends = above_last and (draws.small_batches_fail or above_left)
        if draws.at_edge or self.edge_share > EDGE_SHARE or not above_ends:
            return Reason.EDGE
        return Reason.NONE if draws.rounded else Reason.NOT_CONCAVE


def _mean_interval(
    mean: float, deviation: float | None, n_seeds: int, confidence: float
) -> tuple[float, float]:
    if deviation is None:
        return np.nan, np.nan
    return t_interval_from_moments(mean, deviation, n_seeds, confidence)


def without_failed_batches(accuracy: FloatArray, diverged: BoolArray) -> tuple[FloatArray, int]:
    """Leave out the small batch sizes at which training fails, so that they do not move the peak.

    Below some B the noise scale is so large that training fails. Accuracy then falls off a cliff,
    which would move the smoothed peak to the right. Left of the best point, a batch
    size is left out, together with all smaller ones, if a run diverged there, or if it lies a cliff
    below its right neighbour: a fall in one step that is greater than the curve's whole fall to the
    right, and greater than noise explains (`BEYOND_NOISE`). Three points are always kept. Values
    more than `FAILURE_DEPTH` times the height of the peak below the best point (or four standard
    deviations of a paired difference, where that is more) are clipped.

    Parameters
    ----------
    accuracy, diverged : ndarrays of shape (n_seeds, n_points)
        Final test accuracies, and whether the run diverged, by increasing batch size.

    Returns
    -------
    accuracy : ndarray of shape (n_seeds, n_kept)
    first : int
        Index of the first point kept.
    """
    mean = accuracy.mean(axis=0)
    best = mean.argmax()
    difference = np.delete(accuracy, best, axis=1) - accuracy[:, [best]]
    n_seeds = len(accuracy)
    noise = np.sqrt(np.median(difference.var(axis=0, ddof=1))) if n_seeds > 1 else 0
    height = mean[best] - mean[-1]
    steep = max(height, BEYOND_NOISE * noise / np.sqrt(n_seeds)) + ROUNDING
    # Without a clear fall to the right there is no scale to distinguish a cliff from a slope.
    falls = height > BEYOND_NOISE / 2 * noise / np.sqrt(n_seeds) + ROUNDING
    cliff = falls & (np.diff(mean)[:best] > steep)
    left = np.flatnonzero(diverged[:, :best].any(axis=0) | cliff)
    first = int(left.max()) + 1 if len(left) else 0
    # A parabola needs three points: failed ones are then kept, and clipped.
    first = min(first, len(mean) - 3)
    depth = max(FAILURE_DEPTH * height, 4 * noise)
    return np.maximum(accuracy, accuracy[:, [best]] - depth)[:, first:], first


def held_out_gap(heights: FloatArray, end: int) -> FloatArray:
    """Return for each seed how much higher its curve is at the peak than at index `end`.

    The peak is located on the mean of the *other* seeds, so that choosing the best of many batch
    sizes introduces no bias: for a flat curve the expected gap is zero.

    Parameters
    ----------
    heights : ndarray of shape (n_seeds, n_points)
        The curves.
    end
        Index of the point to compare with.

    Returns
    -------
    ndarray of shape (n_seeds,)
    """
    others = (heights.sum(axis=0) - heights).argmax(axis=1)
    return heights[np.arange(len(heights)), others] - heights[:, end]


def fit_peak(
    batch_sizes: IntArray, accuracy: FloatArray, diverged: BoolArray, counts: IntArray
) -> PeakFit:
    """Return the peak of a curve with its uncertainty.

    Parameters
    ----------
    batch_sizes : ndarray of shape (n_points,)
        Increasing, at least three.
    accuracy : ndarray of shape (n_seeds, n_points)
        Final test accuracies; row s of every curve is the same seed.
    diverged : boolean ndarray of shape (n_seeds, n_points)
        Whether the run diverged.
    counts : ndarray of shape (n_resamples, n_seeds)
        The bootstrap resamples, see `bootstrap.resample_counts`.

    Returns
    -------
    PeakFit
        Its `PeakFit.at` gives intervals at any confidence.
    """
    accuracy = np.asarray(accuracy, dtype=float)
    n_seeds, n_points = accuracy.shape
    smooth = _Smoothed.of(np.log2(batch_sizes), accuracy, diverged)
    curve = smooth.heights.mean(axis=0)
    top, last = int(curve.argmax()), len(curve) - 1
    resampled = means(smooth.heights, counts)
    tops = resampled.argmax(axis=1)
    argmaxes = batch_sizes[means(accuracy, counts).argmax(axis=1)]

    left_out = smooth.first > 0
    # The first point kept is an end of the range only if no smaller batch size is left out.
    ends = [last] if left_out else [0, last]
    # The first point kept is a peak if the next smaller batch trains, and is clearly worse.
    bracketed = top == 0 and left_out and not diverged[:, smooth.first - 1].any()
    concave = smooth.curvature[top] @ smooth.kept.mean(axis=0) < 0
    gaps, left_gaps = held_out_gap(smooth.heights, last), held_out_gap(smooth.heights, 0)
    several = n_seeds > 1
    middle = (smooth.fine[0] + smooth.fine[-1]) / 2
    return PeakFit(
        batch_opt=float(np.exp2(smooth.fine[top])),
        batch_argmax=int(batch_sizes[smooth.best]),
        accuracy=float(curve[top]),
        gap=float(gaps.mean()) if several else float(curve[top] - curve[last]),
        edge_share=float(np.isin(tops, ends).mean()),
        n_seeds=n_seeds,
        resamples=PeakResamples(
            batch_opt=Draws.of(smooth.batch_opt_draws(tops, accuracy)),
            batch_argmax=Draws.of(argmaxes),
            accuracy=Draws.of(resampled.max(axis=1)),
            gap_deviation=optional_number(gaps.std(ddof=1)) if several else None,
            left_gap=float(left_gaps.mean()) if several else float(curve[top] - curve[0]),
            left_gap_deviation=optional_number(left_gaps.std(ddof=1)) if several else None,
            small_batches_fail=left_out,
            at_edge=top in ends or smooth.best in (0, n_points - 1),
            rounded=bool(bracketed or concave),
            nearer_end=Side.AT_MOST if smooth.fine[top] < middle else Side.AT_LEAST,
        ),
    )


@dataclass(frozen=True)
class _Smoothed:
    """Every seed's accuracies as a smooth curve over log2 B.

    Attributes
    ----------
    octaves : ndarray of shape (n_points,)
        log2 of the batch sizes.
    best
        Index of the batch size with the highest mean accuracy.
    kept : ndarray of shape (n_seeds, n_kept)
        The accuracies that are smoothed, from index `first` on, see `without_failed_batches`.
    fine : ndarray of shape (n_fine,)
        log2 of the batch sizes at which the curves are evaluated.
    heights : ndarray of shape (n_seeds, n_fine)
        The curves.
    curvature : ndarray of shape (n_fine, n_kept)
        The linear map from accuracies to second derivatives.
    cliff
        Whether the peak is next to batch sizes at which training fails.
    """

    octaves: FloatArray
    best: int
    kept: FloatArray
    first: int
    fine: FloatArray
    heights: FloatArray
    curvature: FloatArray
    cliff: bool

    @classmethod
    def of(cls, octaves: FloatArray, accuracy: FloatArray, diverged: BoolArray) -> _Smoothed:
        kept, first = without_failed_batches(accuracy, diverged)
        span = octaves[-1] - octaves[first]
        fine = np.linspace(octaves[first], octaves[-1], int(np.ceil(span * STEPS_PER_OCTAVE)) + 1)
        best = int(accuracy.mean(axis=0).argmax())
        cliff = bool(first > 0 and octaves[best] - octaves[first - 1] < HALF_WIDTH)
        half_width = CLIFF_HALF_WIDTH if cliff else HALF_WIDTH
        height, curvature = local_quadratic(octaves[first:], fine, half_width)
        return cls(octaves, best, kept, first, fine, kept @ height.T, curvature, cliff)

    def batch_opt_draws(self, tops: IntArray, accuracy: FloatArray) -> FloatArray:
        """Return the optimum of each resample, from the index of its maximum, with grid errors."""
        spacing = np.median(np.diff(self.octaves))
        error = (CLIFF_ERROR if self.cliff else GRID_ERROR) * spacing
        lowest = self.fine[0] - (CLIFF_ERROR * spacing if self.first else 0)
        shifted = self.fine[tops] + error * _dither(accuracy, len(tops))
        return np.exp2(np.clip(shifted, lowest, self.fine[-1]))


def _dither(accuracy: FloatArray, n: int) -> FloatArray:
    """Return uniform shifts from -1 to 1 for the resolution of the grid.

    They are a function of the curve, so that the same curve of two experiments has the same draws.
    """
    random = np.random.default_rng(zlib.crc32(accuracy.tobytes()))
    return random.uniform(-1, 1, n)
