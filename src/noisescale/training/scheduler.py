"""The training of several stacks at the same time.

A small stack leaves most of a GPU idle, because its kernels are short and run one after another.
Therefore a GPU trains several stacks at the same time, each on its own CUDA stream. On a CPU, where
each core has its own job, a job trains one stack after another.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator

import torch

from noisescale.study.grid import Run
from noisescale.training.devices import is_out_of_memory, on_stream
from noisescale.training.learning_curve import LearningCurve
from noisescale.training.loop import TrainingLoop
from noisescale.training.state import Checkpointer, StackState

logger = logging.getLogger(__name__)

_WAIT_SECONDS = 2e-4
"""Time between two queries of the GPU while all its streams are busy."""


def run_concurrently(
    stacks: Iterable[list[Run]],
    begin: Callable[[list[Run]], TrainingLoop],
    n_concurrent: int,
    checkpointer: Checkpointer,
    device: str,
) -> Iterator[list[LearningCurve]]:
    """Train stacks, `n_concurrent` at a time; fewer or smaller ones if memory does not suffice.

    Parameters
    ----------
    stacks
        The runs of each stack, in the order in which they are started.
    begin
        Returns the `TrainingLoop` of a stack.
    n_concurrent
        Number of stacks to train at the same time.
    checkpointer
        Receives the states of all stacks in training.
    device
        ``cpu`` or ``cuda``.

    Yields
    ------
    list of LearningCurve
        The curves of each stack, as soon as it is finished.

    Raises
    ------
    torch.OutOfMemoryError
        Memory does not suffice for a single run, although nothing else is in training.
    """
    waiting = deque(stacks)
    slots: deque[_Slot] = deque()
    # One stream for each slot in use.
    streams = [torch.cuda.Stream() if device == "cuda" else None for _ in range(n_concurrent)]
    counted = time.perf_counter()
    while waiting or slots:
        if waiting and len(slots) < n_concurrent:
            slot = _Slot(waiting.popleft(), streams.pop())
        elif slots[0].ready():
            slot = slots.popleft()
        else:
            slots.rotate(-1)
            if not any(slot.ready() for slot in slots):
                time.sleep(_WAIT_SECONDS)
            continue
        loop = slot.step(begin)
        if loop is None:
            streams.append(slot.stream)
            if slots:
                n_concurrent = len(slots)
                waiting.appendleft(slot.runs)
                logger.info("out of memory: continuing with %d stacks at a time", n_concurrent)
            elif len(slot.runs) == 1:
                raise torch.OutOfMemoryError("out of memory: a single run does not fit")
            else:
                half = len(slot.runs) // 2
                waiting.extendleft([slot.runs[half:], slot.runs[:half]])
                logger.info("out of memory: continuing with stacks of %d runs", half)
            torch.cuda.empty_cache()
            continue
        # The times of all stacks add up to the elapsed time.
        loop.seconds += time.perf_counter() - counted
        counted = time.perf_counter()
        if loop.over:
            streams.append(slot.stream)
            yield loop.curves()
        else:
            slots.append(slot)
        if checkpointer.due():
            checkpointer.save([(slot.runs, slot.snapshot()) for slot in slots])


class _Slot:
    """A stack in training, on its own stream where the device has streams."""

    def __init__(self, runs: list[Run], stream: torch.cuda.Stream | None) -> None:
        self.runs = runs
        self.stream = stream
        self._loop: TrainingLoop | None = None

    def ready(self) -> bool:
        """Return whether all launched work is complete."""
        return self.stream is None or self.stream.query()

    def step(self, begin: Callable[[list[Run]], TrainingLoop]) -> TrainingLoop | None:
        """Make a step and return the loop; discard it and return None if out of memory."""
        if self.stream is not None:
            # The caller's stream may still be copying the data set to the device.
            self.stream.wait_stream(torch.cuda.current_stream())
        try:
            with on_stream(self.stream):
                if self._loop is None:
                    self._loop = begin(self.runs)
                self._loop.step()
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            if self._loop is not None:
                self._loop.abandon()
            self._loop = None
        return self._loop

    def snapshot(self) -> StackState:
        """Wait for all launched work, and return the state of the stack."""
        if self.stream is not None:
            self.stream.synchronize()
        assert self._loop is not None, "slots in the queue have made a step"
        return self._loop.snapshot()
