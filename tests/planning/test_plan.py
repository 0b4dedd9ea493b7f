"""The plan of a study: missing runs, predicted costs, code digests."""

import dataclasses
import os
import subprocess
import sys
from functools import cached_property
from pathlib import Path

import pytest
from helpers.synthetic import synthetic_study

import noisescale
from noisescale.cost import estimate, machine_speed
from noisescale.cost.estimate import START_SECONDS, training_seconds
from noisescale.data.dataset import load_dataset
from noisescale.data.prepare import prepare_dataset
from noisescale.errors import RecordError
from noisescale.models.mlp.architecture import MLP
from noisescale.models.mlp.cost import run_bytes
from noisescale.models.registry import stack_key
from noisescale.numerics import NUMERICS_VERSION
from noisescale.planning import plan as plans
from noisescale.planning.code_inputs import code_digest, source_files
from noisescale.planning.plan import Plan, makespan
from noisescale.results.schemas import RUNS
from noisescale.storage.digests import short_digest
from noisescale.storage.tables import write_table
from noisescale.study.catalog import Shape
from noisescale.study.grid import Run
from noisescale.study.model import DatasetSpec


@pytest.fixture
def plan(tmp_path):
    study = dataclasses.replace(synthetic_study(), dataset=DatasetSpec("digits", None, "data"))
    prepare_dataset(study.dataset, tmp_path / "results" / "data.npz")
    return Plan(study, tmp_path / "results")


def finish(plan, shard, run_ids, **metadata):
    table = RUNS.empty_table()
    identity = {
        "numerics_version": NUMERICS_VERSION,
        "evaluations_per_decade": plan.study.evaluations_per_decade,
        "precision": plan.study.precision,
        "data_digest": load_dataset(plan.folder / "data.npz").digest,
    }
    metadata = {"run_ids": run_ids} | identity | metadata
    write_table(plan.shard_path(shard), table, RUNS, metadata)


def test_at_first_all_runs_are_missing(plan):
    planned = sum(len(runs) for runs in plan.shards.values())
    assert plan.summary(plan.missing()) == (
        f"study synthetic: {planned} runs, 0 up to date, {planned} to train in "
        f"{len(plan.shards)} jobs"
    )


def test_runs_of_this_arithmetic_are_up_to_date(plan):
    shard, runs = next(iter(plan.shards.items()))
    finish(plan, shard, [run.run_id for run in runs[:2]] + ["another run"])
    assert len(plan.missing()[shard]) == len(runs) - 2


@pytest.mark.parametrize("damage", ["arithmetic", "file"])
def test_runs_of_another_arithmetic_or_a_damaged_file_are_not(plan, damage):
    shard, runs = next(iter(plan.shards.items()))
    finish(plan, shard, [run.run_id for run in runs], numerics_version=0)
    if damage == "file":
        plan.shard_path(shard).write_text("damaged")
    assert len(plan.missing()[shard]) == len(runs)


@pytest.mark.parametrize(
    "change",
    [
        {"dataset": DatasetSpec("mnist", None, "data")},
        {"dataset": DatasetSpec("npz", __file__, "data")},
        {"evaluations_per_decade": 1},
        {"precision": "tf32"},
    ],
)
def test_runs_of_other_data_or_with_other_learning_curves_are_not(plan, change):
    shard, runs = next(iter(plan.shards.items()))
    finish(plan, shard, [run.run_id for run in runs])
    assert not plan.missing()[shard]
    other = Plan(dataclasses.replace(plan.study, **change), plan.folder)
    assert len(other.missing()[shard]) == len(runs)
    assert other.digest(shard) != plan.digest(shard) or "dataset" in change


def test_a_complete_study_has_nothing_to_train(plan):
    for shard, runs in plan.shards.items():
        finish(plan, shard, [run.run_id for run in runs])
    assert plan.summary(plan.missing()).endswith("up to date, 0 to train")


def test_planning_processes_each_run_once_and_estimates_each_setting_once(monkeypatch):
    """Planning is linear in the number of runs, and grows little with the number of seeds."""
    digests, works = [], []
    run_id, update_work = Run.run_id.func, MLP.update_work
    counted = cached_property(lambda run: digests.append(run) or run_id(run))
    counted.__set_name__(Run, "run_id")
    monkeypatch.setattr(Run, "run_id", counted)
    monkeypatch.setattr(MLP, "update_work", lambda *a: works.append(a) or update_work(*a))
    # Other sizes than in other tests, because estimates are cached.
    monkeypatch.setattr(Plan, "shape", Shape(n_test=123))
    plan = Plan(synthetic_study(seeds=30), Path("nowhere"))
    plan.summary(plan.missing(), cores=2)
    for shard in plan.shards:
        plan.digest(shard), plan.minutes(shard), plan.megabytes(shard), plan.seconds(shard)
    runs = [run for runs in plan.shards.values() for run in runs]
    assert sorted(map(hash, digests)) == sorted(map(hash, runs))
    assert len(works) == len({run.setting for run in runs}) == len(runs) / 30


