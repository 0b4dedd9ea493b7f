"""The training job: bring one shard of runs up to date, training only what is missing."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch

from noisescale import cost, records
from noisescale.data import Dataset, load
from noisescale.errors import NoisescaleError, RecordError
from noisescale.fingerprint import engine_fingerprint
from noisescale.grid import Run, shards
from noisescale.preprocessing import preprocess
from noisescale.progress import Progress
from noisescale.study import Study
from noisescale.training import Curve, Problem, stack_key, train


def main(study_path: Path, data_path: Path, shard: str, output: Path, threads: int) -> None:
    """Write the shard's Parquet file with every run that the study wants of it.

    Rows of the present file are kept if they come from the same data and the same arithmetic,
    also those that the study no longer wants.
    """
    started = time.perf_counter()
    study = Study.from_json(Path(study_path).read_text())
    dataset = load(data_path)
    wanted = shards(study)[shard]
    identity = {"engine_fingerprint": engine_fingerprint(), "data_digest": dataset.digest}
    kept = reusable(output, identity)
    present = set(kept["run_id"].unique().to_pylist())
    missing = [run for run in wanted if run.run_id not in present]
    device = choose_device(study.device)
    torch.set_num_threads(threads)
    # Velocities that fade away would otherwise spend most of the time as denormal numbers.
    torch.set_flush_denormal(True)

    curves = train_all(dataset, missing, device, study.evaluations_per_decade, shard)
    table = pa.concat_tables([kept, table_of(curves, dataset.name)])
    trained = sum(curve.seconds for curve in curves)
    records.write_table(
        output,
        table,
        records.RUNS,
        {
            "kind": "runs",
            **identity,
            "run_ids": sorted(present | {run.run_id for run in missing}),
            "runs": {"wanted": len(wanted), "trained": len(missing), "held": len(present)},
            "seconds": {"training": trained, "total": time.perf_counter() - started},
            "device": device_name(device),
            **records.provenance(),
        },
    )
    print(f"{shard}: trained {len(missing)} runs, kept {len(present)}", file=sys.stderr)


def reusable(path: Path, identity: dict[str, str]) -> pa.Table:
    """Return the rows of a shard made from the same data by the same arithmetic, if any."""
    empty = records.RUNS.empty_table()
    if not Path(path).exists():
        return empty
    try:
        metadata = records.read_metadata(path)
        if any(metadata.get(key) != value for key, value in identity.items()):
            print(f"{path}: of other data or another engine; training anew", file=sys.stderr)
            return empty
        return records.read_table(path, records.RUNS).replace_schema_metadata(None)
    except RecordError as error:
        print(f"{error}; training anew", file=sys.stderr)
        return empty


def train_all(
    dataset: Dataset, runs: list[Run], device: str, evaluations_per_decade: int, what: str
) -> list[Curve]:
    """Train runs of any shapes, stack by stack."""
    stacks: dict[tuple, list[Run]] = {}
    for run in runs:
        stacks.setdefault(stack_key(run), []).append(run)
    n_inputs = dataset.X_train.shape[1]

    def seconds(runs: Iterable[Run]) -> float:
        return sum(cost.run_seconds(run, n_inputs, dataset.n_classes) for run in runs)

    curves = []
    problems: dict[str, Problem] = {}
    with Progress(len(runs), what, "runs", work=seconds(runs)) as progress:
        for group in sorted(stacks.values(), key=seconds, reverse=True):
            kind = group[0].preprocessing
            if kind not in problems:
                problems[kind] = on_device(preprocess(dataset, kind), device)
            memory = torch.cuda.mem_get_info()[0] if device == "cuda" else 0
            size = cost.stack_size(group[0], n_inputs, dataset.n_classes, device, memory)
            each = seconds(group[:1])
            for start in range(0, len(group), size):
                part = group[start : start + size]
                curves += train(
                    problems[kind],
                    part,
                    evaluations_per_decade,
                    progress=lambda done, each=each: progress(done, work=done * each),
                )
    return curves


def on_device(dataset: Dataset, device: str) -> Problem:
    """Move a data set to the device, with a column of ones beside the inputs for the bias."""

    def examples(x: np.ndarray) -> torch.Tensor:
        return torch.nn.functional.pad(torch.from_numpy(x), (0, 1), value=1.0).to(device)

    return Problem(
        x=examples(dataset.X_train),
        y=torch.from_numpy(dataset.y_train),
        x_test=examples(dataset.X_test),
        y_test=torch.from_numpy(dataset.y_test).to(device),
        n_classes=dataset.n_classes,
    )


def table_of(curves: list[Curve], dataset: str) -> pa.Table:
    """Return learning curves as a tidy table, one row per run and evaluation."""
    rows = [
        {
            "run_id": curve.run.run_id,
            "dataset": dataset,
            **vars_of(curve.run),
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


def vars_of(run: Run) -> dict[str, object]:
    """Return a run's fields by name."""
    return {name: getattr(run, name) for name in Run.__dataclass_fields__}


def choose_device(wanted: str) -> str:
    """Return ``cpu`` or ``cuda`` for a study's `device`.

    Raises
    ------
    NoisescaleError
        ``cuda`` is wanted and there is none.
    """
    found = torch.cuda.is_available()
    if wanted == "cuda" and not found:
        raise NoisescaleError(
            "device: cuda, but torch finds no CUDA device; set device: auto to train on the CPU"
        )
    return "cuda" if found and wanted != "cpu" else "cpu"


def device_name(device: str) -> str:
    """Return the name of the hardware that a device is."""
    if device == "cuda":
        return torch.cuda.get_device_name()
    return f"CPU, {torch.get_num_threads()} thread(s)"
