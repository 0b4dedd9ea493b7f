"""The training of a stack of runs, step by step, from initial weights to learning curves."""

from __future__ import annotations

from collections.abc import Callable

from noisescale.study.grid import Run
from noisescale.study.schedule import evaluation_updates
from noisescale.training.device_dataset import DeviceDataset
from noisescale.training.learning_curve import Evaluation, LearningCurve, guessing_since
from noisescale.training.stack_training import StackTraining
from noisescale.training.state import Checkpointer, StackState
from noisescale.training.stopwatch import Stopwatch

_CHECK_EVERY = 500
"""Largest number of updates between two checks for runs that have diverged."""
_STEP_SECONDS = 0.1
"""Target duration of a step in seconds, which bounds the delay before a process stops."""


class TrainingLoop:
    """The training of one stack from its initial weights to its learning curves, step by step.

    Parameters
    ----------
    data
        The data set.
    runs
        Runs of equal `noisescale.models.registry.stack_key`.
    evaluations_per_decade
        Points of the learning curves per factor of ten in updates.
    progress
        Called with the progress since the last call, in units of runs: over a training, the values
        add up to the number of runs.
    checkpointer
        May have a snapshot to resume from. The resumed training has the same curves, on the same
        machine to the last bit.

    Attributes
    ----------
    runs : list of Run
    training : StackTraining
        The networks and their minibatches.
    seconds : float
        Wall time spent; the caller of `step` adds to it.
    over : bool
        Whether the training is over.
    """

    def __init__(
        self,
        data: DeviceDataset,
        runs: list[Run],
        evaluations_per_decade: int,
        progress: Callable[[float], None] = lambda runs: None,
        checkpointer: Checkpointer | None = None,
    ) -> None:
        self.runs = runs
        self.seconds = 0.0
        self.over = False
        self._checkpointer = checkpointer or Checkpointer()
        self._progress, self._reported = progress, 0.0
        self._step_updates = 64
        self._last_step: tuple[int, Stopwatch] | None = None
        self.training = StackTraining(data, runs)
        self._evaluations = evaluation_updates(runs[0].updates, evaluations_per_decade)
        stops = set(self._evaluations) | set(range(0, runs[0].updates, _CHECK_EVERY))
        snapshot = self._checkpointer.snapshot(runs)
        # CPU and GPU divide the updates into different blocks.
        if snapshot and snapshot.device == data.x.device.type:
            self.training.restore(snapshot)
            self.seconds = snapshot.seconds
            self._report_progress()
        self._stops = sorted(stop for stop in stops if stop >= self.training.update)

    def step(self) -> None:
        """Check and evaluate the networks if the last step ended at such an update; launch updates.

        The step is shorter if the checkpointer is due.
        """
        training = self.training
        self._adapt_step()
        if training.update == self._stops[0]:
            training.drop_diverged()
            if training.update in self._evaluations and training.alive:
                training.evaluate()
            del self._stops[0]
        if self._stops and training.alive:
            start, watch = training.update, Stopwatch(training.data.x.device)
            watch.start()
            training.advance(
                self._stops[0],
                lambda: self._checkpointer.due() or training.update - start >= self._step_updates,
            )
            watch.stop()
            self._last_step = training.update - start, watch
            self._report_progress()
        else:
            self.over = True
            self._report_progress(1.0)

    def curves(self) -> list[LearningCurve]:
        """Return the learning curves, in the order of the runs."""
        training, n_classes = self.training, self.training.data.n_classes
        curves, guess = [], 1 / n_classes
        for i, run in enumerate(self.runs):
            evaluations = list(training.evaluations[i])
            if i in training.diverged:
                remaining = self._evaluations[len(evaluations) :]
                evaluations += [
                    Evaluation(update, guess, None, guess, None) for update in remaining
                ]
            diverged_at = training.diverged.get(i, guessing_since(evaluations, n_classes))
            seconds = self.seconds / len(self.runs)
            curves.append(LearningCurve(run, evaluations, diverged_at, seconds))
        return curves

    def snapshot(self) -> StackState:
        """Return the current state of the training."""
        return self.training.snapshot(self.seconds)

    def abandon(self) -> None:
        """Revert the reported progress."""
        self._progress(-self._reported)

    def _adapt_step(self) -> None:
        """Adapt the number of updates in a step to the duration of the last step."""
        if self._last_step is not None:
            updates, watch = self._last_step
            seconds = watch.seconds()
            if seconds > 2 * _STEP_SECONDS:
                self._step_updates = max(1, updates // 2)
            elif seconds < _STEP_SECONDS / 2 and updates >= self._step_updates:
                self._step_updates *= 2

    def _report_progress(self, share: float | None = None) -> None:
        """Report the completed share of the updates, in units of runs."""
        share = self.training.update / self.runs[0].updates if share is None else share
        runs = share * len(self.runs)
        self._progress(runs - self._reported)
        self._reported = runs
