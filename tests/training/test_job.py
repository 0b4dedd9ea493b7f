"""The training job: trains the runs that a shard's file lacks and keeps its other rows."""

import dataclasses
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.synthetic import synthetic_study

from noisescale.data.dataset import load_dataset
from noisescale.data.prepare import prepare_dataset
from noisescale.errors import NoisescaleError
from noisescale.results import identity
from noisescale.results.schemas import RUNS
from noisescale.storage.tables import read_metadata, read_table
from noisescale.study.model import DatasetSpec, Experiment
from noisescale.study.shards import assign_shards
from noisescale.training import job as training_job
from noisescale.training import runs as training_runs
from noisescale.training.checkpoint import Checkpoint
from noisescale.training.devices import choose_device
from noisescale.training.job import train_stage


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "data.npz"
    prepare_dataset(DatasetSpec("digits", None, "data"), path)
    return path


def study(seeds=(0, 1), learning_rates=(0.1, 0.2), batch_sizes=(8, 16)):
    axes = {
        "hidden": ["8"],
        "preprocessing": ["raw"],
        "train_size": [50],
        "learning_rate": list(learning_rates),
        "momentum": [0.9],
        "weight_decay": [0.0],
        "label_noise": [0.0],
        "seeds": list(seeds),
        "updates": [20],
    }
    experiment = Experiment("learning_rate", axes, list(batch_sizes))
    whole = synthetic_study()
    return dataclasses.replace(
        whole, experiments={"learning_rate": experiment}, seeds_per_shard=10, device="cpu"
    )


@pytest.fixture
def job(tmp_path, data, monkeypatch):
    """Bring the one shard of a study up to date; return its table and metadata."""
    output = tmp_path / "shard.parquet"
    trained = []

    def run(study):
        trained.clear()
        study_path = tmp_path / "study.json"
        study_path.write_text(study.to_json())
        (name,) = assign_shards(study)
        train_stage(study_path, data, name, output, threads=1)
        return read_table(output, RUNS).to_pandas(), read_metadata(output)

    original = training_runs.TrainingLoop

    def counting(data, runs, *arguments, **options):
        trained.extend(runs)
        return original(data, runs, *arguments, **options)

    monkeypatch.setattr(training_runs, "TrainingLoop", counting)
    run.output, run.trained = output, lambda: len(trained)
    return run


def runs_of(table):
    return set(table["run_id"])


def test_a_shard_holds_a_row_for_each_run_and_evaluation(job):
    table, metadata = job(study())
    assert len(runs_of(table)) == 8
    assert [job["trained"] for job in metadata["jobs"]] == [8]
    assert set(metadata["run_ids"]) == runs_of(table)
    for _, rows in table.groupby("run_id"):
        assert rows["update"].is_monotonic_increasing
        assert rows["update"].iloc[[0, -1]].tolist() == [0, 20]
    np.testing.assert_allclose(
        table["noise_scale"], table["learning_rate"] * (50 / table["batch_size"] - 1) / 0.1
    )
    np.testing.assert_allclose(table["epoch"], table["update"] * table["batch_size"] / 50)


def test_only_missing_runs_are_trained_and_the_others_kept_as_they_are(job):
    before, _ = job(study())
    after, metadata = job(study(seeds=(0, 1, 2)))
    assert [job["trained"] for job in metadata["jobs"]] == [8, 4]
    kept = after[after["run_id"].isin(runs_of(before))]
    assert before.equals(kept.reset_index(drop=True))


def test_a_run_does_not_depend_on_when_it_is_trained(job):
    job(study(seeds=(0,)))
    grown, _ = job(study(seeds=(0, 1, 2)))
    job.output.unlink()
    whole, _ = job(study(seeds=(0, 1, 2)))
    columns = [c for c in grown if c != "train_seconds"]
    order = ["run_id", "update"]
    grown, whole = (t.sort_values(order, ignore_index=True)[columns] for t in (grown, whole))
    assert grown.equals(whole)


def test_runs_that_the_study_no_longer_has_stay_in_the_file(job):
    before, _ = job(study())
    after, metadata = job(study(seeds=(0,)))
    assert [job["trained"] for job in metadata["jobs"]] == [8]
    assert runs_of(after) == runs_of(before)


def test_with_another_numerics_version_or_other_data_all_runs_are_trained_again(job, monkeypatch):
    job(study())
    monkeypatch.setattr(identity, "NUMERICS_VERSION", 0)
    _, metadata = job(study())
    assert [job["trained"] for job in metadata["jobs"]] == [8]
    assert job.trained() == 8
    original = load_dataset

    def other(path):
        return dataclasses.replace(original(path), digest="other data")

    monkeypatch.setattr(training_job, "load_dataset", other)
    _, metadata = job(study())
    assert [job["trained"] for job in metadata["jobs"]] == [8]
    assert job.trained() == 8


def test_with_other_points_of_the_learning_curves_all_runs_are_trained_again(job):
    """Otherwise the curves would have different points."""
    job(study())
    table, _ = job(dataclasses.replace(study(seeds=(0, 1, 2)), evaluations_per_decade=1))
    assert job.trained() == 12
    assert all(list(rows["update"]) == [0, 1, 10, 20] for _, rows in table.groupby("run_id"))


