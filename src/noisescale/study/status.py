"""How a run ended."""

from __future__ import annotations

from enum import StrEnum


class RunStatus(StrEnum):
    """How a run ended: the values of the column ``status`` of the table of runs."""

    TRAINED = "trained"
    """It ends better than guessing."""
    DIVERGED = "diverged"
    """Its weights or outputs became non-finite, or it ends no better than guessing."""
