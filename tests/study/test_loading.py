"""A configuration becomes a study, or one line that says what is wrong with it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import OrderedDict
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from jsonschema import Draft202012Validator
from snakemake.common.configfile import load_configfile
from snakemake.utils import update_config

from noisescale.data.dataset import load_dataset
from noisescale.data.prepare import prepare_dataset
from noisescale.errors import ConfigError
from noisescale.study.catalog import CLASS_COUNTS
from noisescale.study.checks import check_against_data
from noisescale.study.grid import SWEPT, cells
from noisescale.study.loading import load_study
from noisescale.study.model import BatchRange, DatasetSpec, Study
from noisescale.study.schema import Schema

ROOT = Path(__file__).parents[2]
SCHEMA = ROOT / "workflow/schemas/config.schema.yaml"
DEFAULT = load_configfile(ROOT / "config.yaml")
PRESETS = sorted((ROOT / "workflow/presets").glob("*.yaml"))

# A study of its own, so that what is tested does not move with the numbers of config.yaml.
STUDY = yaml.safe_load("""
study: test
dataset: {name: digits}
base: {hidden: 16, train_size: 100, learning_rate: 0.1, momentum: 0.9, updates: 50, seeds: 3}
experiments:
  generalization_gap: {batch_size: [10, full]}
  batch_size: {batch_size: {from: 1, to: full, per_octave: 1}}
  learning_rate: {learning_rate: [0.05, 0.1, 0.2], batch_size: [5, 10, 20, full]}
  train_size: {train_size: [50, 100], batch_size: [5, 10, 20, full]}
  momentum: {momentum: [0, 0.9], batch_size: [5, 10, 20]}
  weight_decay: {weight_decay: [0, 0.001], batch_size: 10}
  fixed_epochs: {epochs: 2, batch_size: [5, 10, full]}
  label_noise: {label_noise: [0, 0.5], batch_size: [5, 10, 20]}
  evidence: {train_size: 40, test_size: 40}
