"""A smooth curve through points: local quadratic regression (LOESS), as a linear map.

At every place a parabola is fitted to the points around it, weighted by their distance. The weights
do not depend on the points' variance over seeds: in simulations with five or ten seeds, variances
were so uncertain that such weights made intervals too narrow.

This is not taken from a library because ``statsmodels``' ``lowess`` fits lines, not parabolas, and
returns smoothed values but not the linear map, with which a thousand bootstrap resamples are one
matrix product.
"""

from __future__ import annotations

import numpy as np

from noisescale.statistics.bootstrap import FloatArray

HALF_WIDTH = 2.5
"""Octaves of B on each side that enter a local parabola (tricube weights)."""
CLIFF_HALF_WIDTH = 1.5
"""The same where the peak is next to a cliff: a wide parabola would move the peak away from it."""
MIN_NEIGHBOURS = 4
"""The fewest points that enter a local parabola, where the grid of B is coarse."""


def local_quadratic(
    x: FloatArray, at: FloatArray, half_width: float = HALF_WIDTH
) -> tuple[FloatArray, FloatArray]:
    """Return the linear maps from values at `x` to the smoothed curve at `at`.

    Local quadratic regression (Cleveland and Devlin 1988) with tricube weights of half-width
    `half_width`, widened where fewer than `MIN_NEIGHBOURS` points are within it.

    Parameters
    ----------
    x : ndarray of shape (n_points,)
        At least three different values, in octaves.
    at : ndarray of shape (n_at,)
        Where the curve is evaluated, in octaves.
    half_width
        In octaves.

    Returns
    -------
    height, curvature : ndarrays of shape (n_at, n_points)
        ``height @ y`` is the curve, ``curvature @ y`` its second derivative.
    """
    offset = x - at[:, None]
    distance = np.abs(offset)
    neighbour = np.sort(distance, axis=1)[:, min(MIN_NEIGHBOURS, len(x)) - 1]
    reach = np.maximum(half_width, 1.1 * neighbour)[:, None]
    weight = np.clip(1 - (distance / reach) ** 3, 0, None) ** 3
    powers = np.stack([np.ones_like(offset), offset, offset**2], axis=1)
    weighted = powers * weight[:, None]
    solved = np.linalg.solve(weighted @ powers.transpose(0, 2, 1), weighted).astype(np.float64)
    return solved[:, 0], 2 * solved[:, 2]
