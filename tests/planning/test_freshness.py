"""Results are compared with their inputs by content only."""

import contextlib
import dataclasses
import os
import shutil

import numpy as np
import pytest
from helpers.synthetic import synthetic_study

from noisescale.data.dataset import read_dataset_metadata
from noisescale.data.prepare import prepare_dataset
from noisescale.errors import RecordError
from noisescale.numerics import NUMERICS_VERSION
from noisescale.planning.freshness import NO_RECORD, examine
from noisescale.planning.plan import Plan
from noisescale.planning.records import Record, Recorder
from noisescale.planning.repair import forget_shards, repair_study
from noisescale.planning.stages import stage_names, study_stage
from noisescale.results.schemas import RUNS
from noisescale.storage.files import write_text
from noisescale.storage.tables import write_table
from noisescale.study.model import DatasetSpec

DAY = 86_400


def write_own_data(path, shift=0):
    y = np.arange(200) % 10
    X = np.random.default_rng(0).integers(0, 200, (200, 6)).astype(np.uint8) + np.uint8(shift)
    np.savez(path, X_train=X, y_train=y, X_test=X, y_test=y)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished study on a user's own data; most of its results are placeholders."""
    folder = tmp_path_factory.mktemp("finished")
    write_own_data(folder / "mine.npz")
    dataset = DatasetSpec("npz", "mine.npz", "data")
    plan = Plan(dataclasses.replace(synthetic_study(seeds=2), dataset=dataset), folder / "results")
    with contextlib.chdir(folder):
        finish(plan)
    return plan