def test_a_shard_that_the_study_does_not_have_is_refused(plan):
    other = "train_size~1-7/batch_size~1-7/seeds~0-9"
    for each in (plan, Plan(plan.study, plan.folder)):
        with pytest.raises(RecordError, match=f"{other}.parquet: not a shard of study synthetic"):
            each.digest(other)
        assert each.shards


def test_planning_one_shard_lists_no_other(plan):
    shard = list(plan.shards)[-1]
    alone = Plan(plan.study, plan.folder)
    assert alone.digest(shard) == plan.digest(shard)
    assert alone.minutes(shard) == plan.minutes(shard)
    assert "shards" not in vars(alone)


def test_more_work_costs_more(plan):
    costs = {shard: plan.seconds(shard) for shard in plan.shards}
    assert min(costs.values()) > 0
    assert all(plan.minutes(shard) * 60 > cost for shard, cost in costs.items())


def test_the_predicted_time_is_that_of_the_busiest_core(plan):
    assert makespan([5, 4, 3, 3], 2) == 8
    assert makespan([5, 4, 3, 3], 1) == 15
    assert makespan([5, 4], 8) == 5


def test_the_summary_predicts_the_time_on_the_given_cores(plan, monkeypatch):
    monkeypatch.setattr(machine_speed, "machine_speed", lambda: 2.0)
    seconds = {cores: makespan([plan.seconds(s) for s in plan.shards], cores) for cores in (1, 4)}
    monkeypatch.setattr(estimate, "run_seconds", lambda *_: 600.0)
    (one, four) = (plan.summary(plan.missing(), cores) for cores in (1, 4))
    assert seconds[4] < seconds[1]
    hours = sum(600 * len(runs) + START_SECONDS for runs in plan.shards.values()) / 7200
    assert one.endswith(f"jobs, about {hours:.1f} hours of training on 1 idle core")
    assert four.endswith("on 4 idle cores")


def test_on_a_gpu_runs_of_one_stack_share_their_calls(plan):
    runs = next(iter(plan.shards.values()))
    one = [run for run in runs if stack_key(run) == stack_key(runs[0])]
    assert len(one) > 1
    alone, together = (training_seconds(part, plan.shape, 5, True) for part in (one[:1], one))
    assert alone < together < len(one) * alone


def test_a_shards_job_is_given_more_memory_than_its_runs_hold(plan):
    for shard, runs in plan.shards.items():
        held = max(run_bytes(run, plan.shape) for run in runs)
        assert plan.megabytes(shard) > 800 + held / 1e6


def test_a_rules_code_is_what_its_module_imports(plan):
    names = {path.name for path in source_files("training.job")}
    assert {"job.py", "sgd.py", "stack_training.py", "minibatches.py", "tables.py"} <= names
    assert not names & {"peaks.py", "scaling.py", "style.py", "page.py", "loading.py"}
    drawing = source_files("figures.draw", "figures.fig1_memorization")
    assert any(path.match("figures/fig1_memorization.py") for path in drawing)
    assert not {"fig5_6_7_sweeps.py", "sgd.py"} & {path.name for path in drawing}


def test_a_short_digest_distinguishes_studies_and_is_stable():
    study = synthetic_study()
    assert short_digest(study) == short_digest(synthetic_study())
    assert short_digest(study, 1) != short_digest(study, 2)


def test_code_of_one_package_leaves_out_the_others():
    data = {path.parent.name for path in source_files("data.prepare", package="data")}
    assert data == {"data"}
    assert code_digest("data.prepare", package="data") != code_digest("data.prepare")


def test_parsing_imports_nothing_heavy():
    """Every process that Snakemake starts parses the workflow; importing torch takes seconds."""
    modules = ("planning.freshness", "planning.study_lock", "study.loading", "figures.registry")
    script = f"import sys, {', '.join(f'noisescale.{module}' for module in modules)};"
    script += "print(*sys.modules)"
    modules = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | {"PYTHONPATH": str(Path(noisescale.__file__).parents[1])},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert not {"torch", "pandas", "matplotlib", "sklearn", "scipy", "pyarrow"} & set(modules)


def test_a_file_in_the_place_of_the_results_is_named(tmp_path):
    (tmp_path / "results").write_text("a file")
    plan = Plan(synthetic_study(seeds=2), tmp_path / "results" / "tiny")
    with pytest.raises(RecordError, match="results is not a writable folder"):
        plan.check()


@pytest.mark.parametrize("place", ["tiny", "runs", "batch_size~1-7"])
def test_a_folder_that_cannot_be_written_to_is_named_wherever_it_is(tmp_path, monkeypatch, place):
    inner = tmp_path / "tiny" / "runs" / "batch_size~1-7"
    inner.mkdir(parents=True)
    plan = Plan(synthetic_study(seeds=2), tmp_path / "tiny")
    plan.check()
    plan.check_writable()
    # Root may write anywhere.
    monkeypatch.setattr(plans.os, "access", lambda path, mode: path.name != place)
    with pytest.raises(RecordError, match=f"{place} is not a writable folder"):
        plan.check_writable()
