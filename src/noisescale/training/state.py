"""The state of a stack in training, and the interface that stores it."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from noisescale.study.grid import Run
from noisescale.training.learning_curve import Evaluation, LearningCurve


@dataclass(frozen=True)
class StackState:
    """A stack between two updates: everything needed to resume its training.

    Attributes
    ----------
    update
        Updates made.
    checked
        The update after which runs were last checked for divergence.
    finite : list of int
        For each run alive, the number of updates since `checked` with a finite gradient.
    alive : list of int
        The runs still in training, as positions in the stack.
    diverged : dict of int to int
        The other runs, each with the update at which it became non-finite.
    evaluations : list of list of Evaluation
        Each run's learning curve so far.
    tensors : dict of str to Tensor, shapes (len(alive), …)
        As in `noisescale.models.architecture.StackedModel.state`; not copied.
    seconds
        Wall time spent.
    device
        ``cpu`` or ``cuda``.
    """

    update: int
    checked: int
    finite: list[int]
    alive: list[int]
    diverged: dict[int, int]
    evaluations: list[list[Evaluation]]
    tensors: dict[str, Tensor]
    seconds: float
    device: str


class Checkpointer:
    """Stores what is needed to resume an interrupted training.

    This base class writes nothing: it only holds the finished curves in memory.

    Attributes
    ----------
    finished : dict of Run to LearningCurve
        The learning curves of finished runs.
    """

    def __init__(self) -> None:
        self.finished: dict[Run, LearningCurve] = {}

    def add(self, curves: list[LearningCurve]) -> None:
        """Record the curves of runs that are finished."""
        self.finished |= {curve.run: curve for curve in curves}

    def snapshot(self, runs: list[Run]) -> StackState | None:
        """Return the state in which an earlier process left this stack of runs, if it did."""
        return None

    def due(self) -> bool:
        """Return whether to call `save` now; called after every few blocks of updates."""
        return False

    def save(self, stacks: list[tuple[list[Run], StackState]]) -> None:
        """Store the states of all stacks in training, replacing earlier ones."""
