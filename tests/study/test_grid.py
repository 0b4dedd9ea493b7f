"""The grid: which runs an experiment has, and in which shard each is."""

import dataclasses
import hashlib
import json
import re
from collections import Counter

import pytest
from helpers.synthetic import synthetic_study

from noisescale.study.grid import Run, cells, expand_cells, unique_runs
from noisescale.study.model import BatchRange, Experiment, Study
from noisescale.study.noise_scale import noise_scale
from noisescale.study.shards import SHARD_PATTERN, assign_shards, shard_name, shard_runs

AXES = {
    "hidden": ["10"],
    "preprocessing": ["raw"],
    "train_size": [100],
    "learning_rate": [0.1],
    "momentum": [0.9],
    "weight_decay": [0.0],
    "label_noise": [0.0],
    "seeds": [0, 1],
    "updates": [50],
}


def experiment(name, batch_size=(4, 8, "full"), **axes):
    return Experiment(name, AXES | axes, list(batch_size))


def test_the_noise_scale_is_the_papers():
    assert noise_scale(0.1, 1000, 30) == pytest.approx(0.1 * (1000 / 30 - 1))
    assert noise_scale(0.1, 1000, 30, 0.9) == pytest.approx(10 * noise_scale(0.1, 1000, 30))
    assert noise_scale(0.1, 1000, 1000, 0.9) == 0, "full batches have no noise"


def test_an_experiment_trains_every_combination():
    cells = list(expand_cells(experiment("learning_rate", learning_rate=[0.1, 0.2, 0.3])))
    assert len(cells) == 3 * 2 * 3
    assert Counter(cell.run.batch_size for cell in cells) == {4: 6, 8: 6, 100: 6}
    assert {cell.variant for cell in cells} == {""}


def test_further_axes_become_variants_of_the_figure():
    cells = list(expand_cells(experiment("momentum", momentum=[0.0, 0.9], hidden=["10", "20x5"])))
    assert {cell.variant for cell in cells} == {"hidden 10", "hidden 20x5"}
    assert next(c.run for c in cells if c.variant == "hidden 20x5").hidden == "20x5"


def test_equal_epochs_are_equally_many_examples_seen_at_every_batch_size():
    axes = {k: v for k, v in AXES.items() if k != "updates"} | {"epochs": [30.0]}
    cells = list(expand_cells(Experiment("fixed_epochs", axes, [1, 30, 51, 64, 100])))
    assert {c.epochs for c in cells} == {30.0}
    for cell in cells:
        seen = cell.run.updates * cell.run.batch_size / cell.run.train_size
        assert seen == pytest.approx(30, abs=cell.run.batch_size / cell.run.train_size / 2)


def test_a_range_of_batch_sizes_ends_at_the_training_set():
    assert BatchRange(1, None, 1).resolve(100) == [1, 2, 4, 8, 16, 32, 64, 100]
    assert BatchRange(4, 32, 2).resolve(100) == [4, 6, 8, 11, 16, 23, 32]
    assert BatchRange(4, 32, 1).resolve(10) == [4, 8, 10]


def test_a_run_of_two_experiments_is_trained_once():
    study = synthetic_study()
    counts = Counter(cell.run.run_id for cell in cells(study))
    assert max(counts.values()) > 1
    assert sorted(counts) == sorted(run.run_id for run in unique_runs(study))


def test_every_field_is_part_of_a_runs_identity():
    run = next(expand_cells(experiment("momentum", momentum=[0.0, 0.9]))).run
    changed = {
        "hidden": "11",
        "preprocessing": "whiten",
        "train_size": 99,
        "batch_size": 5,
        "learning_rate": 0.2,
        "momentum": 0.5,
        "weight_decay": 0.1,
        "label_noise": 0.1,
        "updates": 51,
        "seed": 7,
    }
    assert set(changed) == {field.name for field in dataclasses.fields(Run)}
    others = {dataclasses.replace(run, **{k: v}).run_id for k, v in changed.items()}
    assert len(others | {run.run_id}) == len(changed) + 1
    assert dataclasses.replace(run).run_id == run.run_id


def test_a_runs_name_is_the_digest_of_its_fields_as_json():
    """Existing files are matched by it, so this test computes it independently."""
    for run in unique_runs(synthetic_study(seeds=2)):
        text = json.dumps(dataclasses.asdict(run), sort_keys=True)
        assert run.run_id == hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def test_a_runs_setting_is_all_but_its_seed():
    run = next(expand_cells(experiment("momentum", momentum=[0.0, 0.9]))).run
    assert Run(*run.setting, seed=run.seed) == run
    assert dataclasses.replace(run, seed=7).setting == run.setting


def test_the_shard_of_a_run_depends_only_on_the_run():
    run = next(expand_cells(experiment("momentum", momentum=[0.0, 0.9]))).run
    bands = {1: "1-7", 7: "1-7", 8: "8-63", 64: "64-511", 512: "512-4095"}
    for batch_size, band in bands.items():
        shard = shard_name(dataclasses.replace(run, batch_size=batch_size, seed=13), 10)
        assert shard == f"train_size~64-511/batch_size~{band}/seeds~10-19"


def test_every_run_is_in_exactly_one_shard():
    study = synthetic_study()
    held = [run.run_id for runs in assign_shards(study).values() for run in runs]
    assert sorted(held) == sorted(run.run_id for run in unique_runs(study))


def test_a_shard_can_be_made_without_the_others():
    study = dataclasses.replace(synthetic_study(seeds=7), seeds_per_shard=3)
    for shard, runs in assign_shards(study).items():
        assert re.fullmatch(SHARD_PATTERN, shard)
        assert shard_runs(study, shard) == runs
    assert shard_runs(study, "train_size~1-7/batch_size~1-7/seeds~0-2") == []


def test_a_hundred_thousand_runs_are_ten_seeds_runs_many_times():
    few, many = (assign_shards(synthetic_study(seeds=seeds)) for seeds in (10, 700))
    n_few, n_many = (sum(map(len, held.values())) for held in (few, many))
    assert n_many == 70 * n_few > 100_000
    assert len(many) == 70 * len(few)
    assert {shard: len(many[shard]) for shard in few} == {s: len(few[s]) for s in few}


def test_a_study_survives_the_round_trip_through_json():
    study = synthetic_study()
    text = study.to_json()
    assert Study.from_json(text) == study
    assert json.loads(text)["name"] == study.name
