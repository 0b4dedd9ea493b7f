"""Every curve of a study gets its optimum batch size, with the numbers that belong to it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from helpers.synthetic import synthetic_runs, synthetic_study, true_batch_opt

from noisescale.laws.peaks import find_peaks
from noisescale.results.selection import experiment_rows, final_rows
from noisescale.study.noise_scale import noise_scale


@pytest.fixture(scope="module")
def study():
    return synthetic_study()


@pytest.fixture(scope="module")
def runs(study):
    return synthetic_runs(study)


@pytest.fixture(scope="module")
def peaks(study, runs):
    return find_peaks(study, runs)


def test_every_curve_has_a_row_and_a_column_of_draws(study, peaks):
    curves_of = peaks.table.groupby("experiment")["value"].nunique(dropna=False).to_dict()
    assert curves_of == {
        "batch_size": 1,
        "learning_rate": 5,
        "train_size": 4,
        "momentum": 5,
        "fixed_epochs": 2,
        "label_noise": 4,
    }
    assert peaks.draws.shape == (study.statistics.bootstrap, len(peaks.table))
    assert not np.isnan(peaks.draws).any()


def test_the_papers_estimate_has_the_highest_mean_accuracy(study, runs, peaks):
    rows = final_rows(experiment_rows(study, runs, "learning_rate"))
    means = rows.groupby(["learning_rate", "batch_size"])["test_accuracy"].mean()
    best = means.groupby("learning_rate").idxmax().map(lambda key: key[1])
    found = peaks.table[peaks.table["experiment"] == "learning_rate"].set_index("value")
    pd.testing.assert_series_equal(found["batch_argmax"], best, check_names=False)


def test_intervals_of_the_peaks_cover_the_true_optimum(peaks):
    table = peaks.table[~peaks.table["censored"]]
    truth = true_batch_opt(table["learning_rate"], table["train_size"], table["momentum"])
    inside = (table["batch_opt_low"] <= truth) & (truth <= table["batch_opt_high"])
    assert len(table) >= 15 and inside.mean() >= 0.9


def test_the_optimum_noise_scale_is_that_of_the_optimum_batch_size(peaks):
    for row in peaks.table.itertuples():
        setting = (row.learning_rate, row.train_size)
        expected = [
            max(0, noise_scale(*setting, batch, row.momentum))
            for batch in (row.batch_opt, row.batch_opt_high)
        ]
        found = [row.noise_scale_opt, row.noise_scale_opt_low]
        assert found == pytest.approx(expected, abs=1e-9)
        assert row.noise_scale_opt_low <= row.noise_scale_opt <= row.noise_scale_opt_high


def test_at_full_batch_the_noise_scale_is_zero_and_not_a_rounding_error(study):
    runs = synthetic_runs(study, noise=0.0005, batch_opt=4000)
    table = find_peaks(study, runs).table
    full = table[table["batch_opt"] > 0.999999 * table["train_size"]]
    assert len(full) >= 5 and (full["noise_scale_opt"] == 0).all()
    assert (table["noise_scale_opt_low"] >= 0).all()
    tiny = table["noise_scale_opt"].between(0, 1e-9, inclusive="neither")
    assert not tiny.any()


def test_a_curve_that_two_experiments_have_gets_the_same_draws(peaks):
    table = peaks.table
    first = table.index[table["experiment"] == "batch_size"][0]
    same = table.index[(table["experiment"] == "learning_rate") & (table["value"] == 0.1)][0]
    np.testing.assert_array_equal(peaks.draws[:, first], peaks.draws[:, same])


def test_labels_without_information_have_no_peak(peaks):
    table = peaks.table
    row = table[(table["experiment"] == "label_noise") & (table["value"] == 1.0)].iloc[0]
    assert row["censored"] and row["gap_low"] < 0 < row["gap_high"]


def test_ranges_and_numbers_are_those_of_the_curve(study, runs, peaks):
    rows = final_rows(experiment_rows(study, runs, "train_size"))
    rows = rows[rows["train_size"] == 4000]
    table = peaks.table
    row = table[(table["experiment"] == "train_size") & (table["value"] == 4000)].iloc[0]
    assert (row["batch_min"], row["batch_max"], row["n_batch_sizes"]) == (1, 4000, 13)
    assert row["n_seeds"] == 10
    diverged = rows[rows["status"] == "diverged"]
    assert row["n_diverged"] == len(diverged) > 0
    assert row["batch_diverged"] == diverged["batch_size"].max()


def test_a_study_without_curves_has_no_peaks(study, runs):
    gap = study.experiments["generalization_gap"]
    peaks = find_peaks(replace(study, experiments={"generalization_gap": gap}), runs)
    assert peaks.table.empty and peaks.draws.shape[1] == 0
