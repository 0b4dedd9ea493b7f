"""The JSON schema for editors, config.yaml and the models say the same."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from helpers.study_config import DEFAULT, PRESETS, ROOT, STUDY
from jsonschema import Draft202012Validator
from snakemake.common.configfile import load_configfile

from noisescale.study.catalog import DATASETS
from noisescale.study.config_schema import branches, config_schema, schema_text
from noisescale.study.experiments import EXPERIMENTS
from noisescale.study.loading import load_study

SCHEMA = config_schema()
COMMITTED = ROOT / "workflow/schemas/config.schema.json"


def blocks(node: dict[str, Any], path: str = "") -> dict[str, dict[str, Any]]:
    """Return every block of keys that a configuration may have, by its place."""
    found = {}
    for i, branch in enumerate(branches(node, SCHEMA)):
        if "properties" in branch:
            found[path + f"<{i}>" * bool(i)] = branch
            for key, inner in branch["properties"].items():
                found |= blocks(inner, f"{path}.{key}".lstrip("."))
    return found


BLOCKS = blocks(SCHEMA)


def test_the_committed_schema_is_the_one_that_the_models_generate() -> None:
    assert COMMITTED.read_text(encoding="utf-8") == schema_text(), (
        "call python -m noisescale.study.config_schema > workflow/schemas/config.schema.json"
    )


def test_the_schema_is_valid() -> None:
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("path", [ROOT / "config.yaml", *PRESETS], ids=lambda path: path.stem)
def test_editors_find_the_schema_of_a_file(path: Any) -> None:
    hint = path.read_text(encoding="utf-8").splitlines()[0]
    name = hint.removeprefix("# yaml-language-server: $schema=")
    assert (path.parent / name).resolve() == COMMITTED


@pytest.mark.parametrize("path", [ROOT / "config.yaml", *PRESETS], ids=lambda path: path.stem)
def test_editors_accept_every_complete_configuration(path: Any) -> None:
    Draft202012Validator(SCHEMA).validate(load_configfile(path))
    Draft202012Validator(SCHEMA).validate(STUDY)


def test_editors_refuse_what_the_models_refuse() -> None:
    for patch in ({"device": "gpu"}, {"devise": "cpu"}, {"base": {"momentum": 1.5}}):
        assert not Draft202012Validator(SCHEMA).is_valid(STUDY | patch)
    for name, kind in EXPERIMENTS.items():
        block = {key: value for key, value in STUDY["experiments"][name].items()}
        del block[kind.swept]
        assert not Draft202012Validator(SCHEMA).is_valid(STUDY | {"experiments": {name: block}})


def test_every_key_of_the_schema_has_a_description() -> None:
    for path, block in BLOCKS.items():
        for key, inner in block["properties"].items():
            parts = [inner, *branches(inner, SCHEMA)]
            assert any("description" in part for part in parts), f"{path}.{key}"


def test_every_block_of_the_schema_refuses_unknown_keys() -> None:
    assert {"", "dataset", "base", "experiments.momentum", "experiments.evidence"} <= set(BLOCKS)
    for path, block in BLOCKS.items():
        assert block["additionalProperties"] is False, path
        assert "object" in block["type"], path


def test_config_yaml_has_every_key_of_the_schema_and_explains_it() -> None:
    lines = (ROOT / "config.yaml").read_text().splitlines()
    for path, block in BLOCKS.items():
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


def with_defaults(value: Any, node: dict[str, Any]) -> Any:
    """Return a value with each default of the schema written out."""
    block = next((b for b in branches(node, SCHEMA) if "properties" in b), None)
    if not isinstance(value, dict) or block is None:
        return value
    result = dict(value)
    for key, inner in block["properties"].items():
        if key in value or "default" in inner:
            result[key] = with_defaults(value.get(key, inner.get("default")), inner)
    return result


def test_omitted_keys_take_the_schemas_default() -> None:
    short = yaml.safe_load("""
        study: short
        base: {hidden: 16, train_size: 100, learning_rate: 0.1, updates: 50}
        experiments:
          batch_size: {batch_size: [1, 10, 100]}
          evidence: {train_size: 40, test_size: 40}
    """)
    full = with_defaults(short, SCHEMA)
    assert full["dataset"] == {"name": "digits", "data_root": "data"}
    assert set(full["base"]) == set(BLOCKS["base"]["properties"]) - {"epochs"}
    assert set(full["experiments"]["evidence"]) == set(BLOCKS["experiments.evidence"]["properties"])
    study = load_study(short)
    assert study == load_study(full)
    assert (study.device, study.precision) == ("auto", "float32")
    assert (study.seeds_per_shard, study.evaluations_per_decade) == (10, 5)
    assert study.experiments["batch_size"].axes["momentum"] == [0.0]
    assert study.experiments["batch_size"].axes["seeds"] == list(range(10))
    assert study.evidence.label_noise == [0.0, 0.5, 1.0]
    assert (study.evidence.prior_precision[0], study.evidence.prior_precision[-1]) == (1e-8, 1e5)


def test_the_experiments_and_data_sets_of_the_schema_are_the_known_ones() -> None:
    experiments = BLOCKS["experiments"]["properties"]
    assert set(experiments) == {*EXPERIMENTS, "evidence"}
    for name, kind in EXPERIMENTS.items():
        assert kind.swept in BLOCKS[f"experiments.{name}"]["properties"]
    names = BLOCKS["dataset"]["properties"]["name"]
    assert branches(names, SCHEMA)[0]["enum"] == list(DATASETS)
