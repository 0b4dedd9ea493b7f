"""Commands on a study's folder: remove damaged files, or runs that are to be trained again.

A workflow run rebuilds damaged results itself; `repair_study` is for results that are used,
published or copied without a workflow run.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from noisescale.errors import RecordError
from noisescale.planning import study_lock
from noisescale.planning.freshness import examine
from noisescale.planning.plan import Plan
from noisescale.storage.files import not_writable
from noisescale.storage.locks import exclusive_lock
from noisescale.study.model import Study
from noisescale.study.shards import SHARD_PATTERN


def repair_study(results: Path, locks: Path = study_lock.SNAKEMAKE_LOCKS) -> list[Path]:
    """Remove the damaged files of a study, and Snakemake's stale locks.

    Damaged files do not match their digests: a bit has flipped, or they were truncated or
    replaced. The next workflow run rebuilds them. Implements ``noisescale repair results/<study>``.

    Parameters
    ----------
    results
        The folder of the study's results.
    locks
        The folder of Snakemake's locks.

    Returns
    -------
    list of Path
        The files that were removed.

    Raises
    ------
    RecordError
        The folder has no study, the study is in use, or the folder cannot be written to.
    """
    plan = _plan(results, locks)
    study_lock.remove_stale_locks(results, locks)
    damaged = examine(plan).damaged
    for path in damaged:
        _remove(path)
    return damaged


def forget_shards(
    results: Path, shards: Sequence[str] = (), locks: Path = study_lock.SNAKEMAKE_LOCKS
) -> list[Path]:
    """Remove the runs of shards, so that the next workflow run trains them again.

    ``snakemake --forcerun train`` does not retrain them, because a training job keeps the runs of
    its shard.
    Implements ``noisescale forget results/<study> [--shard NAME]...``.

    Parameters
    ----------
    results
        The folder of the study's results.
    shards
        Names such as ``train_size~512-4095/batch_size~8-63/seeds~0-9``; by default, all shards
        in the folder.
    locks
        The folder of Snakemake's locks.

    Returns
    -------
    list of Path
        The files that were removed.

    Raises
    ------
    RecordError
        The folder has no study or no such shard, the study is in use, or the folder cannot be
        written to.
    """
    plan = _plan(results, locks)
    folder = plan.folder / "runs"
    paths = sorted(folder.rglob("*.parquet")) if not shards else []
    for shard in shards:
        path = plan.shard_path(shard)
        if not re.fullmatch(SHARD_PATTERN, shard) or not path.exists():
            raise RecordError(f"{path}: no such shard; expected one in {folder}, without .parquet")
        paths.append(path)
    removed = []
    for path in paths:
        with exclusive_lock(path):
            for file in (path, Path(f"{path}.checkpoint")):
                if file.exists():
                    _remove(file)
                    removed.append(file)
    return removed


def _plan(results: Path, locks: Path) -> Plan:
    plan = Plan(Study.read(results / "study.json"), results)
    if owner := study_lock.active_owner(results, locks):
        raise RecordError(owner)
    return plan


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise not_writable(path, error) from error
