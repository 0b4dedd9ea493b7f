"""Means over seeds and their intervals: paired, deterministic, and of the right width."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pytest
from helpers.synthetic import synthetic_runs, synthetic_study
from scipy import stats

from noisescale.errors import RecordError
from noisescale.results.selection import experiment_rows, final_rows
from noisescale.statistics import bootstrap
from noisescale.study.grid import expand_cells, unique_runs
from noisescale.study.model import Statistics

STATISTICS = Statistics(bootstrap=500, confidence=0.95)


@pytest.fixture(scope="module")
def study():
    return synthetic_study(seeds=5)


@pytest.fixture(scope="module")
def runs(study):
    return synthetic_runs(study)


def table(values: np.ndarray, status: str = "trained") -> pd.DataFrame:
    """Rows of a matrix of seeds by cells."""
    seed, cell = np.indices(values.shape)
    columns = {"seed": seed.ravel(), "cell": cell.ravel(), "y": values.ravel(), "status": status}
    return pd.DataFrame(columns)


def test_an_experiment_has_exactly_its_runs(study, runs):
    rows = experiment_rows(study, runs.sample(frac=1, random_state=0), "learning_rate")
    expected = {cell.run.run_id for cell in expand_cells(study.experiments["learning_rate"])}
    assert set(rows["run_id"]) == expected
    assert len(rows) == runs["run_id"].isin(expected).sum()
    assert list(rows.columns) == [*runs.columns, "experiment", "variant", "epochs"]
    assert rows["epochs"].isna().all()
    assert (rows.dtypes[runs.columns] == runs.dtypes).all()


def test_a_run_takes_every_place_that_the_experiment_gives_it(study, runs):
    """At full batch, budgets of 0.4 and 1 epoch are one update both: one run, two places."""
    experiment = study.experiments["fixed_epochs"]
    axes = experiment.axes | {"epochs": [0.4, 1.0], "seeds": [0]}
    small = type(experiment)("fixed_epochs", axes, [100, "full"])
    other = synthetic_study(seeds=1)
    other = type(other)(**vars(other) | {"experiments": {"fixed_epochs": small}})
    rows = experiment_rows(other, synthetic_runs(other), "fixed_epochs")
    finals = final_rows(rows).sort_values(["epochs", "batch_size"])
    assert finals["epochs"].tolist() == [0.4, 0.4, 1.0, 1.0]
    assert finals["updates"].tolist() == [4, 1, 10, 1]
    assert finals["run_id"].nunique() == 3


def test_missing_runs_are_an_error_that_names_the_experiment(study, runs):
    with pytest.raises(RecordError, match=r"experiments\.momentum: .* of its 275 runs are not"):
        experiment_rows(study, runs[runs["momentum"] != 0.5], "momentum")


def test_final_rows_hold_each_run_once_after_its_last_update(study, runs):
    finals = final_rows(runs)
    assert len(finals) == runs["run_id"].nunique() == len(unique_runs(study))
    assert (finals["update"] == finals["updates"]).all()


def test_resamples_draw_with_replacement_and_depend_on_the_number_of_seeds_only():
    counts = bootstrap.resample_counts(range(7), STATISTICS)
    assert counts.shape == (500, 7)
    assert (counts.sum(axis=1) == 7).all()
    np.testing.assert_allclose(counts.mean(axis=0), 1, atol=0.2)
    others = bootstrap.resample_counts([3, 1, 4, 15, 9, 2, 6], STATISTICS)
    np.testing.assert_array_equal(counts, others)


def test_a_summary_equals_a_bootstrap_written_as_a_loop():
    values = np.random.default_rng(0).normal(0.9, 0.01, (8, 3))
    summary = bootstrap.summarize(table(values), ["cell"], "y", STATISTICS)
    n = len(values)
    # Hesterberg's expanded percentiles, by the textbook's functions.
    tail = stats.norm.cdf(np.sqrt(n / (n - 1)) * stats.t.ppf(0.025, n - 1))
    for cell in range(3):
        draws = []
        for count in bootstrap.resample_counts(range(n), STATISTICS):
            resample = [values[seed, cell] for seed in range(n) for _ in range(count[seed])]
            draws.append(np.mean(resample))
        row = summary.loc[cell]
        assert row["mean"] == pytest.approx(np.mean(values[:, cell]))
        assert row["low"] == pytest.approx(np.percentile(draws, 100 * tail))
        assert row["high"] == pytest.approx(np.percentile(draws, 100 * (1 - tail)))
        assert row["n_seeds"] == 8 and row["n_diverged"] == 0


@pytest.mark.parametrize(("n_seeds", "at_least"), [(5, 0.89), (10, 0.92), (20, 0.93)])
def test_intervals_of_means_have_about_their_nominal_coverage(n_seeds, at_least):
    """Five seeds have few different resamples: 95 % is then 91 % in truth."""
    values = np.random.default_rng(n_seeds).normal(0, 1, (n_seeds, 2000))
    summary = bootstrap.summarize(table(values), ["cell"], "y", STATISTICS)
    assert at_least <= ((summary["low"] <= 0) & (summary["high"] >= 0)).mean() <= 0.975


def test_the_effect_of_a_seed_on_all_curves_cancels_in_their_difference():
    random = np.random.default_rng(1)
    seed_effect = random.normal(0, 1, (10, 1))
    values = seed_effect + np.array([0.0, 0.5]) + random.normal(0, 0.01, (10, 2))
    means = bootstrap.means(values, bootstrap.resample_counts(range(10), STATISTICS))
    low, high = bootstrap.interval(means[:, 1] - means[:, 0], 10, 0.95)
    assert 0.48 < low < 0.5 < high < 0.52
    single_low, single_high = bootstrap.interval(means[:, 0], 10, 0.95)
    assert single_high - single_low > 0.5


def test_null_values_are_left_out_and_counted():
    values = np.random.default_rng(2).normal(1, 0.1, (6, 3))
    values[:2, 1] = values[:, 2] = np.nan
    summary = bootstrap.summarize(table(values), ["cell"], "y", STATISTICS)
    assert summary["n_seeds"].tolist() == [6, 4, 0]
    assert summary["mean"][1] == pytest.approx(values[2:, 1].mean())
    assert summary["low"][1] < summary["mean"][1] < summary["high"][1]
    assert summary.loc[2, ["mean", "low", "high"]].isna().all()


def test_diverged_runs_count_with_the_accuracy_they_have(study, runs):
    rows = final_rows(experiment_rows(study, runs, "batch_size"))
    by_size = ["batch_size"]
    accuracy = bootstrap.summarize(rows, by_size, "test_accuracy", STATISTICS).set_index(
        "batch_size"
    )
    assert accuracy.loc[1, "n_diverged"] == accuracy.loc[1, "n_seeds"] == 5
    assert accuracy.loc[1, "mean"] == pytest.approx(0.1)
    assert accuracy.loc[16, "n_diverged"] == 0
    loss = bootstrap.summarize(rows, by_size, "test_cross_entropy", STATISTICS).set_index(
        "batch_size"
    )
    assert loss.loc[1, "n_seeds"] == 0 and np.isnan(loss.loc[1, "mean"])


def test_one_seed_has_a_mean_and_no_interval():
    summary = bootstrap.summarize(table(np.ones((1, 2))), ["cell"], "y", STATISTICS)
    assert (summary["mean"] == 1).all()
    assert summary[["low", "high"]].isna().all(axis=None)


def test_cells_with_two_rows_of_a_seed_are_refused(study, runs):
    rows = final_rows(experiment_rows(study, runs, "learning_rate"))
    with pytest.raises(ValueError, match="a grouping column is missing"):
        bootstrap.summarize(rows, ["batch_size"], "test_accuracy", STATISTICS)


def test_a_thousand_resamples_of_thousands_of_cells_take_seconds():
    rows = table(np.random.default_rng(0).normal(size=(10, 5000)))
    start = time.perf_counter()
    bootstrap.summarize(rows, ["cell"], "y", Statistics(1000, 0.95))
    assert time.perf_counter() - start < 10
