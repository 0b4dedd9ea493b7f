"""Merge a study's shards into one table of runs."""

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
from noisescale.study.status import RunStatus


def collect_stage(study_path: Path, folder: Path, output: Path) -> None:
    """Write ``runs.parquet`` with exactly the runs of the study.

    Parameters
    ----------
    study_path
        The resolved study as JSON.
    folder
        The folder of its shards; a list of the shards would be too long for a command line.
    output
        The table.

    Raises
    ------
    RecordError
        A shard is damaged, the shards were computed from different data or with different versions
        of the arithmetic, or an expected run is in none of them.
    """
    study = Study.read(study_path)
    shard_of: dict[str, str] = {}
    paths, tables, sources, identities = [], [], [], []
    for shard, runs in assign_shards(study).items():
        path = Path(folder) / f"{shard}.parquet"
        table = read_table(path, RUNS)
        paths.append(path)
        source, identity = _shard_source(path)
        sources.append(source)
        identities.append(identity)
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
            f"{output}: {len(absent)} of {len(shard_of)} expected runs are in no shard, for "
            f"example {min(absent)} of {shard_of[min(absent)]}; run the workflow again, which "
            "trains them"
        )
    check_runs(output, table, study)
    final = table.filter(pc.equal(table["update"], table["updates"]))
    # A shard has one job for each time that runs were added to it.
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
                "diverged": pc.sum(pc.equal(final["status"], RunStatus.DIVERGED.value)).as_py()
                or 0,
            },
            "seconds": {"training": pc.sum(final["train_seconds"]).as_py()},
            "device": ", ".join(sorted({job["device"] for job in jobs})),
            "shards": jobs,
            **collect_provenance(),
        },
    )


def _shard_source(path: Path) -> tuple[dict[str, Any], RunIdentity]:
    """Return a shard's metadata and its identity, after checking that they are complete."""
    source = read_metadata(path)
    identity = RunIdentity.from_metadata(source)
    try:
        complete = "run_ids" in source and all(
            {"trained", "device"} <= job.keys() for job in source["jobs"]
        )
    except (AttributeError, KeyError, TypeError):
        complete = False
    if identity is None or not complete:
        raise RecordError(
            f"{path}: not the shard of a training job; delete the file and run the workflow again"
        )
    return source, identity


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