def test_with_products_of_another_precision_all_runs_are_trained_again(job):
    job(study())
    _, metadata = job(dataclasses.replace(study(), precision="tf32"))
    assert job.trained() == 8 and metadata["precision"] == "tf32"


def test_a_complete_shard_is_not_rewritten(job):
    job(study())
    before = job.output.read_bytes()
    job(study())
    assert job.trained() == 0 and job.output.read_bytes() == before


def test_a_damaged_shard_is_trained_again(job, caplog):
    caplog.set_level("INFO")
    job(study())
    job.output.write_bytes(job.output.read_bytes()[:-100])
    _, metadata = job(study())
    assert [job["trained"] for job in metadata["jobs"]] == [8]
    assert job.trained() == 8
    assert "damaged or truncated" in caplog.text


def test_a_job_that_is_stopped_and_resumed_leads_to_the_same_table(job, monkeypatch):
    undisturbed, _ = job(study())
    job.output.unlink()
    checkpoint = Path(f"{job.output}.checkpoint")
    assert not checkpoint.exists()
    leftover = job.output.with_name(f".{checkpoint.name}.killed")
    leftover.touch()
    add = Checkpoint.add

    def stopped(self, curves):
        signal.raise_signal(signal.SIGTERM)
        add(self, curves)

    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr(Checkpoint, "add", stopped)
        job(study())
    assert job.trained() == 4 and checkpoint.exists() and not job.output.exists()
    resumed, metadata = job(study())
    assert job.trained() == 4 and metadata["jobs"][0]["trained"] == 8
    assert resumed.drop(columns="train_seconds").equals(undisturbed.drop(columns="train_seconds"))
    assert sorted(p.name for p in checkpoint.parent.glob("*shard*") if p.is_file()) == [
        ".shard.lock",
        job.output.name,
    ]
    assert not leftover.exists()


STAGE = """
import sys
from noisescale.environment import settle_environment
settle_environment()
from noisescale.cli import main
from noisescale.training import checkpoint
checkpoint.SECONDS_BETWEEN = 0.1
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture
def stage(tmp_path, data):
    """Start the training job of a study's only shard, with a checkpoint that is written often."""

    def start(study, name):
        study_path = tmp_path / "study.json"
        study_path.write_text(study.to_json())
        (shard_name,) = assign_shards(study)
        log = tmp_path / f"{name}.log"
        command = [sys.executable, "-c", STAGE, "--log", log, "train", "--shard", shard_name]
        command += ["--study", study_path, "--data", data, "--output", tmp_path / "shard.parquet"]
        return subprocess.Popen(command), log

    return start


def long(study):
    experiment = study.experiments["learning_rate"]
    longer = dataclasses.replace(experiment, axes=experiment.axes | {"updates": [4000]})
    return dataclasses.replace(study, experiments={"learning_rate": longer})


def test_a_job_that_is_killed_and_resumed_leads_to_the_same_table(job, stage):
    undisturbed, _ = job(long(study()))
    job.output.unlink()
    checkpoint = Path(f"{job.output}.checkpoint")
    process, _ = stage(long(study()), "killed")
    while not checkpoint.exists():
        assert process.poll() is None, "it ended before it could be killed"
        time.sleep(0.005)
    process.kill()
    process.wait()
    assert not job.output.exists()
    process, log = stage(long(study()), "resumed")
    assert process.wait() == 0
    assert "checkpoint: " in log.read_text() and not checkpoint.exists()
    resumed = read_table(job.output, RUNS).to_pandas()
    assert resumed.drop(columns="train_seconds").equals(undisturbed.drop(columns="train_seconds"))


def test_the_second_of_two_concurrent_jobs_uses_the_results_of_the_first(job, stage):
    both = [stage(long(study()), name) for name in ("one", "other")]
    assert [process.wait() for process, _ in both] == [0, 0]
    texts = sorted((log.read_text() for _, log in both), key=len)
    assert sum("8 runs kept, 0 to train" in text for text in texts) == 1
    assert sum("0 runs kept, 8 to train" in text for text in texts) == 1
    metadata = read_metadata(job.output)
    assert [done["trained"] for done in metadata["jobs"]] == [8]
    assert not list(job.output.parent.glob("shard.parquet.*lock"))


def test_a_missing_gpu_is_an_error_of_one_line(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device("auto") == choose_device("cpu") == "cpu"
    with pytest.raises(NoisescaleError, match="device: cuda, but torch finds no CUDA device"):
        choose_device("cuda")


@pytest.mark.parametrize(
    ("environment", "device"),
    [
        ({}, "cuda"),
        ({"SLURM_JOB_ID": "1"}, "cpu"),
        ({"SLURM_JOB_ID": "1", "CUDA_VISIBLE_DEVICES": "0"}, "cuda"),
    ],
)
def test_auto_does_not_take_a_gpu_that_slurm_has_not_given_to_the_job(
    monkeypatch, environment, device
):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    for name in ("SLURM_JOB_ID", "CUDA_VISIBLE_DEVICES"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert choose_device("auto") == device
