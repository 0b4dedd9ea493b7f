"""Learning curves of runs, and the table that they become."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import pyarrow as pa

from noisescale.results.schemas import RUNS
from noisescale.study.grid import Run


@dataclass(frozen=True)
class Evaluation:
    """A learning curve's values after `update` updates; cross-entropies in nats or None."""

    update: int
    train_accuracy: float
    train_cross_entropy: float | None
    test_accuracy: float
    test_cross_entropy: float | None


def runs_table(curves: list[LearningCurve], dataset: str) -> pa.Table:
    """Return learning curves as a tidy table, one row per run and evaluation."""
    rows = [
        {
            "run_id": curve.run.run_id,
            "dataset": dataset,
            **asdict(curve.run),
            "noise_scale": curve.run.noise_scale,
            "update": point.update,
            "epoch": point.update * curve.run.batch_size / curve.run.train_size,
            "train_accuracy": point.train_accuracy,
            "train_cross_entropy": point.train_cross_entropy,
            "test_accuracy": point.test_accuracy,
            "test_cross_entropy": point.test_cross_entropy,
            "status": "trained" if curve.diverged_at is None else "diverged",
            "diverged_at": curve.diverged_at,
            "train_seconds": curve.seconds,
        }
        for curve in curves
        for point in curve.points
    ]
    return pa.Table.from_pylist(rows, schema=RUNS)


@dataclass(frozen=True)
class LearningCurve:
    """A run's learning curve.

    Attributes
    ----------
    diverged_at
        None for a run that ends better than guessing. Else the update at which its weights or
        outputs were no longer finite, or the first evaluation from which on its training
        cross-entropy was never below ln(n_classes), that of guessing.
    seconds
        The run's share of the wall time of its stack.
    """

    run: Run
    points: list[Evaluation]
    diverged_at: int | None
    seconds: float


def _guessing_since(points: list[Evaluation], n_classes: int) -> int | None:
    """Return the first evaluation from which on a run is no better than guessing, if any."""
    since = None
    for point in reversed(points):
        if point.train_cross_entropy is None or point.train_cross_entropy < math.log(n_classes):
            break
        since = point.update
    return since
