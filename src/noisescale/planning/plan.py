"""What the workflow needs to know of a study before it runs: files, jobs, costs, code.

Read by the Snakefile, in every process that Snakemake starts: nothing heavy is imported here.
"""

from __future__ import annotations

import heapq
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from noisescale.cost.estimate import START_SECONDS, shard_mb, training_seconds
from noisescale.cost.machine_speed import speed
from noisescale.errors import DataError, RecordError
from noisescale.planning.code_inputs import digest
from noisescale.results.identity import RunIdentity
from noisescale.study.catalog import Shape, shape_of
from noisescale.study.grid import Run
from noisescale.study.model import Study
from noisescale.study.shards import assign_shards, runs_digest, shard_runs
from noisescale.training.gpu import gpu_usable


@dataclass(frozen=True)
class Plan:
    """A study with the folder of its results."""

    study: Study
    folder: Path

    def check(self) -> None:
        """Check what would stop the workflow at its first job.

        Raises
        ------
        DataError
            The user's own data file is not there.
        RecordError
            The folder of the results, or one in it, cannot be written to.
        """
        own = self.study.dataset.path
        if own and not Path(own).expanduser().is_file():
            raise DataError(f"dataset.path: {own}: no such file; expected an .npz with your data")
        folder = self.folder
        while not folder.exists():
            folder = folder.parent
        inner = [path for path in sorted(self.folder.rglob("*")) if path.is_dir()]
        for place in (folder, *inner):
            if not (place.is_dir() and os.access(place, os.W_OK | os.X_OK)):
                raise RecordError(
                    f"{self.folder}: cannot be written, as {place} is not a folder that you may "
                    "write to; mend that, or choose another place with --directory"
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

        A job on a cluster plans only itself: it need not make the runs of all shards.

        Raises
        ------
        RecordError
            The study has no such shard; Snakemake knows only what names of shards look like.
        """
        made = vars(self).get("shards")
        runs = shard_runs(self.study, shard) if made is None else made.get(shard)
        if not runs:
            raise RecordError(f"{self.shard_path(shard)}: study {self.study.name} wants none of it")
        return runs

    def digest(self, shard: str) -> str:
        """Return a short name of what a shard is to hold: its runs, and how they are evaluated."""
        study = self.study
        return digest(runs_digest(self.runs(shard)), study.evaluations_per_decade, study.precision)

    def seconds(self, shard: str, runs: list[Run] | None = None) -> float:
        """Return about how long a shard's runs, all by default, take to train, in seconds.

        On one core or one GPU of the machine that `noisescale.cost.estimate` was fitted on.
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
        """GPUs that a training job asks for: one, unless the study keeps to the CPU."""
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
        """Say how many runs are wanted, exist, and will be trained, in how many jobs.

        And about how long that takes on so many cores of this machine, where they are given.

        Parameters
        ----------
        missing
            The runs of each shard that are to be trained, from `missing`.
        cores
            Cores of this machine, or None.
        """
        missing = {shard: runs for shard, runs in missing.items() if runs}
        wanted = sum(len(runs) for runs in self.shards.values())
        to_train = sum(len(runs) for runs in missing.values())
        text = (
            f"noisescale: study {self.study.name}: {wanted} runs wanted, "
            f"{wanted - to_train} up to date, {to_train} to train"
        )
        if missing:
            text += f" in {len(missing)} job{'s' * (len(missing) > 1)}"
            if cores:
                seconds = [self.seconds(shard, runs) for shard, runs in missing.items()]
                workers = min(cores, 1) if self.gpus else cores
                took = makespan(seconds, workers) / speed(bool(self.gpus))
                text += f", about {_rounded_duration(took)} of training"
                text += " on a GPU" if self.gpus else f" on {cores} idle core{'s' * (cores > 1)}"
        return text

    def missing(self) -> dict[str, list[Run]]:
        """Return the runs of each shard that its file lacks, or has of other data or arithmetic."""
        identity = RunIdentity.of(self.study, self._data_digest())
        result = {}
        for shard, runs in self.shards.items():
            present = self._present(shard, identity)
            result[shard] = [run for run in runs if run.run_id not in present]
        return result

    def _present(self, shard: str, identity: RunIdentity) -> set[str]:
        path = self.shard_path(shard)
        if not path.exists():
            return set()
        from noisescale.storage.tables import read_metadata

        try:
            metadata = read_metadata(path)
        except RecordError:
            return set()
        if RunIdentity.from_metadata(metadata) != identity:
            return set()
        return set(metadata.get("run_ids", ()))

    def _data_digest(self) -> str | None:
        """Return the digest of the prepared data; None where they are to be prepared (again)."""
        path, spec = self.folder / "data.npz", self.study.dataset
        if not path.exists():
            return None
        from noisescale.data.dataset import read_dataset_metadata
        from noisescale.data.sources import source_digest

        try:
            meta = read_dataset_metadata(path)
        except DataError:
            return None
        # None where a source is absent now, or is embedded in a library.
        sources = {meta["source"], source_digest(spec)} - {None}
        same = meta["name"] == spec.name and len(sources) <= 1
        return meta["digest"] if same else None


def makespan(seconds: list[float], workers: int) -> float:
    """Return how long jobs take when free workers take the longest one left."""
    busy = [0.0] * workers
    for job in sorted(seconds, reverse=True):
        heapq.heappush(busy, heapq.heappop(busy) + job)
    return max(busy)


def _rounded_duration(seconds: float) -> str:
    """Return a time as roughly as it is known."""
    if seconds < 90:
        return f"{max(10, round(seconds, -1)):.0f} seconds"
    if seconds < 5400:
        return f"{seconds / 60:.0f} minutes"
    return f"{seconds / 3600:.1f} hours"
