"""The training job: bring the file of one shard up to date by training only the missing runs."""

from __future__ import annotations

import logging
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
from noisescale.storage.files import remove_partial_writes
from noisescale.storage.locks import exclusive_lock
from noisescale.storage.provenance import collect_provenance
from noisescale.storage.tables import read_metadata, read_table, write_table
from noisescale.study.model import Study
from noisescale.study.shards import shard_runs
from noisescale.training.checkpoint import Checkpoint
from noisescale.training.devices import choose_device, device_name
from noisescale.training.learning_curve import runs_table
from noisescale.training.runs import train_runs
from noisescale.training.torch_settings import prepare_torch

logger = logging.getLogger(__name__)


def train_stage(study_path: Path, data_path: Path, shard: str, output: Path, threads: int) -> None:
    """Bring the Parquet file of a shard up to date with a study.

    Rows of the present file are kept if they were trained with the same data and the same
    `NUMERICS_VERSION`, even if the study no longer has these runs. A complete file is not
    rewritten. An interrupted job leaves a `Checkpoint` next to the file, from which the next one
    resumes. If two processes train the same shard, the second waits for the first.

    Parameters
    ----------
    study_path
        The study, ``study.json``.
    data_path
        The prepared data set, ``data.npz``.
    shard
        Name of the shard.
    output
        The shard's Parquet file.
    threads
        Threads to train with on a CPU.
    """
    study = Study.read(study_path)
    dataset = load_dataset(data_path)
    with exclusive_lock(output) as locked:
        if locked:
            remove_partial_writes(output)
        update_shard(study, dataset, shard, output, threads)


def update_shard(study: Study, dataset: Dataset, shard: str, output: Path, threads: int) -> None:
    """Train the runs that are missing in a shard's file, and write the file.

    The caller holds the lock of the file. The parameters are those of `train_stage`, loaded.
    """
    identity = RunIdentity.of(study, dataset.digest)
    rows, jobs = reusable_rows(output, identity)
    present = set(rows["run_id"].unique().to_pylist())
    missing = [run for run in shard_runs(study, shard) if run.run_id not in present]
    logger.info("%s: %d runs kept, %d to train", shard, len(present), len(missing))
    checkpoint = Checkpoint(Path(f"{output}.checkpoint"), identity, missing)
    if not missing:
        checkpoint.remove()
        return

    device = choose_device(study.device)
    gpu = device == "cuda"
    predicted = training_seconds(missing, dataset_shape(dataset), study.evaluations_per_decade, gpu)
    prepare_torch(threads, study.precision)
    with checkpoint.stopping():
        curves = train_runs(
            dataset, missing, device, study.evaluations_per_decade, shard, checkpoint
        )
    job = {
        "trained": len(missing),
        "seconds": checkpoint.seconds,
        "forecast": predicted / speed(gpu),
        "device": device_name(device),
        **collect_provenance(),
    }
    write_table(
        output,
        pa.concat_tables([rows, runs_table(curves, dataset.name)]),
        RUNS,
        {
            "kind": "runs",
            **asdict(identity),
            "run_ids": sorted(present | {run.run_id for run in missing}),
            "jobs": [*jobs, job],
            "study": asdict(study),
        },
    )
    checkpoint.remove()
    logger.info("%s: trained %d runs", shard, len(missing))


def reusable_rows(path: Path, identity: RunIdentity) -> tuple[pa.Table, list[dict[str, Any]]]:
    """Return the rows of a shard's file, and the provenance of the jobs that trained them.

    There are none if the file is missing or damaged, or if its rows were trained with different
    data or another `NUMERICS_VERSION`.
    """
    jobs: list[dict[str, Any]] = []
    if not Path(path).exists():
        return RUNS.empty_table(), jobs
    try:
        metadata = read_metadata(path)
        if RunIdentity.from_metadata(metadata) == identity:
            rows = read_table(path, RUNS).replace_schema_metadata(None)
            return rows, list(metadata.get("jobs", ()))
        logger.info(
            "%s: created from different data or with another NUMERICS_VERSION; training again", path
        )
    except RecordError as error:
        logger.info("%s; training again", error)
    return RUNS.empty_table(), jobs
