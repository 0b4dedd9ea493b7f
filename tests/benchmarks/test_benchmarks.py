"""The benchmark: contenders train the same, limits and ratios are what they say."""

import dataclasses
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
from benchmarks.planning import BEGIN, END, put
from benchmarks.resource_usage import usage
from benchmarks.roofline import Limits, measure
from benchmarks.synthetic_study import Grown
from noisescale.planning.plan import Plan
from noisescale.results.collect import collect_stage
from noisescale.results.schemas import RUNS
from noisescale.storage.tables import read_table
from noisescale.study.grid import unique_runs

CASE = Case("12-9-5", train_size=22, batch_size=4, momentum=0.9, stack=2)


@pytest.mark.parametrize("contender", peers.CONTENDERS, ids=lambda c: c.name)
@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("batch_size", [4, 22])
def test_every_contender_makes_the_updates_of_the_reference(contender, momentum, batch_size):
    if contender is peers.Jax:
        pytest.importorskip("jax", reason="JAX is an optional extra")
    case = Case(CASE.model, CASE.train_size, batch_size, momentum, 2 if contender.stacks else 1)
    check(contender(case, "cpu"), case)


def test_a_contender_that_trains_otherwise_is_refused():
    class Slower(peers.Ours):
        def __init__(self, case, device):
            super().__init__(case, device)
            self.training.model.learning_rate.mul_(0.9)
            self.training.model._prepare_buffers()

    with pytest.raises(AssertionError, match="layer 0 is off by"):
        check(Slower(CASE, "cpu"), CASE)


class Sociable(peers.Ours):
    """Takes 0.2 s for each update, and only in the company of another process."""

    calls = 0

    def advance(self, updates):
        super().advance(updates)
        self.calls += 1
        table = Path(os.environ["TABLE"])
        (table / f"{self.calls}-{os.getpid()}").touch()
        give_up = time.monotonic() + 30
        while len(list(table.glob(f"{self.calls}-*"))) < 2:
            assert time.monotonic() < give_up, "nobody came"
        time.sleep(0.2 * updates)


def test_processes_train_at_the_same_time_and_their_updates_add_up(tmp_path, monkeypatch):
    monkeypatch.setenv("TABLE", str(tmp_path))
    team = Team(Sociable, CASE, processes=2, threads=1, seconds=0.01)
    rate = team.rate()
    team.close()
    assert CASE.stack / 0.2 < rate <= 2 * CASE.stack / 0.2
    assert not any(process.is_alive() for process in team._processes)


class Wrong(peers.Ours):
    """Trains otherwise than the reference."""

    def weights(self):
        return [2 * layer for layer in super().weights()]


def test_a_process_that_fails_is_one_line_that_names_it():
    with pytest.raises(RuntimeError, match=r"^ours: Case\(model='12-9-5'.*a process has ended"):
        Team(Wrong, CASE, processes=2, threads=1, seconds=0.01)


def test_the_limit_is_the_larger_of_arithmetic_and_memory():
    # Forward and back 4 B · 12 · 9 operations in the first layer, 6 B · 9 · 5 in the last.
    flops = 4 * (4 * 12 * 9 + 6 * 9 * 5)
    moved = 4 * 4 * (13 * 9 + 10 * 5)
    assert Limits(1e3, 1e12).seconds(CASE) == pytest.approx(2 * flops / 1e3)
    assert Limits(1e12, 1e3).seconds(CASE) == pytest.approx(2 * moved / 1e3)


def test_a_machine_has_limits():
    limits = measure([CASE], "cpu", seconds=0.01)
    assert limits.flops > 1e7 and limits.bandwidth > 1e7


def test_a_part_stands_for_the_whole_study():
    plan = Plan(synthetic_study(seeds=3), Path("nowhere"))
    whole, some = part(plan, 1, "cpu"), part(plan, 4, "cpu")
    assert sum(map(len, whole.stacks)) == len(unique_runs(plan.study)) and whole.scale == 1
    assert 3 < len(whole.stacks) / len(some.stacks) < 5
    assert some.forecast == whole.forecast
    assert 2 < some.scale < 8


def test_ratios_are_those_of_networks_times_updates_per_second():
    row = {"model": "1-1-1", "train_size": 9, "momentum": 0.0, "stack": 8, "batch_size": 1}
    table = pd.DataFrame(
        [
            row | {"contender": "ours", "updates_per_second": 800.0},
            row | {"contender": "slow", "updates_per_second": 50.0},
        ]
    )
    assert ratios(table)["slow"].tolist() == [16.0]


def test_a_measurement_becomes_a_table_a_page_and_a_picture(tmp_path):
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


def test_a_command_is_measured_without_its_parents_memory():
    ours = np.ones(100_000_000 // 8)
    taken = usage("-S", "-c", "print('said'); print('more')", rounds=2)
    assert taken.said == "said\nmore"
    assert 0 < taken.megabytes < ours.nbytes / 1e6
    assert min(taken.cpu, taken.wall) > 0
    with pytest.raises(RuntimeError, match="no such thing"):
        usage("-c", "raise SystemExit('no such thing')")


def test_a_grown_studys_results_are_complete_and_can_be_collected(tmp_path):
    grown = Grown(400, 1, tmp_path)
    grown.write_results(curves=True)
    assert grown.n_runs == 450
    assert not any(grown.plan.missing().values())
    results = grown.plan.folder
    collect_stage(results / "study.json", results / "runs", results / "runs.parquet")
    table = read_table(results / "runs.parquet", RUNS)
    assert len(set(table["run_id"].to_pylist())) == 450


def test_what_is_measured_stands_between_its_marks():
    once = put(f"before {BEGIN}{END} after", "1 s")
    assert put(once, "2 s") == once.replace("1 s", "2 s")
    assert once.startswith("before ") and once.endswith(" after")
    with pytest.raises(ValueError, match="lacks the marks"):
        put("a page", "1 s")
