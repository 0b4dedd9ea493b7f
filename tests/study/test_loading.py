"""A configuration, from files or mappings, becomes a study."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import OrderedDict
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from helpers.study_config import CHECKS, DEFAULT, PRESETS, ROOT, STUDY, in_experiment, load, patched
from snakemake.common.configfile import load_configfile
from snakemake.utils import update_config

from noisescale.errors import ConfigError, RecordError
from noisescale.study.experiments import EXPERIMENTS
from noisescale.study.grid import cells
from noisescale.study.loading import load_study, merge
from noisescale.study.model import BatchRange, Study

# ---- Right ones ----------------------------------------------------------------------------------


def test_the_default_study_loads() -> None:
    study = load_study(DEFAULT)
    assert set(study.experiments) == set(EXPERIMENTS)
    assert study.evidence is not None
    assert Study.from_json(study.to_json()) == study


@pytest.mark.parametrize("path", PRESETS, ids=lambda path: path.stem)
def test_a_preset_loads(path: Path) -> None:
    study = load_study(ROOT / "config.yaml", path)
    assert study == load_study(patched(load_configfile(path), config=DEFAULT))
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
    # No part of a range in config.yaml remains in a range of the preset.
    separate = load_study(preset)
    merged = load_study(patched(preset, config=DEFAULT))
    assert (merged.experiments, merged.evidence) == (separate.experiments, separate.evidence)


def test_the_smoke_preset_has_every_experiment_and_fits_mnist_too() -> None:
    smoke = load_configfile(ROOT / "workflow/presets/smoke.yaml")
    study = load_study(patched(smoke, "dataset: {name: mnist}", config=DEFAULT))
    assert study.dataset.name == "mnist"
    assert set(study.experiments) == set(EXPERIMENTS)
    assert study.evidence is not None


@pytest.mark.parametrize("path", CHECKS, ids=lambda path: path.stem)
def test_a_preset_that_varies_another_loads(path: Path) -> None:
    study = load_study(ROOT / "config.yaml", ROOT / "workflow/presets/mnist-cpu.yaml", path)
    assert study.name == f"mnist-{path.stem}"


def test_null_leaves_an_experiment_out() -> None:
    study = load("experiments: {momentum: null, evidence: null}")
    assert set(study.experiments) == set(EXPERIMENTS) - {"momentum"}
    assert study.evidence is None


def test_null_removes_what_an_earlier_file_has_set() -> None:
    study = load(
        in_experiment("batch_size", "updates: 99, learning_rate: 3"),
        in_experiment("batch_size", "updates: null, learning_rate: null"),
    )
    assert study == load()
    assert load("base: {updates: null, epochs: 4}").experiments["momentum"].axes["epochs"] == [4.0]
    study = load(in_experiment("batch_size", "batch_size: {per_decade: 3, per_octave: null}"))
    assert study.experiments["batch_size"].batch_sizes(100) == [1, 2, 5, 10, 22, 46, 100]


def test_a_config_may_have_ordered_dicts_and_tuples_and_is_not_changed() -> None:
    config = OrderedDict(
        (k, OrderedDict(v) if isinstance(v, dict) else v) for k, v in STUDY.items()
    )
    config["base"]["seeds"] = (0, 1, 2)
    before = deepcopy(config)
    assert load_study(config) == load()
    assert config == before


# ---- Files and mappings --------------------------------------------------------------------------


def test_a_study_is_loaded_from_files_and_mappings(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(yaml.safe_dump(STUDY))
    assert load_study(path) == load_study(str(path)) == load()
    assert load_study(path, {"device": "cpu"}, {"device": None, "title": "t"}) == load("title: t")


def test_a_study_is_loaded_from_its_results(tmp_path: Path) -> None:
    path = tmp_path / "study.json"
    path.write_text(load().to_json())
    assert load_study(path) == load_study(str(path)) == load()
    with pytest.raises(ConfigError, match=r"study.json is a complete study: expected no other"):
        load_study(STUDY, path)
    path.write_text(path.read_text().replace("0.1", "0.2"))
    with pytest.raises(RecordError, match="damaged"):
        load_study(path)


def test_a_study_of_an_earlier_version_without_a_digest_is_loaded(tmp_path: Path) -> None:
    content = json.loads(load().to_json())
    del content["digest"]
    path = tmp_path / "study.json"
    path.write_text(json.dumps(content))
    assert load_study(path) == load()


def test_without_any_configuration_the_first_key_is_missing() -> None:
    with pytest.raises(ConfigError, match=r"^study is missing: expected a name"):
        load_study()


@pytest.mark.parametrize(
    "settings",
    [
        [{"a": {"b": 1, "c": 2}}, {"a": {"b": 3}}],
        [{"a": {"b": 1}}, {"a": None}, {"a": {"c": 2}}],
        [{"a": [1]}, {"a": {"c": {"d": 2}}}],
        [{"a": {"b": 1}}, {"a": {}}, {"d": {}}],
        [{"a": {"b": 1}}, {"a": [2]}, {"e": {"f": {"g": 1}}}],
    ],
)
def test_configurations_are_merged_as_snakemake_merges_them(settings: list[Any]) -> None:
    expected: dict[str, Any] = {}
    for above in deepcopy(settings):
        update_config(expected, above)
    before = deepcopy(settings)
    assert merge(*settings) == expected
    assert settings == before


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
def test_an_experiments_budget_replaces_the_bases(base: str, own: str, other: str) -> None:
    study = load(f"base: {{updates: null, {base}: 5}}", in_experiment("momentum", f"{own}: [7, 9]"))
    assert study.experiments["momentum"].axes[own] == [7, 9]
    assert other not in study.experiments["momentum"].axes
    assert study.experiments["batch_size"].axes[base] == [5]


def test_the_package_alone_loads_a_study_and_imports_nothing_heavy(tmp_path: Path) -> None:
    code = """
import json, sys
from noisescale.study.loading import load_study
load_study(json.loads(sys.argv[1]))
heavy = {"numpy", "pandas", "pyarrow", "torch", "matplotlib", "snakemake", "jsonschema"}
print(heavy & set(sys.modules))
"""
    command = [sys.executable, "-c", code, json.dumps(STUDY)]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(
        command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout == "set()\n"
