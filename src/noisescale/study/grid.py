"""The grid of runs: what a study trains, and which curves each run is a part of."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import cached_property
from operator import attrgetter

from noisescale.study.experiments import EXPERIMENTS
from noisescale.study.model import Experiment, Study
from noisescale.study.noise_scale import noise_scale

SWEPT = {kind.name: kind.swept for kind in EXPERIMENTS.values()}


@dataclass(frozen=True)
class Run:
    """One training. Two runs with equal fields are the same run, in whichever experiment."""

    hidden: str
    preprocessing: str
    train_size: int
    batch_size: int
    learning_rate: float
    momentum: float
    weight_decay: float
    label_noise: float
    updates: int
    seed: int

    @cached_property
    def run_id(self) -> str:
        """16 hexadecimal digits that name the run: a digest of its fields."""
        text = json.dumps(dict(zip(_NAMES, _VALUES(self), strict=True)))
        return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()

    @property
    def setting(self) -> tuple[str | int | float, ...]:
        """All fields but the last, the seed."""
        return _SETTING(self)

    @property
    def noise_scale(self) -> float:
        """The noise scale g, see `noisescale.study.noise_scale.noise_scale`."""
        return noise_scale(self.learning_rate, self.train_size, self.batch_size, self.momentum)


_NAMES = sorted(field.name for field in fields(Run))
_VALUES = attrgetter(*_NAMES)
_SETTING = attrgetter(*(field.name for field in fields(Run) if field.name != "seed"))
"""Planning reads the fields of every run, for which `dataclasses.asdict` is too slow."""


@dataclass(frozen=True)
class Cell:
    """A run as a part of an experiment.

    Attributes
    ----------
    variant
        Names the values of every further axis along which the experiment varies (other than the
        swept parameter, batch_size and seeds); empty when there is none.
    epochs
        The budget in epochs when the experiment fixes epochs, else None.
    """

    experiment: str
    variant: str
    epochs: float | None
    run: Run


def expand_cells(experiment: Experiment) -> Iterator[Cell]:
    """Yield every run of an experiment, in the order of its axes."""
    names = list(experiment.axes)
    swept = EXPERIMENTS[experiment.name].swept
    further = [
        name
        for name in names
        if name not in (swept, "batch_size", "seeds") and len(experiment.axes[name]) > 1
    ]
    batch_sizes = {size: experiment.batch_sizes(size) for size in experiment.axes["train_size"]}
    for values in itertools.product(*experiment.axes.values()):
        setting = dict(zip(names, values, strict=True))
        variant = ", ".join(f"{name} {setting[name]}" for name in further)
        seed, epochs = setting.pop("seeds"), setting.pop("epochs", None)
        for batch_size in batch_sizes[setting["train_size"]]:
            # Equal epochs mean an equal number of examples seen, also where the batch size does
            # not divide the training set.
            updates = setting.get("updates") or max(
                1, round(epochs * setting["train_size"] / batch_size)
            )
            run = Run(**setting | {"batch_size": batch_size, "updates": updates, "seed": seed})
            yield Cell(experiment.name, variant, epochs, run)


def cells(study: Study) -> list[Cell]:
    """Return the runs of every experiment; a run of two experiments appears twice."""
    return [cell for experiment in study.experiments.values() for cell in expand_cells(experiment)]


def unique_runs(study: Study) -> list[Run]:
    """Return the distinct runs of a study in a stable order.

    Examples
    --------
    >>> import noisescale as ns
    >>> runs = ns.unique_runs(ns.load_study("docs/mnist/study.json"))
    >>> runs[0].hidden, len(set(runs)) == len(runs)
    ('100', True)
    """
    return list(dict.fromkeys(cell.run for cell in cells(study)))
