"""The peak of one curve: which batch size gives the best test accuracy, and how surely.

Two estimators. The paper's is the batch size of the best mean accuracy. It can only be a value of
the grid, and jumps about where the peak is broad. The smooth one is the maximum of a local
quadratic regression of accuracy on log2 B, see `smoothing`. The curve is linear in the accuracies,
so that a thousand bootstrap resamples are one matrix product.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np

from noisescale.statistics.bootstrap import interval, means, t_interval
from noisescale.statistics.loess import CLIFF_HALF_WIDTH, HALF_WIDTH, local_quadratic

STEPS_PER_OCTAVE = 32
"""Resolution of the smooth estimate."""
COLLAPSE = 2.0
"""A fall below the peak counts up to this many times the peak's height over the last point."""
BEYOND_NOISE = 4.0
"""A cliff is a fall in one step to the left by more than the peak's height over the last point, and
by more than this many standard errors of a paired difference."""
GRID_ERROR = 0.25
"""How well a peak is placed between its grid points, as a share of their spacing (either way).

In simulations without noise, of peaks of several shapes with the grid in every phase, the estimate
moved with the phase by up to 0.15 of the spacing (standard deviation); this uniform error has 0.14.
"""
ROUNDING = 1e-9
"""Differences of accuracy below it are rounding errors."""
CLIFF_ERROR = 0.5
"""The same for a peak beside a cliff, which may be on either side of its point.

Chosen by simulations of cliffs of several steepnesses: a smaller one leaves intervals too narrow.
"""
EDGE_SHARE = 0.05
"""A peak is censored when more than this share of the resamples puts it at an end of the range."""


@dataclass(frozen=True)
class PeakFit:
    """The peak of a curve. Batch sizes in examples; pairs are the ends of intervals.

    Attributes
    ----------
    batch_opt, batch_opt_interval, draws
        The smooth estimate, its interval, and its value in each resample, which holds the scatter
        of the seeds and the resolution of the grid (`GRID_ERROR`, `CLIFF_ERROR`).
    batch_argmax, batch_argmax_interval
        The paper's estimate.
    accuracy, accuracy_interval
        Height of the smoothed curve at the peak.
    gap, gap_interval
        How much higher the peak is than the curve's last point (the largest B), see `held_out_gap`.
    edge_share
        Share of the resamples that puts the peak at an end of the range.
    reason
        Why the peak is censored; empty when it is not.

        - ``"edge"``: the best B is an end of the range, or cannot be told from it;
        - ``"flat"``: the top is not significantly higher than either end of the range;
        - ``"not concave"``: the curve has no rounded top there;
        - ``"one seed"``: without a second seed nothing can be said.
    side
        Where the optimum of a curve censored for its ``"edge"`` lies: −1 at or below the upper end
        of its interval, 1 at or above the lower end. Else 0.
    """

    batch_opt: float
    batch_opt_interval: tuple[float, float]
    draws: np.ndarray
    batch_argmax: int
    batch_argmax_interval: tuple[float, float]
    accuracy: float
    accuracy_interval: tuple[float, float]
    gap: float
    gap_interval: tuple[float, float]
    edge_share: float
    reason: str
    side: int

    @property
    def bound(self) -> float:
        """What is known of a censored optimum: NaN, or a bound on the side of `side`."""
        low, high = self.batch_opt_interval
        return {-1: high, 0: np.nan, 1: low}[self.side]


