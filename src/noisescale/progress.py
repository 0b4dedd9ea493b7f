"""Progress of long work: a bar on a terminal, a plain line now and then in a log."""

from __future__ import annotations

import sys
import time
from typing import Self

from tqdm import tqdm

_SECONDS_BETWEEN_LINES = 20.0


class Progress:
    """Count work done out of a total, as a context manager.

    Parameters
    ----------
    total
        Amount of work, in `unit`.
    what
        Names the work, at the start of each line.
    unit
        Names what is counted.
    work
        Sum of what the counted pieces cost, from which the time left is foretold; `total` where
        all cost the same.
    """

    def __init__(self, total: float, what: str, unit: str, work: float | None = None) -> None:
        self.total, self.what, self.unit = total, what, unit
        self.work = total if work is None else work
        self.done = self.worked = 0.0
        self._started = self._last = time.monotonic()
        self._bar = None
        if sys.stderr.isatty():
            self._bar = tqdm(
                total=self.work,
                desc=what,
                unit=unit,
                bar_format="{desc} {percentage:3.0f}% |{bar}| {elapsed} < {remaining}",
            )

    def __enter__(self) -> Self:
        self._say()
        return self

    def __exit__(self, *failure: object) -> None:
        if self._bar is not None:
            self._bar.close()
        elif failure[0] is None:
            self._say()

    def __call__(self, amount: float, work: float | None = None) -> None:
        """Add to the amount done, and what it cost, which is the amount where not given."""
        self.done += amount
        self.worked += amount if work is None else work
        if self._bar is not None:
            self._bar.update(amount if work is None else work)
        elif time.monotonic() - self._last > _SECONDS_BETWEEN_LINES:
            self._say()

    def _say(self) -> None:
        if self._bar is not None:
            return
        self._last = time.monotonic()
        elapsed = self._last - self._started
        rest = max(0.0, self.work - self.worked)
        left = f", {elapsed / self.worked * rest:.0f} s left" if self.worked else ""
        print(
            f"{self.what}: {self.done:.0f} of {self.total:.0f} {self.unit}, {elapsed:.0f} s{left}",
            file=sys.stderr,
            flush=True,
        )
