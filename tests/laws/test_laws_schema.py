"""scaling_laws.json is what its schema says, whatever the study: nothing more, nothing less."""

import json
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest
import yaml
from helpers.synthetic import synthetic_study, write_synthetic

from noisescale.laws.scaling import laws_stage

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
        raise AssertionError(f"{name} is no JSON")

    return json.loads((folder / "laws.json").read_text(), parse_constant=no_constant)


@pytest.mark.parametrize("seeds", [1, 4])
def test_the_laws_are_as_documented(tmp_path, validator, seeds):
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


def test_a_key_that_is_not_documented_is_noticed(tmp_path, validator):
    found = laws(tmp_path, synthetic_study(seeds=2, bootstrap=40))
    found["peaks"][0]["surprise"] = 1
    with pytest.raises(jsonschema.ValidationError, match="surprise"):
        validator.validate(found)


def test_published_laws_are_as_documented(validator):
    published = sorted(SCHEMA.parents[2].glob("docs/*/scaling_laws.json"))
    assert published
    for path in published:
        validator.validate(json.loads(path.read_text(encoding="utf-8")))
