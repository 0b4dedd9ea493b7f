"""Progress of long tasks: a bar on a terminal, otherwise a line in the log every 20 seconds."""

from __future__ import annotations

import logging
import sys
import time
from types import TracebackType
from typing import Never, Self

from tqdm import tqdm

_LOGGER = logging.getLogger(__name__)

_SECONDS_BETWEEN_LINES = 20.0


class Progress:
    """Count finished work out of a total, as a context manager.

    Parameters
    ----------
    total
        Amount of work, in `unit`.
    what
        Name of the work, at the start of each line.
    unit
        Name of what is counted.
    work
        Cost of all the work, from which the time left is estimated; `total` if not given, where
        every unit costs the same.
    """

    def __init__(self, total: float, what: str, unit: str, work: float | None = None) -> None:
        self.total, self.what, self.unit = total, what, unit
        self.work = total if work is None else work
        self.done = self.worked = 0.0
        self._started = self._last = time.monotonic()
        self._bar: tqdm[Never] | None = None
        if sys.stderr.isatty() and not _logged_to_file():
            self._bar = tqdm(
                total=self.work,
                desc=what,
                unit=unit,
                bar_format="{desc} {percentage:3.0f}% |{bar}| {elapsed} < {remaining}",
            )

    def __enter__(self) -> Self:
        self._log()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.close()
        elif error is None:
            self._log()

    def __call__(self, amount: float, work: float | None = None) -> None:
        """Add to the amount done, and its cost, which is the amount if not given."""
        work = amount if work is None else work
        self.done += amount
        self.worked += work
        if self._bar is not None:
            self._bar.update(work)
        elif time.monotonic() - self._last > _SECONDS_BETWEEN_LINES:
            self._log()

    def _log(self) -> None:
        if self._bar is not None:
            return
        self._last = time.monotonic()
        elapsed = self._last - self._started
        rest = max(0.0, self.work - self.worked)
        left = f", {elapsed / self.worked * rest:.0f} s left" if self.worked else ""
        _LOGGER.info(
            "%s: %.0f of %.0f %s, %.0f s%s",
            self.what,
            self.done,
            self.total,
            self.unit,
            elapsed,
            left,
        )


def _logged_to_file() -> bool:
    """Return whether the package's messages go to a file, and not to the terminal."""
    handlers = logging.getLogger("noisescale").handlers
    return any(isinstance(handler, logging.FileHandler) for handler in handlers)
