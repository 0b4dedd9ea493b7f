"""The documentation agrees with the repository that it describes."""

import re
import tomllib
from pathlib import Path

import pytest

import noisescale

REPOSITORY = Path(__file__).parents[1]
PAGES = sorted(
    path.relative_to(REPOSITORY)
    for path in [*REPOSITORY.glob("*.md"), *REPOSITORY.glob("docs/**/*.md*")]
)
LINK = re.compile(r"\[[^]]*\]\(([^)\s]+)\)")


def names_in_table(page):
    """Return the names in the first cell of each row of the tables of a page, by row."""
    lines = (REPOSITORY / page).read_text(encoding="utf-8").splitlines()
    cells = [line.split("|")[1] for line in lines if line.startswith("|")]
    return [names for cell in cells if (names := set(re.findall(r"`(\w+)`", cell)))]


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_relative_link_leads_to_a_file(page):
    text = (REPOSITORY / page).read_text(encoding="utf-8")
    targets = {link.partition("#")[0] for link in LINK.findall(text) if "{{" not in link}
    targets = {target for target in targets if target and "://" not in target}
    missing = [t for t in targets if not (REPOSITORY / page).parent.joinpath(t).exists()]
    assert not missing, f"{page} links to {missing}"


def test_the_table_of_packages_is_the_contract_of_imports():
    settings = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    (contract,) = settings["tool"]["importlinter"]["contracts"]
    enforced = [
        {name.strip().removeprefix("noisescale.") for name in layer.split("|")}
        for layer in contract["layers"]
    ]
    assert names_in_table("docs/architecture.md") == enforced


def test_the_contract_of_imports_covers_every_package_and_module():
    folder = REPOSITORY / "src/noisescale"
    packages = {path.parent.name for path in folder.glob("*/__init__.py")}
    modules = {path.stem for path in folder.glob("*.py") if not path.stem.startswith("__")}
    assert set().union(*names_in_table("docs/architecture.md")) == packages | modules


def test_the_page_of_the_public_api_lists_every_public_name():
    documented = set().union(*names_in_table("docs/api.md"))
    assert set(getattr(noisescale, "__all__", documented)) - {"__version__"} == documented
