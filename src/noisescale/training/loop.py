"""The training of a stack of runs, in pieces, from its initial weights to its learning curves."""

from __future__ import annotations

from collections.abc import Callable

from noisescale.study.grid import Run
from noisescale.study.schedule import evaluation_updates
from noisescale.training.devices import Stopwatch
from noisescale.training.learning_curve import Evaluation, LearningCurve, _guessing_since
from noisescale.training.problem import DeviceDataset
from noisescale.training.stack_training import StackTraining
from noisescale.training.state import Checkpointer, StackState

_CHECK_EVERY = 500
"""Updates after which diverged runs are dropped at the latest."""
_STEP_SECONDS = 0.1
"""Updates are launched for about so long at a time: a process that is to stop waits for them."""


class TrainingLoop:
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
    checkpointer
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
        problem: DeviceDataset,
        runs: list[Run],
        evaluations_per_decade: int,
        progress: Callable[[float], None] = lambda runs: None,
        checkpointer: Checkpointer | None = None,
    ) -> None:
        self.runs = runs
        self.seconds = 0.0
        self.over = False
        self._checkpointer = checkpointer or Checkpointer()
        self._progress, self._made = progress, 0.0
        self._longest = 64
        self._launched: tuple[int, Stopwatch] | None = None
        self._training = StackTraining(problem, runs)
        self._evaluations = evaluation_updates(runs[0].updates, evaluations_per_decade)
        stops = set(self._evaluations) | set(range(0, runs[0].updates, _CHECK_EVERY))
        snapshot = self._checkpointer.snapshot(runs)
        # Another kind of device cuts the updates into other blocks.
        if snapshot and snapshot.device == problem.x.device.type:
            self._training.restore(snapshot)
            self.seconds = snapshot.seconds
            self._count()
        self._stops = sorted(stop for stop in stops if stop >= self._training.update)

    def step(self) -> None:
        """Launch some updates; before that, do what has had to wait for the last ones.

        Where the checkpointer is due, there may be fewer.
        """
        training = self._training
        self._pace()
        if training.update == self._stops[0]:
            training.drop_diverged()
            if training.update in self._evaluations and training.alive:
                training.evaluate()
            del self._stops[0]
        if self._stops and training.alive:
            start, watch = training.update, Stopwatch(training.problem.x.device)
            watch.mark()
            training.advance(
                self._stops[0],
                lambda: self._checkpointer.due() or training.update - start >= self._longest,
            )
            watch.mark()
            self._launched = training.update - start, watch
            self._count()
        else:
            self.over = True
            self._count(1.0)

    def curves(self) -> list[LearningCurve]:
        """Return the learning curves, in the order of the runs."""
        training, n_classes = self._training, self._training.problem.n_classes
        curves, guess = [], 1 / n_classes
        for i, run in enumerate(self.runs):
            points = list(training.points[i])
            if i in training.diverged:
                left = self._evaluations[len(points) :]
                points += [Evaluation(update, guess, None, guess, None) for update in left]
            diverged_at = training.diverged.get(i, _guessing_since(points, n_classes))
            curves.append(LearningCurve(run, points, diverged_at, self.seconds / len(self.runs)))
        return curves

    def snapshot(self) -> StackState:
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
            if taken > 2 * _STEP_SECONDS:
                self._longest = max(1, made // 2)
            elif taken < _STEP_SECONDS / 2 and made >= self._longest:
                self._longest *= 2

    def _count(self, share: float | None = None) -> None:
        """Tell progress which share of the updates has been made."""
        share = self._training.update / self.runs[0].updates if share is None else share
        made = share * len(self.runs)
        self._progress(made - self._made)
        self._made = made
