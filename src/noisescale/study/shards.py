"""Shards: a shard is the runs that one job trains and one file contains."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import cache

from noisescale.study.grid import Run, unique_runs
from noisescale.study.model import Study

BAND = 8
"""A shard has training set sizes and batch sizes within a factor of eight: 1-7, 8-63, 64-511, …

This is coarse, since starting a job takes seconds for the import of torch; a study that is spread
over many cores or nodes makes its shards smaller by `seeds_per_shard`.
"""


def shard_name(run: Run, seeds_per_shard: int) -> str:
    """Return the name of the shard (job and file) of a run.

    It depends only on the run and on `seeds_per_shard`, so that editing the grid never moves a run
    to another file.
    """
    first = run.seed // seeds_per_shard * seeds_per_shard
    return (
        f"train_size~{_band(run.train_size)}/batch_size~{_band(run.batch_size)}"
        f"/seeds~{first}-{first + seeds_per_shard - 1}"
    )


SHARD_PATTERN = r"train_size~\d+-\d+/batch_size~\d+-\d+/seeds~\d+-\d+"
"""The pattern of all names of shards. It is not a list of them: Snakemake matches the pattern of a
wildcard for every job, which would make planning quadratic in their number."""


@cache
def _band(size: int) -> str:
    low = 1
    while low * BAND <= size:
        low *= BAND
    return f"{low}-{low * BAND - 1}"


def assign_shards(study: Study) -> dict[str, list[Run]]:
    """Return the runs of each shard of a study."""
    result: dict[str, list[Run]] = {}
    for run in unique_runs(study):
        result.setdefault(shard_name(run, study.seeds_per_shard), []).append(run)
    return result


def shard_runs(study: Study, shard: str) -> list[Run]:
    """Return the runs of one shard, as `assign_shards` does, without those of other seeds.

    Therefore a job's start-up time does not grow with the number of seeds.
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
    return assign_shards(replace(study, experiments=own)).get(shard, [])


def runs_digest(runs: list[Run]) -> str:
    """Return a digest of a set of runs, which does not depend on their order."""
    text = "".join(sorted(run.run_id for run in runs))
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
