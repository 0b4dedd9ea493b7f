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
from contextlib import AbstractContextManager, nullcontext

import torch

from noisescale.course import Course, Curve, Keeper
from noisescale.gpu import lacks_memory
from noisescale.grid import Run
from noisescale.training import Snapshot

_WAIT_SECONDS = 2e-4
"""Between two looks at the GPU while all its streams are busy."""


def side_by_side(
    stacks: Iterable[list[Run]],
    begin: Callable[[list[Run]], Course],
    at_once: int,
    keeper: Keeper,
    device: str,
) -> Iterator[list[Curve]]:
    """Train stacks, `at_once` at a time, fewer or smaller ones where memory does not suffice.

    Parameters
    ----------
    stacks
        The runs of each, in the order in which to begin.
    begin
        Makes the stack's `Course`.
    at_once
        How many to train at the same time.
    keeper
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
    lanes: deque[_Lane] = deque()
    # As many streams as there are lanes, each with its lane alone.
    streams = [torch.cuda.Stream() if device == "cuda" else None for _ in range(at_once)]
    counted = time.perf_counter()
    while waiting or lanes:
        if waiting and len(lanes) < at_once:
            lane = _Lane(waiting.popleft(), streams.pop())
        elif lanes[0].ready():
            lane = lanes.popleft()
        else:
            lanes.rotate(-1)
            if not any(lane.ready() for lane in lanes):
                time.sleep(_WAIT_SECONDS)
            continue
        if not lane.go_on(begin):
            streams.append(lane.stream)
            if lanes:
                at_once = len(lanes)
                waiting.appendleft(lane.runs)
                print(f"out of memory: {at_once} stacks at a time", file=sys.stderr)
            elif len(lane.runs) == 1:
                raise torch.OutOfMemoryError("out of memory: a single run does not fit")
            else:
                half = len(lane.runs) // 2
                waiting.extendleft([lane.runs[half:], lane.runs[:half]])
                print(f"out of memory: {half} runs side by side", file=sys.stderr)
            torch.cuda.empty_cache()
            continue
        # So the times of all stacks add up to the time that has passed.
        lane.course.seconds += time.perf_counter() - counted
        counted = time.perf_counter()
        if lane.course.over:
            streams.append(lane.stream)
            yield lane.course.curves()
        else:
            lanes.append(lane)
        if keeper.due():
            keeper.keep([(lane.runs, lane.snapshot()) for lane in lanes])


class _Lane:
    """A stack in training, on a stream of its own where the device has streams."""

    def __init__(self, runs: list[Run], stream: torch.cuda.Stream | None) -> None:
        self.runs = runs
        self.stream = stream
        self.course: Course | None = None

    def ready(self) -> bool:
        """Return whether all that was launched is done."""
        return self.stream is None or self.stream.query()

    def go_on(self, begin: Callable[[list[Run]], Course]) -> bool:
        """Train a piece further; give up, and return False, where memory lacks."""
        if self.stream is not None:
            # The data may have been made on the stream outside.
            self.stream.wait_stream(torch.cuda.current_stream())
        try:
            with on_stream(self.stream):
                if self.course is None:
                    self.course = begin(self.runs)
                self.course.piece()
        except RuntimeError as error:
            if not lacks_memory(error):
                raise
            if self.course is not None:
                self.course.abandon()
            self.course = None
            return False
        return True

    def snapshot(self) -> Snapshot:
        """Return how far the training has come, once that is settled."""
        if self.stream is not None:
            self.stream.synchronize()
        return self.course.snapshot()


def on_stream(stream: torch.cuda.Stream | None) -> AbstractContextManager:
    """Return a context in which work is launched on a stream, if there is one."""
    return nullcontext() if stream is None else torch.cuda.stream(stream)
