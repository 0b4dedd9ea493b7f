"""The duration of launched work, on a CPU or on a GPU."""

from __future__ import annotations

import time

import torch


class Stopwatch:
    """Measures the time between `start` and `stop` on a device's current stream."""

    def __init__(self, device: torch.device) -> None:
        self._on_cpu = device.type == "cpu"
        self._times: list[float] = []
        self._events: list[torch.cuda.Event] = []

    def start(self) -> None:
        """Begin to measure."""
        self._mark()

    def stop(self) -> None:
        """End measuring."""
        self._mark()

    def seconds(self) -> float:
        """Return the time between `start` and `stop`; on a GPU, synchronize with `stop` first."""
        if self._on_cpu:
            start, stop = self._times
            return stop - start
        first, last = self._events
        return first.elapsed_time(last) / 1000

    def _mark(self) -> None:
        if self._on_cpu:
            self._times.append(time.perf_counter())
        else:
            event = torch.cuda.Event(enable_timing=True)
            event.record()
            self._events.append(event)
