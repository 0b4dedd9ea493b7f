"""The known architectures by name, and which of them a run trains."""

from __future__ import annotations

from collections.abc import Hashable, Iterable

from noisescale.models.architecture import Architecture
from noisescale.models.mlp.architecture import MLP
from noisescale.study.grid import Run

_ARCHITECTURES: dict[str, Architecture] = {"mlp": MLP()}


def register(name: str, architecture: Architecture) -> None:
    """Add an architecture.

    Raises
    ------
    ValueError
        The name is taken.
    """
    if name in _ARCHITECTURES:
        raise ValueError(f"architecture {name!r} is registered already; choose another name")
    _ARCHITECTURES[name] = architecture


def get_architecture(name: str) -> Architecture:
    """Return the architecture of a name.

    Raises
    ------
    ValueError
        There is none.
    """
    if name not in _ARCHITECTURES:
        known = ", ".join(_ARCHITECTURES)
        raise ValueError(f"architecture {name!r}; expected one of {known}, or register it first")
    return _ARCHITECTURES[name]


def architecture_name(run: Run) -> str:
    """Return the name of a run's architecture.

    The one place that decides it: a run has no field for it yet, and all runs are perceptrons.
    """
    return "mlp"


def architecture_of(run: Run) -> Architecture:
    """Return a run's architecture."""
    return get_architecture(architecture_name(run))


def by_architecture(runs: Iterable[Run]) -> list[tuple[Architecture, list[Run]]]:
    """Return runs grouped by their architecture."""
    groups: dict[str, list[Run]] = {}
    for run in runs:
        groups.setdefault(architecture_name(run), []).append(run)
    return [(get_architecture(name), group) for name, group in groups.items()]


def stack_key(run: Run) -> tuple[Hashable, ...]:
    """Return what runs must share to be trained in one stack: shapes, arithmetic, budget."""
    shared = (run.preprocessing, run.train_size, run.batch_size, run.updates)
    return (architecture_name(run), *shared, *architecture_of(run).stack_key(run))
