"""The training of several stacks at the same time.

A small stack leaves most of a GPU idle: its kernels are short, and each waits for the one before.
So a GPU trains a few stacks at the same time, each on its own CUDA stream. A CPU, each core of
which has its own job, trains one after the other.
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
    at_once: int,
    checkpointer: Checkpointer,
    device: str,
) -> Iterator[list[LearningCurve]]:
    """Train stacks, `at_once` at a time; fewer or smaller ones where memory does not suffice.

    Parameters
    ----------
    stacks
        The runs of each stack, in the order in which to begin them.
    begin
        Returns the `TrainingLoop` of a stack.
    at_once
        Number of stacks to train at the same time.
    checkpointer
        Receives the states of all stacks in training.
    device
        ``cpu`` or ``cuda``.

    Yields
    ------
    list of LearningCurve
        The curves of each stack as it is finished.

    Raises
    ------
    torch.OutOfMemoryError
        Memory does not suffice for a single run, with nothing else in training.
    """
    waiting = deque(stacks)
    slots: deque[_Slot] = deque()
    # One stream for each slot in use.
    streams = [torch.cuda.Stream() if device == "cuda" else None for _ in range(at_once)]
    counted = time.perf_counter()
    while waiting or slots:
        if waiting and len(slots) < at_once:
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
                at_once = len(slots)
                waiting.appendleft(slot.runs)
                logger.info("out of memory: continuing with %d stacks at a time", at_once)
            elif len(slot.runs) == 1:
                raise torch.OutOfMemoryError("out of memory: a single run does not fit")
            else:
                half = len(slot.runs) // 2
                waiting.extendleft([slot.runs[half:], slot.runs[:half]])
                logger.info("out of memory: continuing with stacks of %d runs", half)
            torch.cuda.empty_cache()
            continue
        # The times of all stacks add up to the time that has passed.
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
        """Return whether everything that was launched is done."""
        return self.stream is None or self.stream.query()

    def step(self, begin: Callable[[list[Run]], TrainingLoop]) -> TrainingLoop | None:
        """Make a step and return the loop; give up and return None where memory is exhausted."""
        if self.stream is not None:
            # The data set may have been moved to the device on the caller's stream.
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
        """Return the state of the stack, once everything that was launched is done."""
        if self.stream is not None:
            self.stream.synchronize()
        assert self._loop is not None, "a slot that waits has made a step"
        return self._loop.snapshot()
