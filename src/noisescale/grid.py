"""The grid of runs: what a study trains, which curve wants which run, which shard holds it."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from functools import cache, cached_property
from operator import attrgetter

from noisescale.study import Experiment, Study

AXIS = {
    "generalization_gap": "batch_size",
    "batch_size": "batch_size",
    "learning_rate": "learning_rate",
    "train_size": "train_size",
    "momentum": "momentum",
    "weight_decay": "weight_decay",
    "fixed_epochs": "epochs",
    "label_noise": "label_noise",
}
"""The axis along which an experiment's curves differ."""

BAND = 8
"""Shards hold training-set and batch sizes within a factor of eight: 1-7, 8-63, 64-511, …

Coarse, as starting a job costs seconds of importing torch; a study that is spread over many cores
or nodes makes shards finer by their seeds.
"""


@dataclass(frozen=True)
class Run:
    """One training. Two runs with equal fields are the same run, whoever wants it."""

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
        """The noise scale g, see `noise_scale`."""
        return noise_scale(self.learning_rate, self.train_size, self.batch_size, self.momentum)

    @property
    def widths(self) -> list[int]:
        """Widths of the hidden layers, from the input on."""
        return [int(width) for width in self.hidden.split("x")]


_NAMES = sorted(field.name for field in fields(Run))
_VALUES = attrgetter(*_NAMES)
_SETTING = attrgetter(*(field.name for field in fields(Run) if field.name != "seed"))
"""A plan asks all of its runs, for which `dataclasses.asdict` takes too long."""


def noise_scale(
    learning_rate: float, train_size: int, batch_size: int, momentum: float = 0.0
) -> float:
    """Return SGD's noise scale g = ε (N/B − 1) / (1 − m).

    Smith & Le, equation 10 and, for momentum, section 5.2 and appendix D. Works elementwise on
    arrays.
    """
    return learning_rate * (train_size / batch_size - 1) / (1 - momentum)


@dataclass(frozen=True)
class Cell:
    """A run in the place that an experiment gives it.

    Attributes
    ----------
    variant
        Names the values of every further axis along which the experiment varies (neither its
        own axis, nor batch_size, nor seeds); empty when there is none.
    epochs
        The budget in epochs when the experiment fixes epochs, else None.
    """

    experiment: str
    variant: str
    epochs: float | None
    run: Run


def expand(experiment: Experiment) -> Iterator[Cell]:
    """Yield every run that an experiment wants, in the order of its axes."""
    names = list(experiment.axes)
    own = AXIS[experiment.name]
    further = [
        name
        for name in names
        if name not in (own, "batch_size", "seeds") and len(experiment.axes[name]) > 1
    ]
    batch_sizes = {size: experiment.batch_sizes(size) for size in experiment.axes["train_size"]}
    for values in itertools.product(*experiment.axes.values()):
        setting = dict(zip(names, values, strict=True))
        variant = ", ".join(f"{name} {setting[name]}" for name in further)
        seed, epochs = setting.pop("seeds"), setting.pop("epochs", None)
        for batch_size in batch_sizes[setting["train_size"]]:
            # Equal epochs are equally many examples seen, whatever an epoch's remainder.
            updates = setting.get("updates") or max(
                1, round(epochs * setting["train_size"] / batch_size)
            )
            run = Run(**setting | {"batch_size": batch_size, "updates": updates, "seed": seed})
            yield Cell(experiment.name, variant, epochs, run)


def design(study: Study) -> list[Cell]:
    """Return every experiment's runs; a run that two experiments want appears twice."""
    return [cell for experiment in study.experiments.values() for cell in expand(experiment)]


def wanted(study: Study) -> list[Run]:
    """Return the distinct runs of a study in a stable order."""
    return list(dict.fromkeys(cell.run for cell in design(study)))


def shard_of(run: Run, seeds_per_shard: int) -> str:
    """Return the name of the shard (job and file) that holds a run.

    It depends on the run (and `seeds_per_shard`) alone, so that editing the grid never moves a run
    to another file.
    """
    first = run.seed // seeds_per_shard * seeds_per_shard
    return (
        f"train_size~{_band(run.train_size)}/batch_size~{_band(run.batch_size)}"
        f"/seeds~{first}-{first + seeds_per_shard - 1}"
    )


SHARD = r"train_size~\d+-\d+/batch_size~\d+-\d+/seeds~\d+-\d+"
"""What all names of shards look like. Not a list of them: Snakemake goes through a wildcard's
pattern for every job, which would make planning quadratic in their number."""


@cache
def _band(size: int) -> str:
    low = 1
    while low * BAND <= size:
        low *= BAND
    return f"{low}-{low * BAND - 1}"


def shards(study: Study) -> dict[str, list[Run]]:
    """Return the runs of each shard of a study."""
    result: dict[str, list[Run]] = {}
    for run in wanted(study):
        result.setdefault(shard_of(run, study.seeds_per_shard), []).append(run)
    return result


def runs_of(study: Study, shard: str) -> list[Run]:
    """Return the runs of one shard, as `shards` does, without making those of other seeds.

    So what one job costs beside its training does not grow with the number of seeds.
    """
    first, last = map(int, shard.rpartition("~")[2].split("-"))
    own = {
        name: replace(
            experiment,
            axes=experiment.axes
            | {"seeds": [seed for seed in experiment.axes["seeds"] if first <= seed <= last]},
        )
        for name, experiment in study.experiments.items()
    }
    return shards(replace(study, experiments=own)).get(shard, [])


def digest(runs: list[Run]) -> str:
    """Return a short name of a set of runs, whatever their order."""
    text = "".join(sorted(run.run_id for run in runs))
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