def without_collapse(accuracy: np.ndarray, diverged: np.ndarray) -> tuple[np.ndarray, int]:
    """Keep the collapse at a very large noise scale from bending the peak.

    Below some B training fails and accuracy falls off a cliff that says nothing about the shape of
    the peak: smoothed over, it would move the peak to the right. Left of the best point, those
    batch sizes are left out, with all smaller ones, at which a run diverged, or which lie a cliff
    below their right neighbour: a fall in one step that is greater than all of the curve's fall to
    the right, and than noise explains (`BEYOND_NOISE`). Three points are always kept. A fall below
    the best point counts up to `COLLAPSE` times the height of the peak (or four standard deviations
    of a paired difference, where that is more).

    Parameters
    ----------
    accuracy, diverged : ndarrays of shape (n_seeds, n_points)

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
    # Without a sure fall to the right there is no scale to tell a cliff from a slope by.
    falls = height > BEYOND_NOISE / 2 * noise / np.sqrt(n_seeds) + ROUNDING
    cliff = falls & (np.diff(mean)[:best] > steep)
    left = np.flatnonzero(diverged[:, :best].any(axis=0) | cliff)
    first = left.max() + 1 if len(left) else 0
    # With too few points left there is no parabola; the collapsed ones are then kept, and clipped.
    first = min(first, len(mean) - 3)
    depth = max(COLLAPSE * height, 4 * noise)
    return np.maximum(accuracy, accuracy[:, [best]] - depth)[:, first:], first


def held_out_gap(heights: np.ndarray, end: int) -> np.ndarray:
    """Return for each seed how much higher its curve is at the peak than at index `end`.

    The peak is sought in the mean of the *other* seeds, so that choosing the best of many batch
    sizes does not flatter it: for a flat curve the expected gap is zero.

    Parameters
    ----------
    heights : ndarray of shape (n_seeds, n_points)
    """
    others = (heights.sum(axis=0) - heights).argmax(axis=1)
    return heights[np.arange(len(heights)), others] - heights[:, end]


def fit_peak(
    batch_sizes: np.ndarray,
    accuracy: np.ndarray,
    diverged: np.ndarray,
    counts: np.ndarray,
    confidence: float,
) -> PeakFit:
    """Return the peak of a curve with its uncertainty.

    Parameters
    ----------
    batch_sizes : ndarray of shape (n_points,)
        Increasing, at least three.
    accuracy : ndarray of shape (n_seeds, n_points)
        Final test accuracies; row s of every curve is the same seed.
    diverged : boolean ndarray of shape (n_seeds, n_points)
    counts : ndarray of shape (n_resamples, n_seeds)
        The bootstrap resamples, see `bootstrap.resamples`.
    confidence
        Level of the intervals. The peak is significantly higher than an end of the range when the
        interval of `held_out_gap` lies above zero.
    """
    accuracy = np.asarray(accuracy, dtype=float)
    n_seeds, n_points = accuracy.shape
    octaves = np.log2(batch_sizes)
    kept, first = without_collapse(accuracy, diverged)
    span = octaves[-1] - octaves[first]
    fine = np.linspace(octaves[first], octaves[-1], int(np.ceil(span * STEPS_PER_OCTAVE)) + 1)
    best = int(accuracy.mean(axis=0).argmax())
    beside = first > 0 and octaves[best] - octaves[first - 1] < HALF_WIDTH
    half_width = CLIFF_HALF_WIDTH if beside else HALF_WIDTH
    height, curvature = local_quadratic(octaves[first:], fine, half_width)

    heights = kept @ height.T
    curve = heights.mean(axis=0)
    top = int(curve.argmax())
    resampled = means(heights, counts)
    tops = resampled.argmax(axis=1)
    spacing = np.median(np.diff(octaves))
    error = (CLIFF_ERROR if beside else GRID_ERROR) * spacing
    lowest = fine[0] - (CLIFF_ERROR * spacing if first else 0)
    draws = np.exp2(np.clip(fine[tops] + error * _dither(accuracy, len(tops)), lowest, fine[-1]))
    argmaxes = means(accuracy, counts).argmax(axis=1)

    # The left end of the kept points is an end of the range only if nothing collapsed before it.
    # A smaller batch that trains, and surely does worse, makes a top of the first point kept.
    bracketed = top == 0 and first > 0 and not diverged[:, first - 1].any()
    last = len(fine) - 1
    ends = [last] if first else [0, last]
    edge_share = float(np.isin(tops, ends).mean())
    gaps = {end: held_out_gap(heights, end) for end in (0, last)}
    significant = {end: t_interval(gaps[end], confidence)[0] > ROUNDING for end in gaps}
    if n_seeds < 2:
        reason = "one seed"
    elif not any(significant.values()):
        reason = "flat"
    elif (
        top in ends
        or best in (0, n_points - 1)
        or edge_share > EDGE_SHARE
        or not all(significant[end] for end in ends)
    ):
        reason = "edge"
    elif not bracketed and curvature[top] @ kept.mean(axis=0) >= 0:
        reason = "not concave"
    else:
        reason = ""
    return PeakFit(
        batch_opt=float(np.exp2(fine[top])),
        batch_opt_interval=_pair(interval(draws, n_seeds, confidence)),
        draws=draws,
        batch_argmax=int(batch_sizes[best]),
        batch_argmax_interval=_pair(interval(batch_sizes[argmaxes], n_seeds, confidence)),
        accuracy=float(curve[top]),
        accuracy_interval=_pair(interval(resampled.max(axis=1), n_seeds, confidence)),
        gap=float(gaps[last].mean()) if n_seeds > 1 else float(curve[top] - curve[last]),
        gap_interval=_pair(t_interval(gaps[last], confidence)),
        edge_share=edge_share,
        reason=reason,
        side=0 if reason != "edge" else -1 if fine[top] < (fine[0] + fine[-1]) / 2 else 1,
    )


def _dither(accuracy: np.ndarray, n: int) -> np.ndarray:
    """Return uniform shifts from -1 to 1, for the grid's resolution, from the curve alone."""
    random = np.random.default_rng(zlib.crc32(accuracy.tobytes()))
    return random.uniform(-1, 1, n)


def _pair(ends: tuple[float, float]) -> tuple[float, float]:
    low, high = ends
    return float(low), float(high)
