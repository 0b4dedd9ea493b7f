"""The training job: bring one shard of runs up to date, training only what is missing."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import torch

from noisescale import cost, gpu, records
from noisescale.alone import alone
from noisescale.course import Curve
from noisescale.data import Dataset, load
from noisescale.errors import NoisescaleError, RecordError
from noisescale.fingerprint import engine_fingerprint
from noisescale.grid import runs_of
from noisescale.journal import Journal
from noisescale.stacks import shape_of, train_all
from noisescale.study import Study
from noisescale.training import prepare_torch


def main(study_path: Path, data_path: Path, shard: str, output: Path, threads: int) -> None:
    """Write the shard's Parquet file with every run that the study wants of it.

    Rows of the present file are kept if they come from the same data and the same arithmetic,
    also those that the study no longer wants. A file that lacks nothing is left as it is. What an
    interrupted call has done is in the `Journal` beside the file, until the file has it. Of two
    calls at once, the second waits for the first.
    """
    study = Study.read(study_path)
    dataset = load(data_path)
    with alone(output) as sure:
        if sure:
            records.remove_leftovers(output)
        bring_up_to_date(study, dataset, shard, output, threads)


def bring_up_to_date(
    study: Study, dataset: Dataset, shard: str, output: Path, threads: int
) -> None:
    """Train what a shard's file lacks, and write the file."""
    wanted = runs_of(study, shard)
    mine = identity(study, dataset.digest)
    kept, jobs = reusable(output, mine)
    present = set(kept["run_id"].unique().to_pylist())
    missing = [run for run in wanted if run.run_id not in present]
    print(f"{shard}: {len(present)} runs kept, {len(missing)} to train", file=sys.stderr)
    journal = Journal(Path(f"{output}.journal"), mine, missing)
    if not missing:
        records.write_checksum(output)
        journal.remove()
        return

    device = choose_device(study.device)
    forecast = cost.training_seconds(
        missing, shape_of(dataset), study.evaluations_per_decade, device == "cuda"
    )
    prepare_torch(threads, study.precision)
    with journal.stopping():
        curves = train_all(dataset, missing, device, study.evaluations_per_decade, shard, journal)
    job = {
        "trained": len(missing),
        "seconds": journal.seconds,
        "forecast": forecast / cost.speed(device == "cuda"),
        "device": device_name(device),
        **records.provenance(),
    }
    records.write_table(
        output,
        pa.concat_tables([kept, table_of(curves, dataset.name)]),
        records.RUNS,
        {
            "kind": "runs",
            **mine,
            "run_ids": sorted(present | {run.run_id for run in missing}),
            "jobs": [*jobs, job],
            "study": asdict(study),
        },
    )
    journal.remove()
    print(f"{shard}: trained {len(missing)} runs", file=sys.stderr)


def identity(study: Study, data_digest: str) -> dict[str, str | int]:
    """Return what rows must have in common to stand in one table of runs."""
    return {
        "engine_fingerprint": engine_fingerprint(),
        "data_digest": data_digest,
        "evaluations_per_decade": study.evaluations_per_decade,
        "precision": study.precision,
    }


def reusable(path: Path, mine: dict[str, str | int]) -> tuple[pa.Table, list[dict[str, Any]]]:
    """Return a shard's rows of the same `identity`, and the jobs that trained them."""
    nothing = records.RUNS.empty_table(), []
    if not Path(path).exists():
        return nothing
    try:
        metadata = records.read_metadata(path)
        if any(metadata.get(key) != value for key, value in mine.items()):
            print(f"{path}: of other data or another engine; training anew", file=sys.stderr)
            return nothing
        table = records.read_table(path, records.RUNS).replace_schema_metadata(None)
        return table, list(metadata.get("jobs", ()))
    except RecordError as error:
        print(f"{error}; training anew", file=sys.stderr)
        return nothing


def table_of(curves: list[Curve], dataset: str) -> pa.Table:
    """Return learning curves as a tidy table, one row per run and evaluation."""
    rows = [
        {
            "run_id": curve.run.run_id,
            "dataset": dataset,
            **asdict(curve.run),
            "noise_scale": curve.run.noise_scale,
            "update": point.update,
            "epoch": point.update * curve.run.batch_size / curve.run.train_size,
            "train_accuracy": point.train_accuracy,
            "train_cross_entropy": point.train_cross_entropy,
            "test_accuracy": point.test_accuracy,
            "test_cross_entropy": point.test_cross_entropy,
            "status": "trained" if curve.diverged_at is None else "diverged",
            "diverged_at": curve.diverged_at,
            "train_seconds": curve.seconds,
        }
        for curve in curves
        for point in curve.points
    ]
    return pa.Table.from_pylist(rows, schema=records.RUNS)


def choose_device(wanted: str) -> str:
    """Return ``cpu`` or ``cuda`` for a study's `device`.

    Raises
    ------
    NoisescaleError
        ``cuda`` is wanted and there is none.
    """
    found = torch.cuda.is_available()
    if wanted == "auto":
        return "cuda" if found and gpu.permitted() else "cpu"
    if wanted == "cuda" and not found:
        raise NoisescaleError(
            "device: cuda, but torch finds no CUDA device; set device: auto to train on the CPU"
        )
    return wanted


def device_name(device: str) -> str:
    """Return the name of the hardware that a device is."""
    if device == "cuda":
        return torch.cuda.get_device_name()
    return f"CPU, {torch.get_num_threads()} thread(s)"
