"""The training jobs of a study as the workflow plans them: files, runs, costs.

The Snakefile imports this module in every process that Snakemake starts; therefore slow imports are
left to the functions that need them.
"""

from __future__ import annotations

import heapq
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from noisescale.cost.estimate import START_SECONDS, shard_mb, training_seconds
from noisescale.cost.machine_speed import speed
from noisescale.errors import DataError, RecordError
from noisescale.results.identity import RunIdentity
from noisescale.storage.digests import short_digest
from noisescale.study.catalog import Shape, shape_of
from noisescale.study.grid import Run
from noisescale.study.model import Study
from noisescale.study.shards import assign_shards, runs_digest, shard_runs
from noisescale.training.gpu import gpu_usable


@dataclass(frozen=True)
class ShardContents:
    """What the file of a shard holds.

    Attributes
    ----------
    identity
        How its rows were computed; None if the file does not state it.
    run_ids
        The runs that it holds.
    damaged
        Whether the file exists but cannot be read, or does not match its digest.
    """

    identity: RunIdentity | None = None
    run_ids: frozenset[str] = frozenset()
    damaged: bool = False


@dataclass(frozen=True)
class Plan:
    """A study with the folder of its results."""

    study: Study
    folder: Path

    def check(self) -> None:
        """Check what every mode of Snakemake needs, dry runs included.

        Raises
        ------
        DataError
            The data that lie at hand cannot be used, see `noisescale.data.check.check_data`.
        ConfigError
            The study does not fit the data.
        RecordError
            There is a file in the place of the folder of the results.
        """
        from noisescale.data.check import check_data

        check_data(self.study, self.folder / "data.npz" if self.data_digest() else None)
        place = self._existing_folder()
        if not place.is_dir():
            raise self._not_writable(place)

    def check_writable(self) -> None:
        """Check that the folder of the results, and each folder in it, can be written to.

        Call it before jobs run; finished results may be read-only.

        Raises
        ------
        RecordError
            One of the folders cannot be written to.
        """
        inner = [path for path in sorted(self.folder.rglob("*")) if path.is_dir()]
        for place in (self._existing_folder(), *inner):
            if not (place.is_dir() and os.access(place, os.W_OK | os.X_OK)):
                raise self._not_writable(place)

    def _existing_folder(self) -> Path:
        """Return the folder of the results, or the nearest one above it that exists."""
        folder = self.folder
        while not folder.exists():
            folder = folder.parent
        return folder

    def _not_writable(self, place: Path) -> RecordError:
        return RecordError(
            f"{self.folder}: cannot be written, because {place} is not a writable folder; "
            "change its permissions, or choose another place with --directory"
        )

    @cached_property
    def shards(self) -> dict[str, list[Run]]:
        """The runs of each training job, by the name of its shard."""
        return assign_shards(self.study)

    def shard_path(self, shard: str) -> Path:
        """Return the Parquet file of a shard."""
        return self.folder / "runs" / f"{shard}.parquet"

    def runs(self, shard: str) -> list[Run]:
        """Return the runs of a shard.

        A job on a cluster lists only the runs of its shard.

        Raises
        ------
        RecordError
            The study has no such shard. Snakemake only checks the pattern of the name.
        """
        shards = vars(self).get("shards")
        runs = shard_runs(self.study, shard) if shards is None else shards.get(shard)
        if not runs:
            raise RecordError(
                f"{self.shard_path(shard)}: not a shard of study {self.study.name}; expected one "
                "that its runs belong to; remove the target from the command line"
            )
        return runs

    def digest(self, shard: str) -> str:
        """Return a digest of a shard's runs and evaluation settings."""
        study = self.study
        return short_digest(
            runs_digest(self.runs(shard)), study.evaluations_per_decade, study.precision
        )

    def seconds(self, shard: str, runs: list[Run] | None = None) -> float:
        """Return the predicted time to train a shard's runs (by default, all), in seconds.

        It applies to one core or one GPU of the machine on which `noisescale.cost.estimate` was
        fitted.
        """
        runs = self.runs(shard) if runs is None else runs
        per_decade = self.study.evaluations_per_decade
        training = training_seconds(runs, self.shape, per_decade, bool(self.gpus))
        return START_SECONDS + training

    @property
    def shape(self) -> Shape:
        """The sizes of the data set."""
        return shape_of(self.study.dataset.name)

    @cached_property
    def gpus(self) -> int:
        """The number of GPUs that a training job requests: one, unless the study uses the CPU."""
        if self.study.device == "auto":
            return int(gpu_usable())
        return int(self.study.device == "cuda")

    def minutes(self, shard: str) -> int:
        """Return a generous limit on a training job's run time."""
        return 15 + round(4 * self.seconds(shard) / 60)

    def megabytes(self, shard: str) -> int:
        """Return a generous limit on a training job's memory."""
        return round(1.5 * shard_mb(self.runs(shard), self.shape, bool(self.gpus)))

    def summary(self, missing: dict[str, list[Run]], cores: int | None = None) -> str:
        """Return a summary in one line: numbers of runs, and the predicted training time.

        The numbers are those of the runs in total, up to date and to train, and of the jobs.

        Parameters
        ----------
        missing
            The runs of each shard that have to be trained, from `missing`.
        cores
            Cores of this machine, for which the time is predicted; None leaves it out.
        """
        missing = {shard: runs for shard, runs in missing.items() if runs}
        planned = sum(len(runs) for runs in self.shards.values())
        to_train = sum(len(runs) for runs in missing.values())
        text = (
            f"study {self.study.name}: {planned} runs, "
            f"{planned - to_train} up to date, {to_train} to train"
        )
        if missing:
            text += f" in {len(missing)} job{'s' * (len(missing) > 1)}"
            if cores:
                seconds = [self.seconds(shard, runs) for shard, runs in missing.items()]
                workers = min(cores, 1) if self.gpus else cores
                predicted = makespan(seconds, workers) / speed(bool(self.gpus))
                text += f", about {_rounded_duration(predicted)} of training"
                text += " on a GPU" if self.gpus else f" on {cores} idle core{'s' * (cores > 1)}"
        return text

    def missing(self, shards: Mapping[str, ShardContents] | None = None) -> dict[str, list[Run]]:
        """Return the runs of each shard that have to be trained.

        These are the runs that its file lacks, or that were trained with different data or another
        `NUMERICS_VERSION`.

        Parameters
        ----------
        shards
            What the shards hold, from `shard_contents`; by default, they are read.
        """
        if shards is None:
            shards = {shard: self.shard_contents(shard) for shard in self.shards}
        identity = RunIdentity.of(self.study, self.data_digest())
        result = {}
        for shard, runs in self.shards.items():
            held = shards[shard]
            present = held.run_ids if held.identity == identity else frozenset()
            result[shard] = [run for run in runs if run.run_id not in present]
        return result

    def shard_contents(
        self, shard: str, known_intact: Callable[[Path], bool] = lambda path: False
    ) -> ShardContents:
        """Return what the file of a shard holds.

        Parameters
        ----------
        shard
            Its name.
        known_intact
            Whether a file is known to be intact; others are read completely and verified.
        """
        path = self.shard_path(shard)
        if not path.exists():
            return ShardContents()
        from noisescale.results.schemas import RUNS
        from noisescale.storage.tables import read_metadata, read_table

        try:
            if not known_intact(path):
                read_table(path, RUNS)
            metadata = read_metadata(path)
        except RecordError:
            return ShardContents(damaged=True)
        identity = RunIdentity.from_metadata(metadata)
        return ShardContents(identity, frozenset(metadata.get("run_ids", ())))

    def data_digest(self) -> str | None:
        """Return the digest of the prepared data set.

        None where it is absent, is another data set, or was prepared from other files than those
        that there are now.
        """
        path, spec = self.folder / "data.npz", self.study.dataset
        if not path.exists():
            return None
        from noisescale.data.dataset import read_dataset_metadata
        from noisescale.data.sources import source_digest

        try:
            meta = read_dataset_metadata(path)
        except DataError:
            return None
        # None if a source is absent now, or is embedded in a library.
        sources = {meta["source"], source_digest(spec)} - {None}
        same = meta["name"] == spec.name and len(sources) <= 1
        return meta["digest"] if same else None


def makespan(seconds: list[float], workers: int) -> float:
    """Return the makespan of longest-processing-time-first scheduling."""
    busy = [0.0] * workers
    for job in sorted(seconds, reverse=True):
        heapq.heappush(busy, heapq.heappop(busy) + job)
    return max(busy)


def _rounded_duration(seconds: float) -> str:
    """Return a predicted time, rounded to its precision."""
    if seconds < 90:
        return f"{max(10, round(seconds, -1)):.0f} seconds"
    if seconds < 5400:
        return f"{seconds / 60:.0f} minutes"
    return f"{seconds / 3600:.1f} hours"
