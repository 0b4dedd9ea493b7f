"""The training job: bring one shard of runs up to date, training only what is missing."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa

from noisescale.cost.estimate import training_seconds
from noisescale.cost.machine_speed import speed
from noisescale.data.dataset import Dataset, dataset_shape, load_dataset
from noisescale.errors import RecordError
from noisescale.results.identity import RunIdentity
from noisescale.results.schemas import RUNS
from noisescale.storage.digests import write_checksum
from noisescale.storage.files import remove_partial_writes
from noisescale.storage.locks import exclusive_lock
from noisescale.storage.provenance import collect_provenance
from noisescale.storage.tables import read_metadata, read_table, write_table
from noisescale.study.model import Study
from noisescale.study.shards import shard_runs
from noisescale.training.checkpoint import Checkpoint
from noisescale.training.devices import choose_device, device_name, prepare_torch
from noisescale.training.learning_curve import runs_table
from noisescale.training.packing import train_runs


def train_stage(study_path: Path, data_path: Path, shard: str, output: Path, threads: int) -> None:
    """Write the shard's Parquet file with every run that the study wants of it.

    Rows of the present file are kept if they come from the same data and the same arithmetic,
    also those that the study no longer wants. A file that lacks nothing is left as it is. What an
    interrupted call has done is in the `Journal` beside the file, until the file has it. Of two
    calls at once, the second waits for the first.
    """
    study = Study.read(study_path)
    dataset = load_dataset(data_path)
    with exclusive_lock(output) as sure:
        if sure:
            remove_partial_writes(output)
        update_shard(study, dataset, shard, output, threads)


def update_shard(study: Study, dataset: Dataset, shard: str, output: Path, threads: int) -> None:
    """Train what a shard's file lacks, and write the file."""
    wanted = shard_runs(study, shard)
    mine = RunIdentity.of(study, dataset.digest)
    kept, jobs = reusable_rows(output, mine)
    present = set(kept["run_id"].unique().to_pylist())
    missing = [run for run in wanted if run.run_id not in present]
    print(f"{shard}: {len(present)} runs kept, {len(missing)} to train", file=sys.stderr)
    checkpoint = Checkpoint(Path(f"{output}.checkpoint"), mine, missing)
    if not missing:
        write_checksum(output)
        checkpoint.remove()
        return

    device = choose_device(study.device)
    forecast = training_seconds(
        missing, dataset_shape(dataset), study.evaluations_per_decade, device == "cuda"
    )
    prepare_torch(threads, study.precision)
    with checkpoint.stopping():
        curves = train_runs(
            dataset, missing, device, study.evaluations_per_decade, shard, checkpoint
        )
    job = {
        "trained": len(missing),
        "seconds": checkpoint.seconds,
        "forecast": forecast / speed(device == "cuda"),
        "device": device_name(device),
        **collect_provenance(),
    }
    write_table(
        output,
        pa.concat_tables([kept, runs_table(curves, dataset.name)]),
        RUNS,
        {
            "kind": "runs",
            **asdict(mine),
            "run_ids": sorted(present | {run.run_id for run in missing}),
            "jobs": [*jobs, job],
            "study": asdict(study),
        },
    )
    checkpoint.remove()
    print(f"{shard}: trained {len(missing)} runs", file=sys.stderr)


def reusable_rows(path: Path, mine: RunIdentity) -> tuple[pa.Table, list[dict[str, Any]]]:
    """Return a shard's rows of the same identity, and the jobs that trained them."""
    nothing = RUNS.empty_table(), []
    if not Path(path).exists():
        return nothing
    try:
        metadata = read_metadata(path)
        if RunIdentity.from_metadata(metadata) != mine:
            print(f"{path}: of other data or arithmetic; training again", file=sys.stderr)
            return nothing
        table = read_table(path, RUNS).replace_schema_metadata(None)
        return table, list(metadata.get("jobs", ()))
    except RecordError as error:
        print(f"{error}; training again", file=sys.stderr)
        return nothing
