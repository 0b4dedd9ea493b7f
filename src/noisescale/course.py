"""The training of a stack of runs, in pieces, from its initial weights to its learning curves."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from noisescale.graphs import Stopwatch
from noisescale.grid import Run
from noisescale.schedule import evaluation_updates
from noisescale.training import Point, Problem, Snapshot, Training

_CHECK_EVERY = 500
"""Updates after which diverged runs are dropped at the latest."""
_PIECE_SECONDS = 0.1
"""Updates are launched for about so long at a time: a process that is to stop waits for them."""


@dataclass(frozen=True)
class Curve:
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
    points: list[Point]
    diverged_at: int | None
    seconds: float


class Keeper:
    """Keeps what is needed to go on with a training that is interrupted; this one, nothing."""

    def snapshot(self, runs: list[Run]) -> Snapshot | None:
        """Return how far this stack of runs has come in an earlier process."""
        return None

    def due(self) -> bool:
        """Return whether it is time to `keep` snapshots; asked every few blocks of updates."""
        return False

    def keep(self, stacks: list[tuple[list[Run], Snapshot]]) -> None:
        """Keep snapshots of all stacks in training, in the place of earlier ones."""


class Course:
    """The training of one stack from its initial weights to its learning curves, in pieces.

    Parameters
    ----------
    problem
        The data.
    runs
        Runs of equal `stack_key`.
    evaluations_per_decade
        Points of the learning curves per factor of ten in updates.
    progress
        Called now and then with the number of runs' worth of updates made since the last call.
    keeper
        May have a snapshot. A training that goes on from one makes the same curves, bit for bit
        where the machine is the same.

    Attributes
    ----------
    seconds
        Wall time spent; whoever calls `piece` counts it.
    over
        Whether the training is over.
    """

    def __init__(
        self,
        problem: Problem,
        runs: list[Run],
        evaluations_per_decade: int,
        progress: Callable[[float], None] = lambda runs: None,
        keeper: Keeper | None = None,
    ) -> None:
        self.runs = runs
        self.seconds = 0.0
        self.over = False
        self._keeper = keeper or Keeper()
        self._progress, self._made = progress, 0.0
        self._longest = 64
        self._launched: tuple[int, Stopwatch] | None = None
        self._training = Training(problem, runs)
        self._evaluations = evaluation_updates(runs[0].updates, evaluations_per_decade)
        stops = set(self._evaluations) | set(range(0, runs[0].updates, _CHECK_EVERY))
        snapshot = self._keeper.snapshot(runs)
        # Another kind of device cuts the updates into other blocks.
        if snapshot and snapshot.device == problem.x.device.type:
            self._training.restore(snapshot)
            self.seconds = snapshot.seconds
            self._count()
        self._stops = sorted(stop for stop in stops if stop >= self._training.update)

    def piece(self) -> None:
        """Launch some updates; before that, do what has had to wait for the last ones.

        Where the keeper is due, there may be fewer.
        """
        training = self._training
        self._pace()
        if training.update == self._stops[0]:
            training.settle()
            if training.update in self._evaluations and training.alive:
                training.evaluate()
            del self._stops[0]
        if self._stops and training.alive:
            start, watch = training.update, Stopwatch(training.problem.x.device)
            watch.mark()
            training.advance(
                self._stops[0],
                lambda: self._keeper.due() or training.update - start >= self._longest,
            )
            watch.mark()
            self._launched = training.update - start, watch
            self._count()
        else:
            self.over = True
            self._count(1.0)

    def curves(self) -> list[Curve]:
        """Return the learning curves, in the order of the runs."""
        training, n_classes = self._training, self._training.problem.n_classes
        curves, guess = [], 1 / n_classes
        for i, run in enumerate(self.runs):
            points = list(training.points[i])
            if i in training.diverged:
                left = self._evaluations[len(points) :]
                points += [Point(update, guess, None, guess, None) for update in left]
            diverged_at = training.diverged.get(i, _guessing_since(points, n_classes))
            curves.append(Curve(run, points, diverged_at, self.seconds / len(self.runs)))
        return curves

    def snapshot(self) -> Snapshot:
        """Return how far the training has come."""
        return self._training.snapshot(self.seconds)

    def abandon(self) -> None:
        """Take back what progress has been told of."""
        self._progress(-self._made)

    def _pace(self) -> None:
        """Find how many updates to launch from how long the last ones took."""
        if self._launched is not None:
            made, watch = self._launched
            taken = watch.seconds()
            if taken > 2 * _PIECE_SECONDS:
                self._longest = max(1, made // 2)
            elif taken < _PIECE_SECONDS / 2 and made >= self._longest:
                self._longest *= 2

    def _count(self, share: float | None = None) -> None:
        """Tell progress which share of the updates has been made."""
        share = self._training.update / self.runs[0].updates if share is None else share
        made = share * len(self.runs)
        self._progress(made - self._made)
        self._made = made


def _guessing_since(points: list[Point], n_classes: int) -> int | None:
    """Return the first evaluation from which on a run is no better than guessing, if any."""
    since = None
    for point in reversed(points):
        if point.train_cross_entropy is None or point.train_cross_entropy < math.log(n_classes):
            break
        since = point.update
    return since
