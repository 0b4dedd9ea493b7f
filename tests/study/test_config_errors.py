"""A wrong configuration gives one line: the key, its value, what was expected, the remedy."""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
import yaml
from helpers.study_config import STUDY, in_experiment, load, patched

from noisescale.errors import ConfigError
from noisescale.study.loading import load_study

WRONG = [
    # patch, key, value, expectation (or remedy)
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
    (
        "experiments: {dropout: {}}",
        "experiments.dropout",
        "{}",
        "one of evidence, generalization_gap, ",
    ),
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
        "a whole number (at least 1), full, a list or a range {from, to, ",
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
        "missing",
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
    ("title: 5", "title", "5", 'text (at most 200 characters); write it in quotes, "5"'),
    # -- numbers
    ("base: {learning_rate: 1e-3}", "base.learning_rate", '"1e-3"', "write 1.0e-3"),
    ("base: {updates: 1e4}", "base.updates", '"1e4"', "write 10000"),
    ("base: {momentum: '0.9'}", "base.momentum", '"0.9"', "write 0.9, unquoted"),
    ("base: {momentum: high}", "base.momentum", '"high"', "a number (at least 0, below 1)"),
    ("base: {momentum: yes}", "base.momentum", "true", "YAML reads yes"),
    ("base: {hidden: on}", "base.hidden", "true", "a width (1 to 99999"),
    ("base: {hidden: 0}", "base.hidden", "is 0:", "a width (1 to 99999"),
    ("base: {hidden: 400x}", "base.hidden", '"400x"', '"400x200" for two layers'),
    ("base: {momentum: 1}", "base.momentum", "1", "a number (at least 0, below 1)"),
    ("base: {momentum: -0.1}", "base.momentum", "-0.1", "a number (at least 0, below 1)"),
    ("base: {label_noise: 1.5}", "base.label_noise", "1.5", "a number (at least 0, at most 1)"),
    ("base: {learning_rate: 0}", "base.learning_rate", "0", "a number (above 0, at most 1000)"),
    ("base: {learning_rate: .nan}", "base.learning_rate", "nan", "a finite number"),
    ("base: {weight_decay: .inf}", "base.weight_decay", "inf", "a finite number"),
    ("base: {updates: 10.5}", "base.updates", "10.5", "a whole number (at least 1"),
    ("base: {train_size: 1}", "base.train_size", "1", "a whole number (at least 2"),
    ("base: {learning_rate: [0.1]}", "base.learning_rate", "[0.1]", "put lists in an exp"),
    ("base: {preprocessing: zca}", "base.preprocessing", '"zca"', "raw, standardize, whiten"),
    ("base: {epochs: 2}", "base.epochs", "2 next to updates", "one of the two"),
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
    ("dataset: {path: a.npz}", "dataset.path", '"a.npz" next to name "digits"', "null"),
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
        "[0.1], a single value",
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
        "1 next to updates",
        "one of the two; remove one, or set it to null",
    ),
    (
        in_experiment("fixed_epochs", "updates: 100"),
        "experiments.fixed_epochs.epochs",
        "2 next to updates",
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
        "at least from, which is 1; exchange them",
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
        "a number (above 0, at most 1000)",
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
        "[64, 100] at train_size 100",
        "3 batch sizes or more",
    ),
    (
        in_experiment("train_size", "batch_size: [5, 50, full]"),
        "experiments.train_size.batch_size",
        "[5, 50] at train_size 50",
        "3 batch sizes or more",
    ),
    (
        in_experiment("label_noise", "batch_size: full"),
        "experiments.label_noise.batch_size",
        "[100] at train_size 100",
        "3 batch sizes or more",
    ),
    (
        in_experiment("generalization_gap", "batch_size: [full]"),
        "experiments.generalization_gap.batch_size",
        "[100] at train_size 100",
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
        "a number (at least 1e-15, at most 1e+15)",
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
        "at most 158 next to train_size 40",
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


@pytest.mark.parametrize("config", [None, [], 5])
def test_a_config_that_is_not_a_mapping_is_refused(config: Any) -> None:
    with pytest.raises(ConfigError, match=r"^config is .*: expected a block"):
        load_study(config)


def test_a_study_without_any_experiment_is_refused() -> None:
    patch = {"experiments": dict.fromkeys(STUDY["experiments"])}
    with pytest.raises(ConfigError, match="expected one or more"):
        load_study(patched(patch))


@pytest.mark.parametrize("text", ["null", "None", "~"])
def test_null_on_the_command_line_is_explained(text: str) -> None:
    """Snakemake passes every nested value of --config as text."""
    with pytest.raises(ConfigError) as caught:
        load({"experiments": {"evidence": text}})
    assert str(caught.value) == (
        f'experiments.evidence is "{text}": expected a block of key: value lines; --config passes '
        f"{text} as text: write experiments: {{evidence: null}} in a file for --configfile"
    )


@pytest.mark.parametrize("text", ["1e-3", "1E5", "1.0e5", "-2e+3", ".5e3", "2.e4", "0.25"])
def test_the_number_that_is_proposed_is_one_to_yaml(text: str) -> None:
    with pytest.raises(ConfigError, match="write ") as caught:
        load_study(patched({"base": {"momentum": text}}))
    proposed = str(caught.value).partition("write ")[2].partition(",")[0]
    assert yaml.safe_load(proposed) == float(text)


ODD = [None, True, [], {}, [None], [[1]], [{}], {"from": 1}, {"from": [], "to": {}}, {"a": None}]
ODD += ["", "x", "null", "{value}", -1, 0, 1, 0.5, 1e300, 10**30, math.inf, math.nan]
ODD += [datetime.date(2024, 1, 1), ["x", 1], [0, 0], [1, True], {1: 2}]


def places(settings: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield the path of every value in a configuration."""
    if path:
        yield path
    if isinstance(settings, (dict, list)):
        items = settings.items() if isinstance(settings, dict) else enumerate(settings)
        for key, inner in items:
            yield from places(inner, (*path, key))


@pytest.mark.parametrize("path", list(places(STUDY)), ids=lambda path: ".".join(map(str, path)))
def test_any_value_in_any_place_is_accepted_or_refused_in_one_line(
    path: tuple[str | int, ...],
) -> None:
    for value in ODD:
        settings = deepcopy(STUDY)
        block: Any = settings
        for part in path[:-1]:
            block = block[part]
        block[path[-1]] = value
        try:
            load_study(settings)
        except ConfigError as error:
            message = str(error)
            assert "expected " in message
            assert "\n" not in message
            assert "{value}" not in message.replace('"{value}"', "")