@pytest.fixture
def plan(finished, tmp_path, monkeypatch):
    """A copy of the finished study, in the working directory."""
    shutil.copytree(finished.folder.parent, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return Plan(finished.study, tmp_path / "results")


def finish(plan):
    """Create all missing results of a study."""
    write_text(plan.folder / "study.json", plan.study.to_json())
    for name in stage_names(plan):
        if name == "collect":
            train(plan)
        recorder = Recorder(study_stage(plan, name).record)
        for path in study_stage(plan, name).output_paths().values():
            if name == "data":
                prepare_dataset(plan.study.dataset, path)
            else:
                write_text(path, f"what {name} makes")
        recorder.finish()


def train(plan):
    digest = read_dataset_metadata(plan.folder / "data.npz")["digest"]
    for shard, runs in plan.shards.items():
        identity = {
            "numerics_version": NUMERICS_VERSION,
            "evaluations_per_decade": plan.study.evaluations_per_decade,
            "precision": plan.study.precision,
            "data_digest": digest,
        }
        metadata = {"run_ids": sorted(run.run_id for run in runs)} | identity
        write_table(plan.shard_path(shard), RUNS.empty_table(), RUNS, metadata)


def put(path, content, shift):
    """Replace a file; the new one is newer by `shift` seconds."""
    before = path.stat().st_mtime
    path.write_bytes(content)
    os.utime(path, (before + shift, before + shift))


def test_a_finished_study_is_up_to_date_also_when_it_is_moved(plan, tmp_path, monkeypatch):
    assert examine(plan).messages() == [] and not examine(plan).missing
    other = tmp_path / "elsewhere"
    other.mkdir()
    shutil.move(plan.folder, other / "results")
    shutil.copy("mine.npz", other)
    monkeypatch.chdir(other)
    moved = Plan(plan.study, other / "results")
    assert not examine(moved).stages and not examine(moved).missing


@pytest.mark.parametrize("shift", [-DAY, 0, DAY])
def test_other_data_in_the_users_file_train_everything_again(plan, tmp_path, shift):
    write_own_data(tmp_path / "other.npz", shift=1)
    put(tmp_path / "mine.npz", (tmp_path / "other.npz").read_bytes(), shift)
    found = examine(plan)
    assert found.stages == {"data": ["dataset.path"]}
    assert found.missing == plan.shards


def test_a_link_that_is_changed_to_other_data_is_detected(plan, tmp_path):
    write_own_data(tmp_path / "other.npz", shift=1)
    os.utime(tmp_path / "other.npz", (0, 0))
    (tmp_path / "mine.npz").rename(tmp_path / "first.npz")
    (tmp_path / "mine.npz").symlink_to("other.npz")
    assert examine(plan).missing == plan.shards
    (tmp_path / "mine.npz").unlink()
    (tmp_path / "mine.npz").symlink_to("first.npz")
    assert not examine(plan).stages and not examine(plan).missing


@pytest.mark.parametrize("shift", [-DAY, 0, DAY])
def test_an_intact_table_of_the_smaller_study_is_collected_again(plan, shift):
    table = plan.folder / "runs.parquet"
    older = table.read_bytes()
    grown = Plan(synthetic_study(seeds=3), plan.folder)
    grown = Plan(dataclasses.replace(grown.study, dataset=plan.study.dataset), plan.folder)
    assert {"collect", "laws", "claims", "report"} <= examine(grown).stages.keys()
    finish(grown)
    put(table, table.read_bytes() + b", more", 0)
    recorder = Recorder(study_stage(grown, "collect").record)
    recorder.finish()
    for name in stage_names(grown)[3:]:
        Recorder(study_stage(grown, name).record).finish()
    assert not examine(grown).stages
    put(table, older, shift)
    assert "collect" in examine(grown).stages
    assert examine(grown).damaged == [table]


def test_a_study_that_shrinks_trains_nothing(plan):
    smaller = dataclasses.replace(synthetic_study(seeds=1), dataset=plan.study.dataset)
    found = examine(Plan(smaller, plan.folder))
    assert not found.missing
    assert "study" in found.stages["collect"]


def test_an_edit_that_is_reverted_leaves_nothing_to_do(plan):
    grown = dataclasses.replace(synthetic_study(seeds=3), dataset=plan.study.dataset)
    assert examine(Plan(grown, plan.folder)).missing
    assert not examine(plan).stages and not examine(plan).missing


def test_a_damaged_or_replaced_shard_is_trained_again(plan):
    shard, other = list(plan.shards)[:2]
    plan.shard_path(shard).write_bytes(plan.shard_path(shard).read_bytes()[:-9])
    found = examine(plan)
    assert found.missing == {shard: plan.shards[shard]}
    assert found.damaged == [plan.shard_path(shard)]
    # An intact file of another shard has none of its runs.
    shutil.copy(plan.shard_path(other), plan.shard_path(shard))
    assert examine(plan).missing == {shard: plan.shards[shard]}
    assert "collect" in examine(plan).stages


def test_results_without_a_record_are_rebuilt(plan):
    record = study_stage(plan, "laws").record
    record.unlink()
    assert examine(plan).stages == {"laws": [NO_RECORD]}
    record.write_text("{}")
    assert examine(plan).stages == {"laws": [NO_RECORD]}
    assert "laws (no record)" in examine(plan).messages()[0]


def test_stages_that_read_deleted_results_are_out_of_date(plan):
    (plan.folder / "evidence.parquet").unlink()
    study_stage(plan, "evidence").record.unlink()
    found = examine(plan)
    assert "evidence" not in found.outputs, "Snakemake itself sees that they are missing"
    assert found.stages["figures_evidence"] == ["evidence.parquet"]


def test_examining_writes_nothing(plan, monkeypatch):
    def refuse(*arguments, **options):
        raise AssertionError("something was written")

    (plan.folder / "runs.parquet").write_text("damaged")
    for name in ("write_text", "write_bytes", "unlink", "touch", "mkdir"):
        monkeypatch.setattr(f"pathlib.Path.{name}", refuse)
    monkeypatch.setattr("os.replace", refuse)
    assert examine(plan).damaged == [plan.folder / "runs.parquet"]


def test_the_record_is_that_of_the_inputs_before_the_stage_ran(plan):
    recorder = Recorder(study_stage(plan, "laws").record)
    (plan.folder / "runs.parquet").write_text("changed while the stage ran")
    recorder.finish()
    assert "runs.parquet" in examine(plan).stages["laws"]


def test_a_record_of_no_stage_is_refused(plan):
    with pytest.raises(RecordError, match=r"records/lawz.json: not the record of a stage"):
        Recorder(plan.folder / "records" / "lawz.json")


def test_a_record_is_read_as_it_was_written(plan):
    record = Record.read(study_stage(plan, "data").record)
    assert record.inputs.keys() == {"dataset.path"} and record.outputs.keys() == {"data.npz"}
    assert "data/prepare.py" in record.sources


def test_repair_removes_damaged_files_and_nothing_else(plan, tmp_path):
    damaged = [plan.folder / "runs.parquet", plan.shard_path(next(iter(plan.shards)))]
    kept = {path for path in plan.folder.rglob("*") if path.is_file()} - set(damaged)
    for path in damaged:
        path.write_text("damaged")
    assert repair_study(plan.folder, tmp_path / "locks") == damaged
    assert {path for path in plan.folder.rglob("*") if path.is_file()} == kept
    assert repair_study(plan.folder, tmp_path / "locks") == []


def test_forgotten_shards_are_trained_again_and_no_others(plan, tmp_path):
    shard = next(iter(plan.shards))
    removed = forget_shards(plan.folder, [shard], tmp_path / "locks")
    assert removed == [plan.shard_path(shard)]
    assert examine(plan).missing == {shard: plan.shards[shard]}
    assert len(forget_shards(plan.folder, (), tmp_path / "locks")) == len(plan.shards) - 1
    assert examine(plan).missing == plan.shards


@pytest.mark.parametrize("shard", ["../../mine", "train_size~1-7/batch_size~1-7/seeds~0-9", "*"])
def test_a_shard_that_is_not_there_cannot_be_forgotten(plan, tmp_path, shard):
    with pytest.raises(RecordError, match="no such shard; expected one in"):
        forget_shards(plan.folder, [shard], tmp_path / "locks")
    assert not examine(plan).missing


def test_a_study_in_use_is_neither_repaired_nor_forgotten(plan, tmp_path):
    locks = tmp_path / "locks"
    locks.mkdir()
    (locks / "0.output.lock").write_text(f"{plan.folder}/data.npz\n")
    for command in (repair_study, forget_shards):
        with pytest.raises(RecordError, match="the study is in use"):
            command(plan.folder, locks=locks)
