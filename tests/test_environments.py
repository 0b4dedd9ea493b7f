"""The conda environments and the package's metadata name what the code imports."""

import ast
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from noisescale.planning.code_inputs import source_files

REPOSITORY = Path(__file__).parents[1]
DISTRIBUTIONS = {"yaml": "pyyaml", "sklearn": "scikit-learn", "torch": "pytorch"}
DISTRIBUTIONS |= {"pydantic_core": "pydantic"}  # which pins it, and documents it as its own
STAGES = {
    "train": ["data.prepare", "training.job"],
    "analysis": [
        "evidence.sweep",
        "results.collect",
        "laws.scaling",
        "claims.stage",
        "report.page",
        *(f"figures.{path.stem}" for path in (REPOSITORY / "src/noisescale/figures").glob("*.py")),
    ],
}


def imported(*modules):
    """Names of the distributions that modules of the package import, one by another."""
    names = set()
    for path in source_files(*modules, "progress"):
        for node in ast.walk(ast.parse(Path(path).read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                names.add(node.module.split(".")[0])
    names -= set(sys.stdlib_module_names) | {"noisescale", "__future__"}
    return {DISTRIBUTIONS.get(name, name) for name in names} | {"tqdm"}


def named(requirements):
    return {text.split(">")[0].split("=")[0].strip() for text in requirements}


@pytest.mark.parametrize("environment", STAGES)
def test_a_conda_environment_has_what_its_stages_import(environment):
    text = (REPOSITORY / "envs" / f"{environment}.yaml").read_text()
    there = named(yaml.safe_load(text)["dependencies"])
    needed = imported(*STAGES[environment])
    assert needed <= there, f"envs/{environment}.yaml lacks {needed - there}"


def test_the_package_depends_on_what_it_imports():
    metadata = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    there = named(metadata["dependencies"])
    needed = imported(*STAGES["train"], *STAGES["analysis"], "study.loading", "planning.plan")
    needed = {"torch" if name == "pytorch" else name for name in needed}
    assert needed <= there, f"pyproject.toml lacks {needed - there}"
