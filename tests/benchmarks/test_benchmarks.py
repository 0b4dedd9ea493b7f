"""The benchmarks: contenders train the same networks; limits and ratios are correct."""

import dataclasses
import multiprocessing
import os
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers.synthetic import synthetic_study

from benchmarks import peers, rendering
from benchmarks.case import Case
from benchmarks.extrapolate import part
from benchmarks.measure import check, compare, ratios
from benchmarks.multicore import Team
from benchmarks.planning import BEGIN, END, insert
from benchmarks.resource_usage import usage
from benchmarks.roofline import Limits, measure
from benchmarks.synthetic_study import SyntheticStudy
from noisescale.planning.plan import Plan
from noisescale.results.collect import collect_stage
from noisescale.results.schemas import RUNS
from noisescale.storage.tables import read_table
from noisescale.study.grid import unique_runs
from noisescale.training.stack_training import StackTraining

CASE = Case("12-9-5", train_size=22, batch_size=4, momentum=0.9, stack=2)


@pytest.mark.parametrize("contender", peers.CONTENDERS, ids=lambda c: c.name)
@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("batch_size", [4, 22])
def test_every_contender_makes_the_updates_of_the_reference(contender, momentum, batch_size):
    if contender is peers.Jax:
        pytest.importorskip("jax", reason="JAX is an optional extra")
    case = Case(CASE.model, CASE.train_size, batch_size, momentum, 2 if contender.stacks else 1)
    check(contender(case, "cpu"), case)


def test_a_contender_with_a_different_learning_rate_is_refused():
    class Slower(peers.Ours):
        def __init__(self, case, device):
            super().__init__(case, device)
            runs = [dataclasses.replace(run, learning_rate=0.009) for run in case.runs]
            self.training = StackTraining(self.training.data, runs)

    with pytest.raises(AssertionError, match="layer 0 is off by"):
        check(Slower(CASE, "cpu"), CASE)


class Concurrent(peers.Ours):
    """Takes 0.2 s for each update, and waits for a second process before it starts."""

    calls = 0

    def advance(self, updates):
        super().advance(updates)
        self.calls += 1
        place = Path(os.environ["MEETING_PLACE"])
        (place / f"{self.calls}-{os.getpid()}").touch()
        give_up = time.monotonic() + 30
        while len(list(place.glob(f"{self.calls}-*"))) < 2:
            assert time.monotonic() < give_up, "no second process"
        time.sleep(0.2 * updates)


def test_the_rate_of_a_team_adds_up_processes_that_train_concurrently(tmp_path, monkeypatch):
    monkeypatch.setenv("MEETING_PLACE", str(tmp_path))
    team = Team(Concurrent, CASE, processes=2, threads=1, seconds=0.01)
    rate = team.rate()
    team.close()
    assert CASE.stack / 0.2 < rate <= 2 * CASE.stack / 0.2
    assert not multiprocessing.active_children()


class Wrong(peers.Ours):
    """Returns other weights than the reference."""

    def weights(self):
        return [2 * layer for layer in super().weights()]


def test_an_error_in_a_process_is_one_line_that_names_the_contender():
    with pytest.raises(RuntimeError, match=r"^ours: Case\(model='12-9-5'.*a process ended"):
        Team(Wrong, CASE, processes=2, threads=1, seconds=0.01)


def test_the_limit_is_the_larger_of_the_times_of_arithmetic_and_memory():
    # Both passes: 4 B · 12 · 9 operations in the first layer, 6 B · 9 · 5 in the last.
    flops = 4 * (4 * 12 * 9 + 6 * 9 * 5)
    moved = 4 * 4 * (13 * 9 + 10 * 5)
    assert Limits(1e3, 1e12).seconds(CASE) == pytest.approx(2 * flops / 1e3)
    assert Limits(1e12, 1e3).seconds(CASE) == pytest.approx(2 * moved / 1e3)


def test_the_limits_of_this_machine_are_plausible():
    limits = measure([CASE], "cpu", seconds=0.01)
    assert limits.flops > 1e7 and limits.bandwidth > 1e7


def test_a_sample_of_stacks_scales_to_the_whole_study():
    plan = Plan(synthetic_study(seeds=3), Path("nowhere"))
    whole, some = part(plan, 1, "cpu"), part(plan, 4, "cpu")
    assert sum(map(len, whole.stacks)) == len(unique_runs(plan.study)) and whole.scale == 1
    assert 3 < len(whole.stacks) / len(some.stacks) < 5
    assert some.forecast == whole.forecast
    assert 2 < some.scale < 8


def test_ratios_compare_updates_per_second_of_all_networks():
    row = {"model": "1-1-1", "train_size": 9, "momentum": 0.0, "stack": 8, "batch_size": 1}
    table = pd.DataFrame(
        [
            row | {"contender": "ours", "updates_per_second": 800.0},
            row | {"contender": "slow", "updates_per_second": 50.0},
        ]
    )
    assert ratios(table)["slow"].tolist() == [16.0]


def test_a_measurement_is_written_as_a_table_a_page_and_a_plot(tmp_path):
    limits = Limits(1e9, 1e9)
    two = [peers.Ours, peers.Indexed]
    cases = [CASE, dataclasses.replace(CASE, stack=3)]
    rows = compare(cases, two, limits, "cpu", rounds=2, seconds=0.01)
    table = pd.DataFrame([row | {"matrix_flops": 1e9, "copy_bandwidth": 1e9} for row in rows])
    ours, theirs, larger, again = rows
    assert (larger["stack"], again["seconds_per_update"]) == (3, theirs["seconds_per_update"])
    assert ours["updates_per_second"] == pytest.approx(2 / ours["seconds_per_update"])
    assert theirs["updates_per_second"] == pytest.approx(1 / theirs["seconds_per_update"])
    ratio = ours["updates_per_second"] / theirs["updates_per_second"]
    assert f"{ratio:.2f}" in rendering.text(table)
    page = rendering.markdown(table, "a CPU", rounds=2)
    assert "| 12-9-5 | 22 | 0.9 | 2 | 4 |" in page and "1 GFLOP/s" in page
    rendering.write(table, tmp_path, "a CPU")
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "engine.parquet"), table)
    assert (tmp_path / "engine.png").stat().st_size > 10_000
    assert np.isfinite(table["of_limit"]).all()


def test_the_peak_memory_of_a_command_excludes_its_parents_memory():
    memory_of_this_process = np.ones(100_000_000 // 8)
    taken = usage("-S", "-c", "print('first'); print('second')", rounds=2)
    assert taken.output == "first\nsecond"
    assert 0 < taken.megabytes < memory_of_this_process.nbytes / 1e6
    assert min(taken.cpu, taken.wall) > 0
    with pytest.raises(RuntimeError, match="on purpose"):
        usage("-c", "raise SystemExit('on purpose')")


def test_the_results_of_a_synthetic_study_are_complete_and_can_be_collected(tmp_path):
    study = SyntheticStudy(400, 1, tmp_path)
    study.write_results(curves=True)
    assert study.n_runs == 450
    assert not any(study.plan.missing().values())
    results = study.plan.folder
    collect_stage(results / "study.json", results / "runs", results / "runs.parquet")
    table = read_table(results / "runs.parquet", RUNS)
    assert len(set(table["run_id"].to_pylist())) == 450


def test_measurements_are_inserted_between_their_marks():
    once = insert(f"before {BEGIN}{END} after", "1 s")
    assert insert(once, "2 s") == once.replace("1 s", "2 s")
    assert once.startswith("before ") and once.endswith(" after")
    with pytest.raises(ValueError, match="lacks the marks"):
        insert("a page", "1 s")
