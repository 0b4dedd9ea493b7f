"""Stacks in training at the same time.

A small stack leaves most of a GPU idle: its kernels are short, and each waits for the one before.
So a few stacks are in training at once there, each on a CUDA stream of its own. On a CPU, whose
cores all have jobs of their own, it is one after the other.
"""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator

import torch

from noisescale.study.grid import Run
from noisescale.training.devices import is_out_of_memory, on_stream
from noisescale.training.learning_curve import LearningCurve
from noisescale.training.loop import TrainingLoop
from noisescale.training.state import Checkpointer, StackState

_WAIT_SECONDS = 2e-4
"""Between two looks at the GPU while all its streams are busy."""


def run_concurrently(
    stacks: Iterable[list[Run]],
    begin: Callable[[list[Run]], TrainingLoop],
    at_once: int,
    checkpointer: Checkpointer,
    device: str,
) -> Iterator[list[LearningCurve]]:
    """Train stacks, `at_once` at a time, fewer or smaller ones where memory does not suffice.

    Parameters
    ----------
    stacks
        The runs of each, in the order in which to begin.
    begin
        Makes the stack's `Course`.
    at_once
        How many to train at the same time.
    checkpointer
        Is given snapshots of all that are in training.
    device
        ``cpu`` or ``cuda``.

    Yields
    ------
    list of Curve
        Of each stack, as it is finished.

    Raises
    ------
    torch.OutOfMemoryError
        Memory lacks for a single run, with nothing else in training.
    """
    waiting = deque(stacks)
    slots: deque[_Slot] = deque()
    # As many streams as there are slots, each with its slot alone.
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
        if not slot.go_on(begin):
            streams.append(slot.stream)
            if slots:
                at_once = len(slots)
                waiting.appendleft(slot.runs)
                print(f"out of memory: {at_once} stacks at a time", file=sys.stderr)
            elif len(slot.runs) == 1:
                raise torch.OutOfMemoryError("out of memory: a single run does not fit")
            else:
                half = len(slot.runs) // 2
                waiting.extendleft([slot.runs[half:], slot.runs[:half]])
                print(f"out of memory: {half} runs side by side", file=sys.stderr)
            torch.cuda.empty_cache()
            continue
        # So the times of all stacks add up to the time that has passed.
        slot.loop.seconds += time.perf_counter() - counted
        counted = time.perf_counter()
        if slot.loop.over:
            streams.append(slot.stream)
            yield slot.loop.curves()
        else:
            slots.append(slot)
        if checkpointer.due():
            checkpointer.save([(slot.runs, slot.snapshot()) for slot in slots])


class _Slot:
    """A stack in training, on a stream of its own where the device has streams."""

    def __init__(self, runs: list[Run], stream: torch.cuda.Stream | None) -> None:
        self.runs = runs
        self.stream = stream
        self.loop: TrainingLoop | None = None

    def ready(self) -> bool:
        """Return whether all that was launched is done."""
        return self.stream is None or self.stream.query()

    def go_on(self, begin: Callable[[list[Run]], TrainingLoop]) -> bool:
        """Train a piece further; give up, and return False, where memory lacks."""
        if self.stream is not None:
            # The data may have been made on the stream outside.
            self.stream.wait_stream(torch.cuda.current_stream())
        try:
            with on_stream(self.stream):
                if self.loop is None:
                    self.loop = begin(self.runs)
                self.loop.step()
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            if self.loop is not None:
                self.loop.abandon()
            self.loop = None
            return False
        return True

    def snapshot(self) -> StackState:
        """Return how far the training has come, once that is settled."""
        if self.stream is not None:
            self.stream.synchronize()
        return self.loop.snapshot()
