"""A study is compared with its data set, before and after the data are fetched."""

from __future__ import annotations

import pytest
from helpers.study_config import in_experiment, load

from noisescale.errors import ConfigError
from noisescale.study.checks import check_against_data


def test_a_data_set_of_ones_own_is_checked_when_its_sizes_are_known() -> None:
    study = load("dataset: {name: npz, path: own.npz}")
    check_against_data(study, 100, {0: 50, 1: 50}, {0: 60, 1: 60})
    with pytest.raises(ConfigError, match=r"train_size .* is 100: expected at most 99"):
        check_against_data(study, 99, {0: 50, 1: 50}, {0: 60, 1: 60})
    with pytest.raises(
        ConfigError, match=r"classes\[1\] is 1: expected a class of npz, one of 0, "
    ):
        check_against_data(study, 100, {0: 50, 1: 0, 2: 50}, {0: 60, 1: 60, 2: 60})
    with pytest.raises(ConfigError, match=r"test_size is 40: expected at most 38 .* pool: all"):
        check_against_data(study, 100, {0: 50, 1: 39}, {0: 60, 1: 60})


def test_a_pool_of_both_splits_is_counted_as_such() -> None:
    patch = "train_size: 100, test_size: 250"
    assert load(in_experiment("evidence", patch + ", pool: all")).evidence.pool == "all"
    with pytest.raises(ConfigError, match=r"test_size is 250: .* or set pool: all$"):
        load(in_experiment("evidence", patch))
    with pytest.raises(ConfigError, match=r"make it smaller$"):
        load(in_experiment("evidence", "train_size: 100, test_size: 300, pool: all"))
