"""scaling_laws.json has exactly the keys of its schema, which is generated from the code."""

import json
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest
import yaml
from helpers.synthetic import synthetic_study, write_synthetic

from noisescale.laws.scaling import laws_stage
from noisescale.results.laws_schema import laws_schema_text

SCHEMA = Path(__file__).parents[2] / "workflow/schemas/scaling_laws.schema.yaml"


@pytest.fixture(scope="module")
def validator():
    schema = yaml.safe_load(SCHEMA.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def laws(folder, study):
    write_synthetic(folder, study)
    laws_stage(folder / "study.json", folder / "runs.parquet", folder / "laws.json")

    def no_constant(name):
        raise AssertionError(f"{name} is not valid JSON")

    return json.loads((folder / "laws.json").read_text(), parse_constant=no_constant)


def test_the_committed_schema_is_the_generated_one():
    assert SCHEMA.read_text(encoding="utf-8") == laws_schema_text(), (
        "run python -m noisescale.results.laws_schema > workflow/schemas/scaling_laws.schema.yaml"
    )


def test_every_field_of_the_schema_is_described_or_the_end_of_an_interval(validator):
    for name, definition in validator.schema["$defs"].items():
        for key, field in definition.get("properties", {}).items():
            described = "description" in field or "$ref" in field
            ends = key.endswith(("low", "high"))
            plain = key in {"learning_rate", "train_size", "momentum", "experiment", "variant"}
            assert described or ends or plain or key in {"x", "n_curves", "curves", "batch_opt"}, (
                f"{name}.{key} has no description"
            )


@pytest.mark.parametrize("seeds", [1, 4])
def test_the_laws_match_their_schema(tmp_path, validator, seeds):
    found = laws(tmp_path, synthetic_study(seeds=seeds, bootstrap=40))
    validator.validate(found)
    if seeds > 1:
        assert all(found[part] for part in ("peaks", "exponents", "joint", "prediction", "bends"))


def test_a_study_without_curves_has_empty_laws(tmp_path, validator):
    study = synthetic_study(seeds=2, bootstrap=40)
    gap = {"generalization_gap": study.experiments["generalization_gap"]}
    found = laws(tmp_path, replace(study, experiments=gap))
    validator.validate(found)
    assert found["peaks"] == [] and found["joint"] is None


def test_a_key_that_is_not_in_the_schema_is_refused(tmp_path, validator):
    found = laws(tmp_path, synthetic_study(seeds=2, bootstrap=40))
    found["peaks"][0]["surprise"] = 1
    with pytest.raises(jsonschema.ValidationError, match="surprise"):
        validator.validate(found)


def test_published_laws_match_their_schema(validator):
    published = sorted(SCHEMA.parents[2].glob("docs/**/scaling_laws.json"))
    assert published
    for path in published:
        validator.validate(json.loads(path.read_text(encoding="utf-8")))
