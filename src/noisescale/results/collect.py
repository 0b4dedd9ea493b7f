"""Gather a study's shards into its one table of runs."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from noisescale.errors import RecordError
from noisescale.results.completeness import check_runs
from noisescale.results.identity import RunIdentity
from noisescale.results.schemas import RUNS
from noisescale.storage.provenance import collect_provenance
from noisescale.storage.tables import read_metadata, read_table, write_table
from noisescale.study.model import Study
from noisescale.study.shards import assign_shards


def collect_stage(study_path: Path, folder: Path, output: Path) -> None:
    """Write ``runs.parquet``: every run that the study wants, and no other.

    Parameters
    ----------
    study_path
        The study.
    folder
        Where its shards are. Not a list of them, which would be too long for a command line.
    output
        The table.

    Raises
    ------
    RecordError
        A shard is damaged, the shards come from different data or engines, or a wanted run is in
        none of them.
    """
    study = Study.read(study_path)
    shard_of: dict[str, str] = {}
    paths, tables, sources, identities = [], [], [], []
    for shard, runs in assign_shards(study).items():
        path = Path(folder) / f"{shard}.parquet"
        table = read_table(path, RUNS)
        paths.append(path)
        sources.append(_shard_source(path))
        identities.append(RunIdentity.from_metadata(sources[-1]))
        for key, value in asdict(identities[-1]).items():
            if value != (first := getattr(identities[0], key)):
                raise RecordError(
                    f"{path}: its {key} is {value}, but that of {paths[0]} is {first}; delete the "
                    "shard and run the workflow again"
                )
        own = {run.run_id: shard for run in runs}
        shard_of |= own
        tables.append(table.filter(pc.is_in(table["run_id"], pa.array(list(own)))))
    table = pa.concat_tables(tables)
    table = table.sort_by([(name, "ascending") for name in _ORDER])

    found = set(table["run_id"].unique().to_pylist())
    if absent := shard_of.keys() - found:
        raise RecordError(
            f"{output}: {len(absent)} of {len(shard_of)} wanted runs are in no shard, for example "
            f"{min(absent)} of {shard_of[min(absent)]}; run the workflow again, which trains them"
        )
    check_runs(output, table, study)
    final = table.filter(pc.equal(table["update"], table["updates"]))
    # A shard has a job for each time that runs were added to it.
    jobs = [
        job
        | {
            "shard": str(path),
            "runs": {"wanted": len(source["run_ids"]), "trained": job["trained"]},
        }
        for path, source in zip(paths, sources, strict=True)
        for job in source["jobs"]
    ]
    write_table(
        output,
        table,
        RUNS,
        {
            "kind": "runs",
            **asdict(identities[0]),
            "study": asdict(study),
            "runs": {
                "wanted": len(shard_of),
                "trained": final.num_rows,
                "diverged": pc.sum(pc.equal(final["status"], "diverged")).as_py() or 0,
            },
            "seconds": {"training": pc.sum(final["train_seconds"]).as_py()},
            "device": ", ".join(sorted({job["device"] for job in jobs})),
            "shards": jobs,
            **collect_provenance(),
        },
    )


def _shard_source(path: Path) -> dict[str, Any]:
    """Return what a shard says of itself, with all that is needed of it."""
    source = read_metadata(path)
    try:
        complete = RunIdentity.from_metadata(source) is not None and "run_ids" in source
        sound = complete and all({"trained", "device"} <= job.keys() for job in source["jobs"])
    except (AttributeError, KeyError, TypeError):
        sound = False
    if not sound:
        raise RecordError(
            f"{path}: not the shard of a training job; delete the file and run the workflow again"
        )
    return source


_ORDER = (
    "train_size",
    "batch_size",
    "learning_rate",
    "momentum",
    "weight_decay",
    "label_noise",
    "updates",
    "hidden",
    "preprocessing",
    "seed",
    "update",
)
