"""Gather a study's shards into its one table of runs."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from noisescale import records
from noisescale.errors import RecordError
from noisescale.grid import shard_of, wanted
from noisescale.soundness import check_runs
from noisescale.study import Study


def main(study_path: Path, shard_paths: list[Path], output: Path) -> None:
    """Write ``runs.parquet``: every run that the study wants, and no other.

    Raises
    ------
    RecordError
        A shard is damaged, the shards come from different data or engines, or a wanted run is in
        none of them.
    """
    study = Study.read(study_path)
    runs = {run.run_id: run for run in wanted(study)}
    ids = set(runs)
    tables, sources = [], []
    for path in shard_paths:
        table = records.read_table(path, records.RUNS)
        sources.append(_source(path))
        for key in IDENTITY:
            if sources[-1][key] != sources[0][key]:
                raise RecordError(
                    f"{path}: its {key} is {sources[-1][key]}, but that of {shard_paths[0]} is "
                    f"{sources[0][key]}; delete the shard and run the workflow again"
                )
        tables.append(table.filter(pc.is_in(table["run_id"], pa.array(sorted(ids)))))
    table = pa.concat_tables(tables)
    table = table.sort_by([(name, "ascending") for name in _ORDER])

    found = set(table["run_id"].unique().to_pylist())
    if absent := ids - found:
        shard = shard_of(runs[min(absent)], study.seeds_per_shard)
        raise RecordError(
            f"{output}: {len(absent)} of {len(ids)} wanted runs are in no shard, for example "
            f"{min(absent)} of {shard}; run the workflow again, which trains them"
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
        for path, source in zip(shard_paths, sources, strict=True)
        for job in source["jobs"]
    ]
    records.write_table(
        output,
        table,
        records.RUNS,
        {
            "kind": "runs",
            **{key: sources[0][key] for key in IDENTITY},
            "study": asdict(study),
            "runs": {
                "wanted": len(ids),
                "trained": final.num_rows,
                "diverged": pc.sum(pc.equal(final["status"], "diverged")).as_py() or 0,
            },
            "seconds": {"training": pc.sum(final["train_seconds"]).as_py()},
            "device": ", ".join(sorted({job["device"] for job in jobs})),
            "shards": jobs,
            **records.provenance(),
        },
    )


def _source(path: Path) -> dict[str, Any]:
    """Return what a shard says of itself, with all that is needed of it."""
    source = records.read_metadata(path)
    try:
        complete = {*IDENTITY, "run_ids"} <= source.keys()
        sound = complete and all({"trained", "device"} <= job.keys() for job in source["jobs"])
    except (AttributeError, KeyError, TypeError):
        sound = False
    if not sound:
        raise RecordError(
            f"{path}: not the shard of a training job; delete the file and run the workflow again"
        )
    return source


IDENTITY = ("engine_fingerprint", "data_digest", "evaluations_per_decade", "precision")
"""What all shards must share, see `noisescale.shard.identity`."""

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
