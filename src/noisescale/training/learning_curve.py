"""Learning curves of runs, and the table of them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

import pyarrow as pa

from noisescale.results.schemas import RUNS
from noisescale.study.grid import Run
from noisescale.study.status import RunStatus


@dataclass(frozen=True)
class Evaluation:
    """A point of a learning curve: accuracies in [0, 1] and cross-entropies in nats.

    Cross-entropies are None after the run has diverged.
    """

    update: int
    train_accuracy: float
    train_cross_entropy: float | None
    test_accuracy: float
    test_cross_entropy: float | None


@dataclass(frozen=True)
class LearningCurve:
    """The learning curve of a run.

    Attributes
    ----------
    run
        The run.
    evaluations : list of Evaluation
        By increasing number of updates, starting at the initial weights.
    diverged_at
        None for a run that ends better than guessing. Otherwise the update at which its weights or
        outputs became non-finite, or the first evaluation after which its training cross-entropy
        was never below ln(n_classes), that of guessing.
    seconds
        The run's share of the wall time of its stack.
    """

    run: Run
    evaluations: list[Evaluation]
    diverged_at: int | None
    seconds: float


def runs_table(curves: Iterable[LearningCurve], dataset: str) -> pa.Table:
    """Return learning curves as a tidy table, one row per run and evaluation.

    Parameters
    ----------
    curves
        The learning curves.
    dataset
        Name of the data set.

    Returns
    -------
    pyarrow.Table
        With the columns of `noisescale.results.schemas.RUNS`; its method `to_pandas` makes a
        DataFrame.

    Examples
    --------
    >>> import noisescale as ns
    >>> study = ns.load_study("workflow/presets/smoke.yaml")
    >>> curves = ns.train(ns.unique_runs(study)[:1], ns.open_dataset("digits"), device="cpu")
    >>> len(ns.runs_table(curves, "digits")) == len(curves[0].evaluations)
    True
    """
    rows = [
        {
            "run_id": curve.run.run_id,
            "dataset": dataset,
            **asdict(curve.run),
            "noise_scale": curve.run.noise_scale,
            "update": evaluation.update,
            "epoch": evaluation.update * curve.run.batch_size / curve.run.train_size,
            "train_accuracy": evaluation.train_accuracy,
            "train_cross_entropy": evaluation.train_cross_entropy,
            "test_accuracy": evaluation.test_accuracy,
            "test_cross_entropy": evaluation.test_cross_entropy,
            "status": (
                RunStatus.TRAINED if curve.diverged_at is None else RunStatus.DIVERGED
            ).value,
            "diverged_at": curve.diverged_at,
            "train_seconds": curve.seconds,
        }
        for curve in curves
        for evaluation in curve.evaluations
    ]
    return pa.Table.from_pylist(rows, schema=RUNS)


def guessing_since(evaluations: Sequence[Evaluation], n_classes: int) -> int | None:
    """Return the first update after which a run is never better than guessing, if any."""
    since = None
    for evaluation in reversed(evaluations):
        cross_entropy = evaluation.train_cross_entropy
        if cross_entropy is None or cross_entropy < math.log(n_classes):
            break
        since = evaluation.update
    return since
