"""When a run is evaluated."""

from __future__ import annotations


def evaluation_updates(updates: int, per_decade: int) -> list[int]:
    """Return the numbers of updates after which a run is evaluated.

    They are log-spaced: 0 (the initial weights), 1, …, `updates`.
    """
    points, k = {0, updates}, 0
    while (point := round(10 ** (k / per_decade))) < updates:
        points.add(point)
        k += 1
    return sorted(points)