""")


def patched(*patches: str | dict[str, Any], config: dict[str, Any] = STUDY) -> dict[str, Any]:
    """Return a configuration with others laid over it, as Snakemake does with its files."""
    config = deepcopy(config)
    for patch in patches:
        update_config(config, yaml.safe_load(patch) if isinstance(patch, str) else patch)
    return config


def load(*patches: str) -> Study:
    return load_study(patched(*patches), SCHEMA)


def in_experiment(name: str, text: str) -> str:
    return f"experiments: {{{name}: {{{text}}}}}"


# ---- Wrong configurations ------------------------------------------------------------------------

WRONG = [
    # patch, key, value, expectation (or how to mend it)
    # -- keys
    ("devise: cpu", "devise", '"cpu"', "did you mean device?"),
    ("base: {lerning_rate: 1}", "base.lerning_rate", "is 1", "did you mean learning_rate?"),
    ("base: {Momentum: 0.5}", "base.Momentum", "0.5", "did you mean momentum?"),
    ("base: {nesterov: null}", "base.nesterov", "null", "remove it"),
    ("base: {batch_size: 5}", "base.batch_size", "5", "batch_size belongs in experiments"),
    ("momentum: 0.5", "momentum", "0.5", "belongs in base or experiments"),
    ("dataset: {device: cpu}", "dataset.device", '"cpu"', "belongs in the top level"),
    ("dataset: {files: x}", "dataset.files", '"x"', "one of name, path, data_root"),
    ("statistics: {boot: 9}", "statistics.boot", "9", "did you mean bootstrap?"),
    ("experiments: {dropout: {}}", "experiments.dropout", "{}", "one of generalization_gap, "),
    ("experiments: {dropout: null}", "experiments.dropout", "null", "no such key"),
    ("1: 2", "1", "is 2", "expected one of study, "),
    (
        in_experiment("momentum", "momenta: [0, 1]"),
        "experiments.momentum.momenta",
        "[0, 1]",
        "did you mean momentum?",
    ),
    (
        in_experiment("evidence", "learning_rate: 1"),
        "experiments.evidence.learning_rate",
        "1",
        "one of classes, pool, ",
    ),
    (
        in_experiment("batch_size", "batch_size: {form: 1}"),
        "experiments.batch_size.batch_size.form",
        "1",
        "did you mean from?",
    ),
    # -- what is missing
    ("study: null", "study", "missing", "a name of letters"),
    ("base: null", "base", "missing", "a block of key: value lines"),
    ("experiments: null", "experiments", "missing", "a block of key: value lines"),
    ("base: {learning_rate: null}", "base.learning_rate", "missing", "a number (above 0, "),
    ("base: {updates: null}", "base.updates", "missing", "updates or epochs"),
    (
        in_experiment("batch_size", "batch_size: null"),
        "experiments.batch_size.batch_size",
        "missing",
        "a whole number (at least 1) or full, a list or a range {from, to, ",
    ),
    (
        in_experiment("fixed_epochs", "epochs: null"),
        "experiments.fixed_epochs.epochs",
        "missing",
        "a number (above 0",
    ),
    (
        in_experiment("momentum", "momentum: null"),
        "experiments.momentum.momentum",
        "missing",
        "a number (at least 0, below 1) or a list",
    ),
    (
        in_experiment("batch_size", "batch_size: {to: null}"),
        "experiments.batch_size.batch_size.to",
        "null",
        "a whole number (at least 1) or full",
    ),
    # -- study names
    ("study: ../elsewhere", "study", '"../elsewhere"', "letters, digits"),
    ("study: a/b", "study", '"a/b"', "letters, digits"),
    ("study: .hidden", "study", '".hidden"', 'does not start with "."'),
    ("study: -rf", "study", '"-rf"', 'does not start with "." or "-"'),
    ("study: two words", "study", '"two words"', "letters, digits"),
    ("study: $(reboot)", "study", '"$(reboot)"', "letters, digits"),
    ("study: a;b", "study", '"a;b"', "letters, digits"),
    ('study: "a\\n"', "study", '"a\\n"', "letters, digits"),
    ('study: ""', "study", '""', "letters, digits"),
    ("study: 7", "study", "7", 'write it in quotes, "7"'),
    ("study: 2024-01-01", "study", '"2024-01-01"', "write it in quotes"),
    ("title: 5", "title", "5", 'text; write it in quotes, "5"'),
    # -- numbers
    ("base: {learning_rate: 1e-3}", "base.learning_rate", '"1e-3"', "write 1.0e-3"),
    ("base: {updates: 1e4}", "base.updates", '"1e4"', "write 10000"),
    ("base: {momentum: '0.9'}", "base.momentum", '"0.9"', "write 0.9, unquoted"),
    ("base: {momentum: high}", "base.momentum", '"high"', "a number (at least 0, below 1)"),
    ("base: {momentum: yes}", "base.momentum", "true", "YAML reads yes"),
    ("base: {hidden: on}", "base.hidden", "true", "a width (1 to 99999"),
    ("base: {hidden: 0}", "base.hidden", "0", "a width (1 to 99999"),
    ("base: {hidden: 400x}", "base.hidden", '"400x"', '"400x200" for two layers'),
    ("base: {momentum: 1}", "base.momentum", "1", "a number (at least 0, below 1)"),
    ("base: {momentum: -0.1}", "base.momentum", "-0.1", "a number (at least 0, below 1)"),
    ("base: {label_noise: 1.5}", "base.label_noise", "1.5", "a number (at least 0, at most 1)"),
    ("base: {learning_rate: 0}", "base.learning_rate", "0", "a number (above 0, at most 1000)"),
    ("base: {learning_rate: .nan}", "base.learning_rate", "nan", "a finite number"),
    ("base: {weight_decay: .inf}", "base.weight_decay", "inf", "a finite number"),
    ("base: {updates: 10.5}", "base.updates", "10.5", "a whole number (at least 1"),
    ("base: {train_size: 1}", "base.train_size", "1", "a whole number (at least 2"),
    ("base: {learning_rate: [0.1]}", "base.learning_rate", "[0.1]", "several stand in an exp"),
    ("base: {preprocessing: zca}", "base.preprocessing", '"zca"', "raw, standardize, whiten"),
    ("base: {epochs: 2}", "base.epochs", "2 beside base.updates 50", "one of the two"),
    ("base: {seeds: 0}", "base.seeds", "0", "a number of seeds from 1 to 10000 or a list"),
    ("base: {seeds: [0, 0]}", "base.seeds", "with 0 twice", "different values"),
    ("base: {seeds: [-1]}", "base.seeds[0]", "-1", "a whole number (at least 0"),
    ("base: {seeds: []}", "base.seeds", "[]", "one value or more"),
    ("base: 5", "base", "5", "a block of key: value lines"),
    ("device: gpu", "device", '"gpu"', "one of auto, cpu, cuda"),
    ("seeds_per_shard: 0", "seeds_per_shard", "0", "a whole number (at least 1"),
    ("evaluations_per_decade: no", "evaluations_per_decade", "false", "a whole number"),
    ("statistics: {confidence: 95}", "statistics.confidence", "95", "(above 0, below 1)"),
    ("statistics: {bootstrap: 1}", "statistics.bootstrap", "1", "(at least 10, "),
    # -- data sets
    ("dataset: cifar10", "dataset", '"cifar10"', "a block of key: value lines"),
    ("dataset: {name: cifar10}", "dataset.name", '"cifar10"', "one of digits, mnist, "),
    ("dataset: {name: npz}", "dataset.path", "missing", "the file of the npz data set"),
    ("dataset: {path: a.npz}", "dataset.path", '"a.npz" beside dataset.name digits', "null"),
    (
        "base: {train_size: 1001}",
        "experiments.generalization_gap.train_size",
        "1001",
        "at most 1000, the training images of digits",
    ),
    (
        in_experiment("train_size", "train_size: [100, 60001]") + "\ndataset: {name: mnist}",
        "experiments.train_size.train_size",
        "60001",
        "at most 60000, the training images of mnist",
    ),
    # -- axes
    (
        in_experiment("learning_rate", "learning_rate: [0.1, 0.2, 1e-3]"),
        "experiments.learning_rate.learning_rate[2]",
        '"1e-3"',
        "write 1.0e-3",
    ),
    (
        in_experiment("learning_rate", "learning_rate: fast"),
        "experiments.learning_rate.learning_rate",
        '"fast"',
        "a number (above 0, at most 1000), a list or a range {from, to, per_decade or per_octave}",
    ),
    (
        in_experiment("learning_rate", "learning_rate: [0.1, 0.1]"),
        "experiments.learning_rate.learning_rate",
        "with 0.1 twice",
        "different values; remove one",
    ),
    (
        in_experiment("learning_rate", "learning_rate: []"),
        "experiments.learning_rate.learning_rate",
        "[]",
        "one value or more",
    ),
    (
        in_experiment("learning_rate", "learning_rate: [0.1, [0.2]]"),
        "experiments.learning_rate.learning_rate[1]",
        "[0.2]",
        "a number (above 0, at most 1000)",
    ),
    (
        in_experiment("learning_rate", "learning_rate: 0.1"),
        "experiments.learning_rate.learning_rate",
        "0.1, a single value",
        "2 or more",
    ),
    (
        in_experiment("train_size", "train_size: [100]"),
        "experiments.train_size.train_size",
        "[100], a single value",
        "2 or more",
    ),
    (
        in_experiment("momentum", "momentum: {from: 0.1, to: 0.9, per_decade: 2}"),
        "experiments.momentum.momentum",
        '{"from": 0.1, "to": 0.9',
        "a number (at least 0, below 1) or a list",
    ),
    (
        in_experiment("momentum", "momentum: [0.5, 1.0]"),
        "experiments.momentum.momentum[1]",
        "1.0",
        "a number (at least 0, below 1)",
    ),
    (
        in_experiment("label_noise", "label_noise: [0, yes]"),
        "experiments.label_noise.label_noise[1]",
        "true",
        "YAML reads yes, no, on and off as true and false",
    ),
    (
        in_experiment("batch_size", 'hidden: [100, "100"]'),
        "experiments.batch_size.hidden",
        "with 100 twice",
        "different values",
    ),
    (
        in_experiment("momentum", "updates: 10, epochs: 1"),
        "experiments.momentum.epochs",
        "1 beside experiments.momentum.updates 10",
        "one of the two; remove one, or set it to null",
    ),
    (
        in_experiment("fixed_epochs", "updates: 100"),
        "experiments.fixed_epochs.epochs",
        "2 beside experiments.fixed_epochs.updates 100",
        "one of the two",
    ),
    # -- ranges
    (
        in_experiment("learning_rate", "learning_rate: {from: 0.1, to: 1}"),
        "experiments.learning_rate.learning_rate",
        "has no step",
        "one of per_decade and per_octave; add one",
    ),
    (
        in_experiment("batch_size", "batch_size: {per_decade: 3}"),
        "experiments.batch_size.batch_size",
        "has two kinds of step",
        "remove one, or set it to null",
    ),
    (
        in_experiment("learning_rate", "learning_rate: {from: 1, to: 0.1, per_decade: 2}"),
        "experiments.learning_rate.learning_rate.to",
        "0.1",
        "at least experiments.learning_rate.learning_rate.from, 1",
    ),
    (
        in_experiment("learning_rate", "learning_rate: {to: 1, per_decade: 2}"),
        "experiments.learning_rate.learning_rate.from",
        "missing",
        "a number (above 0",
    ),
    (
        in_experiment("weight_decay", "weight_decay: {from: 0, to: 1, per_decade: 2}"),
        "experiments.weight_decay.weight_decay.from",
        "0",
        "a number (above 0)",
    ),
    (
        in_experiment("label_noise", "label_noise: {from: 0.1, to: 2, per_octave: 1}"),
        "experiments.label_noise.label_noise.to",
        "2",
        "(at least 0, at most 1)",
    ),
    (
        in_experiment("batch_size", "batch_size: {per_octave: 0}"),
        "experiments.batch_size.batch_size.per_octave",
        "0",
        "a number (above 0, at most 100)",
    ),
    (
        in_experiment("batch_size", "batch_size: {to: all}"),
        "experiments.batch_size.batch_size.to",
        '"all"',
        "a whole number (at least 1) or full",
    ),
    # -- curves
    (
        in_experiment("momentum", "batch_size: [1, 5, 101]"),
        "experiments.momentum.batch_size[2]",
        "101",
        "at most 100, the train_size of a curve",
    ),
    (
        in_experiment("train_size", "batch_size: [5, 10, 64]"),
        "experiments.train_size.batch_size[2]",
        "64",
        "at most 50",
    ),
    (
        in_experiment("weight_decay", "batch_size: 200"),
        "experiments.weight_decay.batch_size",
        "200",
        "at most 100, the train_size of a curve",
    ),
    (
        in_experiment("batch_size", "batch_size: {from: 200}"),
        "experiments.batch_size.batch_size.from",
        "200",
        "at most 100",
    ),
    (
        in_experiment("batch_size", "batch_size: {from: 64}"),
        "experiments.batch_size.batch_size",
        "gives 2 (64, 100) at train_size 100",
        "3 batch sizes or more",
    ),
    (
        in_experiment("train_size", "batch_size: [5, 50, full]"),
        "experiments.train_size.batch_size",
        "gives 2 (5, 50) at train_size 50",
        "3 batch sizes or more",
    ),
    (
        in_experiment("label_noise", "batch_size: full"),
        "experiments.label_noise.batch_size",
        '"full", which gives 1 (100)',
        "3 batch sizes or more",
    ),
    (
        in_experiment("generalization_gap", "batch_size: [full]"),
        "experiments.generalization_gap.batch_size",
        '["full"], which gives 1',
        "2 batch sizes or more",
    ),
    # -- evidence
    (
        in_experiment("evidence", "train_size: 41"),
        "experiments.evidence.train_size",
        "41",
        "a whole number (even, at least 2)",
    ),
    (
        in_experiment("evidence", "test_size: 7"),
        "experiments.evidence.test_size",
        "7",
        "even",
    ),
    (
        in_experiment("evidence", "classes: [3, 3]"),
        "experiments.evidence.classes",
        "[3, 3]",
        "a list of two different classes",
    ),
    (
        in_experiment("evidence", "classes: [0, 1, 2]"),
        "experiments.evidence.classes",
        "[0, 1, 2]",
        "a list of two different classes",
    ),
    (
        in_experiment("evidence", "classes: [0, 10]"),
        "experiments.evidence.classes[1]",
        "10",
        "a class of digits, one of 0, 1, 2, 3, 4, 5, 6, 7, 8, 9",
    ),
    (
        in_experiment("evidence", "label_noise: [0, 0.5]"),
        "experiments.evidence.label_noise",
        "[0, 0.5]",
        "1 among the values",
    ),
    (
        in_experiment("evidence", "label_noise: 0.5"),
        "experiments.evidence.label_noise",
        "0.5",
        "a list; write it in brackets, [0.5]",
    ),
    (
        in_experiment("evidence", "prior_precision: [1, 2]"),
        "experiments.evidence.prior_precision",
        "[1, 2]",
        "3 values or more",
    ),
    (
        in_experiment("evidence", "prior_precision: {from: 0}"),
        "experiments.evidence.prior_precision.to",
        "missing",
        "a number, at least the one from which the range goes",
    ),
    (
        in_experiment("evidence", "pool: test"),
        "experiments.evidence.pool",
        '"test"',
        "one of train, all",
    ),
    (
        in_experiment("evidence", "test_size: 10000"),
        "experiments.evidence.test_size",
        "10000",
        "at most 158 beside train_size 40",
    ),
    (
        in_experiment("evidence", "train_size: 400"),
        "experiments.evidence.train_size",
        "400",
        "at most 198",
    ),
]


@pytest.mark.parametrize(
    ("patch", "key", "value", "expectation"), WRONG, ids=[patch for patch, *_ in WRONG]
)
def test_a_wrong_config_gives_one_line_that_names_key_value_and_expectation(
    patch: str, key: str, value: str, expectation: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load(patch)
    message = str(caught.value)
    assert message.startswith((f"{key} is ", f"{key} (its own or the base's) is "))
    assert value in message
    assert "expected " in message
    assert expectation in message
    assert "\n" not in message
    assert len(message) < 400


@pytest.mark.parametrize("config", [None, [], "digits", 5])
def test_a_config_that_is_no_mapping_is_refused(config: Any) -> None:
    with pytest.raises(ConfigError, match=r"^config is .*: expected a block"):
        load_study(config, SCHEMA)


def test_a_study_without_any_experiment_is_refused() -> None:
    patch = {"experiments": dict.fromkeys(STUDY["experiments"])}
    with pytest.raises(ConfigError, match="expected one or more"):
        load_study(patched(patch), SCHEMA)


@pytest.mark.parametrize("text", ["1e-3", "1E5", "1.0e5", "-2e+3", ".5e3", "2.e4", "0.25"])
def test_the_number_that_is_proposed_is_one_to_yaml(text: str) -> None:
    with pytest.raises(ConfigError, match="write ") as caught:
        load_study(patched({"base": {"momentum": text}}), SCHEMA)
    proposed = str(caught.value).partition("write ")[2].partition(",")[0]
    assert yaml.safe_load(proposed) == float(text)


# ---- Right ones ----------------------------------------------------------------------------------


def test_the_default_study_loads() -> None:
    study = load_study(DEFAULT, SCHEMA)
    assert set(study.experiments) == set(SWEPT)
    assert study.evidence is not None
    assert Study.from_json(study.to_json()) == study


@pytest.mark.parametrize("path", PRESETS, ids=lambda path: path.stem)
def test_a_preset_loads(path: Path) -> None:
    study = load_study(patched(load_configfile(path), config=DEFAULT), SCHEMA)
    assert study.name == path.stem
    assert cells(study)
    assert Study.from_json(study.to_json()) == study


@pytest.mark.parametrize("path", PRESETS, ids=lambda path: path.stem)
def test_a_preset_depends_on_nothing_that_shapes_the_default_grid(path: Path) -> None:
    preset = load_configfile(path)
    stated = preset["experiments"]
    assert {"study", "title", "dataset", "base", "experiments"} <= set(preset)
    assert set(DEFAULT["base"]) <= set(preset["base"])
    assert set(DEFAULT["experiments"]) <= set(stated)
    for name, block in DEFAULT["experiments"].items():
        assert stated[name] is None or set(block) <= set(stated[name]), name
    # Nothing of a range in config.yaml is left within a range of the preset.
    alone = load_study(preset, SCHEMA)
    merged = load_study(patched(preset, config=DEFAULT), SCHEMA)
    assert (merged.experiments, merged.evidence) == (alone.experiments, alone.evidence)


def test_the_smoke_preset_has_every_experiment_and_fits_mnist_too() -> None:
    smoke = load_configfile(ROOT / "workflow/presets/smoke.yaml")
    study = load_study(patched(smoke, "dataset: {name: mnist}", config=DEFAULT), SCHEMA)
    assert study.dataset.name == "mnist"
    assert set(study.experiments) == set(SWEPT)
    assert study.evidence is not None


def test_null_leaves_an_experiment_out() -> None:
    study = load("experiments: {momentum: null, evidence: null}")
    assert set(study.experiments) == set(SWEPT) - {"momentum"}
    assert study.evidence is None


def test_null_takes_back_what_a_lower_file_has_set() -> None:
    study = load(
        in_experiment("batch_size", "updates: 99, learning_rate: 3"),
        in_experiment("batch_size", "updates: null, learning_rate: null"),
    )
    assert study == load()
    assert load("base: {updates: null, epochs: 4}").experiments["momentum"].axes["epochs"] == [4.0]
    study = load(in_experiment("batch_size", "batch_size: {per_decade: 3, per_octave: null}"))
    assert study.experiments["batch_size"].batch_sizes(100) == [1, 2, 5, 10, 22, 46, 100]


def test_a_config_may_be_of_ordered_dicts_and_tuples_and_is_left_as_it_is() -> None:
    config = OrderedDict(
        (k, OrderedDict(v) if isinstance(v, dict) else v) for k, v in STUDY.items()
    )
    config["base"]["seeds"] = (0, 1, 2)
    before = deepcopy(config)
    assert load_study(config, SCHEMA) == load()
    assert config == before


# ---- What values become --------------------------------------------------------------------------


def test_every_axis_becomes_a_list_of_its_type() -> None:
    experiment = load("base: {train_size: 100.0, weight_decay: 0, hidden: 16}").experiments
    assert experiment["learning_rate"].axes == {
        "hidden": ["16"],
        "preprocessing": ["raw"],
        "train_size": [100],
        "learning_rate": [0.05, 0.1, 0.2],
        "momentum": [0.9],
        "weight_decay": [0.0],
        "label_noise": [0.0],
        "updates": [50],
        "seeds": [0, 1, 2],
    }
    types = {axis: type(v[0]) for axis, v in experiment["learning_rate"].axes.items()}
    assert types["train_size"] is int
    assert types["weight_decay"] is float
    assert experiment["weight_decay"].batch_size == [10]


def test_hidden_widths_may_be_several() -> None:
    study = load(in_experiment("batch_size", "hidden: [32, 400x200]"))
    assert study.experiments["batch_size"].axes["hidden"] == ["32", "400x200"]
    assert {cell.variant for cell in cells(study)} == {"", "hidden 32", "hidden 400x200"}


def test_seeds_are_a_count_or_a_list() -> None:
    assert load("base: {seeds: 4}").experiments["momentum"].axes["seeds"] == [0, 1, 2, 3]
    assert load("base: {seeds: [7, 3]}").experiments["momentum"].axes["seeds"] == [7, 3]


@pytest.mark.parametrize(
    ("limits", "values"),
    [
        ("{from: 0.01, to: 1, per_decade: 2}", [0.01, 0.03162, 0.1, 0.3162, 1.0]),
        ("{from: 0.1, to: 0.8, per_octave: 1}", [0.1, 0.2, 0.4, 0.8]),
        ("{from: 0.1, to: 0.5, per_octave: 1}", [0.1, 0.2, 0.4, 0.5]),
        ("{from: 0.123456, to: 0.2, per_octave: 2}", [0.123456, 0.1746, 0.2]),
        ("{from: 0.001, to: 10, per_decade: 0.5}", [0.001, 0.1, 10.0]),
    ],
)
def test_a_range_is_even_in_the_logarithm_and_has_both_its_ends(
    limits: str, values: list[float]
) -> None:
    study = load(in_experiment("learning_rate", f"learning_rate: {limits}"))
    assert study.experiments["learning_rate"].axes["learning_rate"] == values


def test_a_range_of_whole_numbers_is_rounded() -> None:
    study = load(
        in_experiment(
            "train_size", "train_size: {from: 50, to: 1000, per_decade: 2}, batch_size: [1, 2, 3]"
        )
    )
    assert study.experiments["train_size"].axes["train_size"] == [50, 158, 500, 1000]


def test_a_range_of_batch_sizes_ends_at_the_training_set_of_each_curve() -> None:
    study = load(
        in_experiment(
            "train_size", "batch_size: {from: 8, to: 64, per_octave: 1, per_decade: null}"
        )
    )
    experiment = study.experiments["train_size"]
    assert experiment.batch_size == BatchRange(8, 64, 1.0)
    assert experiment.batch_sizes(50) == [8, 16, 32, 50]
    assert experiment.batch_sizes(100) == [8, 16, 32, 64]


@pytest.mark.parametrize(
    ("base", "own", "other"), [("updates", "epochs", "updates"), ("epochs", "updates", "epochs")]
)
def test_an_experiments_budget_stands_in_for_the_bases(base: str, own: str, other: str) -> None:
    study = load(f"base: {{updates: null, {base}: 5}}", in_experiment("momentum", f"{own}: [7, 9]"))
    assert study.experiments["momentum"].axes[own] == [7, 9]
    assert other not in study.experiments["momentum"].axes
    assert study.experiments["batch_size"].axes[base] == [5]


# ---- The data ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["digits", pytest.param("mnist", marks=pytest.mark.mnist)])
def test_the_images_of_each_class_are_counted_right(name: str, tmp_path: Path) -> None:
    root = os.environ.get("NOISESCALE_DATA")
    if name == "mnist" and not root:
        pytest.skip("NOISESCALE_DATA is not set")
    prepare_dataset(DatasetSpec(name, None, root or "data"), tmp_path / "data.npz")
    dataset = load_dataset(tmp_path / "data.npz")
    counted = (np.bincount(dataset.y_train), np.bincount(dataset.y_test))
    assert CLASS_COUNTS[name] == tuple(map(tuple, counted))


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist", "kmnist"])
def test_the_mnist_family_has_60000_and_10000_images(name: str) -> None:
    assert [sum(counts) for counts in CLASS_COUNTS[name]] == [60000, 10000]


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


# ---- The schema, config.yaml and the code hold together ------------------------------------------


def blocks(schema: Schema, node: Any = None, path: str = "") -> dict[str, dict[str, Any]]:
    """Return every block of keys that a configuration may have, by where it stands."""
    node = schema.resolve(schema.root if node is None else node)
    found = {}
    if "properties" in node:
        found[path] = node
        for key, inner in node["properties"].items():
            found |= blocks(schema, inner, f"{path}.{key}".lstrip("."))
    for i, branch in enumerate(node.get("anyOf", [])):
        found |= blocks(schema, branch, f"{path}<{i}>")
    return found


@pytest.fixture(scope="module")
def schema() -> Schema:
    return Schema.read(SCHEMA)


def test_the_schema_is_one(schema: Schema) -> None:
    Draft202012Validator.check_schema(schema.root)


def test_every_key_of_the_schema_has_a_description(schema: Schema) -> None:
    for path, block in blocks(schema).items():
        for key, inner in block["properties"].items():
            inner = schema.resolve(inner)
            # The ends of a range are values of the key that has the range.
            assert "description" in inner or key in ("from", "to"), f"{path}.{key}"


def test_every_block_of_the_schema_refuses_unknown_keys(schema: Schema) -> None:
    for path, block in blocks(schema).items():
        assert block["additionalProperties"] is False, path
        assert "object" in block["type"], path


def test_config_yaml_has_every_key_of_the_schema_and_explains_it(schema: Schema) -> None:
    lines = (ROOT / "config.yaml").read_text().splitlines()
    for path, block in blocks(schema).items():
        if path not in ("", "dataset", "base", "experiments", "experiments.evidence", "statistics"):
            continue
        config = DEFAULT
        for key in path.split(".") if path else []:
            config = config[key]
        # Base has updates or epochs; the line of either names the other.
        keys = set(block["properties"]) - ({"epochs"} if "updates" in config else {"updates"})
        assert keys == set(config), path
        indent = "  " * (path.count(".") + 1 if path else 0)
        for key in keys - {"dataset", "base", "experiments", "statistics"}:
            assert any(line.startswith(f"{indent}{key}: ") and " #" in line for line in lines), key


def with_defaults(schema: Schema, value: Any, node: dict[str, Any]) -> Any:
    """Return a value with each default of the schema written out."""
    properties = schema.resolve(node).get("properties", {})
    if not isinstance(value, dict) or not properties:
        return value
    result = {key: with_defaults(schema, inner, properties[key]) for key, inner in value.items()}
    for key, inner in properties.items():
        if key not in value and "default" in inner:
            result[key] = with_defaults(schema, inner["default"], inner)
    return result


def test_what_is_left_out_takes_the_schemas_default(schema: Schema) -> None:
    short = yaml.safe_load("""
        study: short
        base: {hidden: 16, train_size: 100, learning_rate: 0.1, updates: 50}
        experiments:
          batch_size: {batch_size: [1, 10, 100]}
          evidence: {train_size: 40, test_size: 40}
    """)
    full = with_defaults(schema, short, schema.root)
    assert full["dataset"] == {"name": "digits", "path": None, "data_root": "data"}
    assert set(full["base"]) == set(schema.root["$defs"]["base"]["properties"]) - {"epochs"}
    assert set(full["experiments"]["evidence"]) == set(
        schema.root["$defs"]["evidence"]["properties"]
    )
    study = load_study(short, SCHEMA)
    assert study == load_study(full, SCHEMA)
    assert (study.device, study.precision) == ("auto", "float32")
    assert (study.seeds_per_shard, study.evaluations_per_decade) == (10, 5)
    assert study.experiments["batch_size"].axes["momentum"] == [0.0]
    assert study.experiments["batch_size"].axes["seeds"] == list(range(10))
    assert study.evidence.label_noise == [0.0, 0.5, 1.0]
    assert (study.evidence.prior_precision[0], study.evidence.prior_precision[-1]) == (1e-8, 1e5)


def test_the_experiments_of_the_schema_are_those_of_the_grid(schema: Schema) -> None:
    experiments = schema.root["properties"]["experiments"]["properties"]
    assert set(experiments) == set(SWEPT) | {"evidence"}
    for name in set(experiments) - {"evidence"}:
        assert SWEPT[name] in schema.resolve(experiments[name])["properties"]


def test_nothing_heavy_is_imported() -> None:
    code = """
import json, sys
from noisescale.study.loading import load_study
load_study(json.loads(sys.argv[1]), sys.argv[2])
print({"numpy", "pandas", "pyarrow", "torch", "matplotlib", "snakemake"} & set(sys.modules))
"""
    command = [sys.executable, "-c", code, json.dumps(STUDY), str(SCHEMA)]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
