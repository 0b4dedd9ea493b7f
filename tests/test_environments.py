"""The dependencies of the package and of its conda environments are those that the code imports."""

import ast
import re
import sys
import tomllib
from functools import cache
from pathlib import Path

import pytest
import yaml

REPOSITORY = Path(__file__).parents[1]
PACKAGE = REPOSITORY / "src/noisescale"
DISTRIBUTIONS = {"yaml": "pyyaml", "sklearn": "scikit-learn", "pydantic_core": "pydantic"}
CONDA_NAMES = {"torch": "pytorch"}
STAGES = {
    "train": ["data/prepare.py", "training/job.py"],
    "analysis": [
        "evidence/sweep.py",
        "results/collect.py",
        "laws/scaling.py",
        "claims/stage.py",
        "report/captions.py",
        "report/page.py",
        *(str(path.relative_to(PACKAGE)) for path in (PACKAGE / "figures").glob("*.py")),
    ],
}
"""The modules of the stages that run in each environment."""


def imported_names(tree):
    """Yield the modules that code imports when it runs, also within functions."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        else:
            yield from imported_names(node)


@cache
def imports_of(path):
    return frozenset(imported_names(ast.parse(path.read_text(encoding="utf-8"))))


def imports_of_command_line():
    """Return the modules that `cli.py` imports for every command, which excludes the stages."""
    tree = ast.parse((PACKAGE / "cli.py").read_text(encoding="utf-8"))
    tree.body = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    return frozenset(imported_names(tree))


def distributions(*paths):
    """Return the distributions that the command line and these files import, also indirectly."""
    names, visited, queue = set(), set(), list(paths)
    new = imports_of_command_line()
    while queue or new:
        names |= new
        own = [name.split(".")[1:] for name in new if name.startswith("noisescale.")]
        queue += [PACKAGE.joinpath(*parts).with_suffix(".py") for parts in own]
        queue = [path for path in queue if path.is_file() and path not in visited]
        new = imports_of(queue[-1]) if queue else frozenset()
        visited |= {queue.pop()} if queue else set()
    top = {name.split(".")[0] for name in names} - sys.stdlib_module_names - {"noisescale"}
    return {DISTRIBUTIONS.get(name, name) for name in top}


def versions(requirements):
    """Return the version that each requirement asks for, such as ``>=3.11``."""
    pairs = (re.match(r"([\w-]+) *(.*)", requirement).groups() for requirement in requirements)
    return dict(pairs)


def of_environment(name):
    text = (REPOSITORY / f"envs/{name}.yaml").read_text(encoding="utf-8")
    return versions(yaml.safe_load(text)["dependencies"])


def of_package():
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return versions(project["dependencies"]) | {"python": project["requires-python"]}


@pytest.mark.parametrize("environment", STAGES)
def test_a_conda_environment_contains_what_its_stages_import(environment):
    needed = distributions(*(PACKAGE / name for name in STAGES[environment]))
    missing = {CONDA_NAMES.get(name, name) for name in needed} - set(of_environment(environment))
    assert not missing, f"envs/{environment}.yaml lacks {sorted(missing)}"


@pytest.mark.parametrize("environment", STAGES)
def test_a_conda_environment_requires_the_versions_of_the_package(environment):
    package = {CONDA_NAMES.get(name, name): version for name, version in of_package().items()}
    assert of_environment(environment).items() <= package.items()


def test_the_package_depends_on_what_it_imports():
    missing = distributions(*PACKAGE.glob("**/*.py")) - set(of_package())
    assert not missing, f"pyproject.toml lacks {sorted(missing)}"
