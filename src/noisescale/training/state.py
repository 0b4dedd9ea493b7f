"""The state of a stack in training, and the interface that stores it."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from noisescale.study.grid import Run
from noisescale.training.learning_curve import Evaluation


@dataclass(frozen=True)
class StackState:
    """A stack between two updates: all that it takes to go on with it.

    Attributes
    ----------
    update
        Updates made.
    settled
        Updates after which it was last looked which runs had diverged.
    finite : list of int
        For each run alive, after how many updates since then its gradient was finite.
    alive : list of int
        Which runs are still in training.
    diverged : dict of int to int
        The other runs, with the update at which they ceased to be finite.
    points : list of list of Point
        Each run's learning curve so far.
    tensors : dict of str to Tensor, shapes (len(alive), …)
        As in `noisescale.models.mlp.network.StackedMLP.state`; not copied.
    seconds
        Wall time spent.
    device
        ``cpu`` or ``cuda``.
    """

    update: int
    settled: int
    finite: list[int]
    alive: list[int]
    diverged: dict[int, int]
    points: list[list[Evaluation]]
    tensors: dict[str, Tensor]
    seconds: float
    device: str


class Checkpointer:
    """Keeps what is needed to go on with a training that is interrupted; this one, nothing."""

    def snapshot(self, runs: list[Run]) -> StackState | None:
        """Return how far this stack of runs has come in an earlier process."""
        return None

    def due(self) -> bool:
        """Return whether it is time to `keep` snapshots; asked every few blocks of updates."""
        return False

    def save(self, stacks: list[tuple[list[Run], StackState]]) -> None:
        """Keep snapshots of all stacks in training, in the place of earlier ones."""
