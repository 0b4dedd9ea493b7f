"""Nothing in a configuration or a data file is executed, whatever its content and location."""

import zipfile
from pathlib import Path

import numpy as np
import pytest
import yaml
from helpers.tiny_workflow import SETTINGS, Workflow, copy_of_repository
from test_errors import one_line

from noisescale.errors import ConfigError
from noisescale.study.config_schema import branches, config_schema
from noisescale.study.experiments import EXPERIMENTS
from noisescale.study.loading import load_study

COMMAND = "$(touch sprung); touch sprung #`touch sprung`|touch sprung&touch sprung\"'"
HOSTILE = (
    COMMAND,
    "../../elsewhere",
    "/etc/passwd",
    "-rf",
    "<script>alert(1)</script>",
    "a\nb",
    "*",
)
FREE = {"title", "dataset.path", "dataset.data_root"}
"""Keys that may be any text. Before one is added: how does it reach commands, paths, pages?"""

OWN = {"train_size": [30, 60], "label_noise": [0, 0.5], "momentum": [0, 0.9], "epochs": [1, 2]}
OWN |= {"learning_rate": [0.1, 0.2], "weight_decay": [0, 0.1]}


def leaves(node, path=()):
    """Yield every key of the configuration's schema that has no further keys, except ranges."""
    block, *others = branches(node, config_schema())
    if "properties" not in block or others:
        yield ".".join(path)
        return
    for key, inner in block["properties"].items():
        yield from leaves(inner, (*path, key))


def keys():
    return list(leaves(config_schema()))


def settings_with(key, value):
    """Return a study, valid except for the value of one key in all experiments that may have it."""
    settings = yaml.safe_load(yaml.safe_dump(SETTINGS))
    for name in [name for name, block in settings["experiments"].items() if block is None]:
        own = EXPERIMENTS[name].swept
        settings["experiments"][name] = {own: OWN.get(own)} | {"batch_size": [2, 4, "full"]}
    if key == "dataset.path":
        settings["dataset"]["name"] = "npz"
    *blocks, last = key.split(".")
    block = settings
    for name in blocks:
        block = block.setdefault(name, {})
    block[last] = value
    return settings


def test_the_study_without_hostile_text_is_valid():
    load_study(settings_with("title", "a title"))


@pytest.mark.parametrize("key", keys())
def test_hostile_text_is_refused_wherever_text_is_not_free(key):
    for value in HOSTILE:
        settings = settings_with(key, value)
        if key in FREE:
            load_study(settings)
            continue
        with pytest.raises(ConfigError, match="expected") as refused:
            load_study(settings)
        assert str(refused.value).startswith(f"{key} is ") and "\n" not in str(refused.value)


def data(**changes):
    y = np.arange(160) % 3
    X = np.random.default_rng(0).random((160, 6), dtype=np.float32)
    return {"X_train": X, "y_train": y, "X_test": X, "y_test": y} | changes


def test_free_text_is_only_ever_text(tmp_path):
    """In the title, in names of files and folders, and in that of the working directory."""
    folder = tmp_path / f'it\'s a "folder" {COMMAND}'
    workflow = Workflow(copy_of_repository(folder))
    own = f"my data {COMMAND}.npz".replace("/", "")
    np.savez(folder / own, **data())
    workflow.settings["title"] = title = f"<script>alert(1)</script> {COMMAND}"
    workflow.settings["dataset"] = {"name": "npz", "path": own, "data_root": COMMAND}
    workflow.settings["experiments"]["evidence"]["classes"] = [0, 2]
    result = workflow()
    assert result.status == 0, result.text
    page = (workflow.results / "report.html").read_text()
    assert "&lt;script&gt;alert(1)" in page and "<script" not in page
    result = workflow("--report", "report.zip")
    assert result.status == 0, result.text
    with zipfile.ZipFile(folder / "report.zip") as archive:
        made = b"".join(archive.read(name) for name in archive.namelist())
    for path in workflow.results.rglob("*"):
        if path.suffix in (".svg", ".rst", ".csv"):
            made += path.read_bytes()
    assert title.encode() not in made
    assert not [path for path in tmp_path.rglob("*") if path.name.startswith("sprung")]
    assert not Path("sprung").exists()


def test_a_pickle_in_the_users_data_is_one_line_and_not_executed(fresh):
    class Trap:
        def __reduce__(self):
            return (Path.touch, (fresh.folder / "sprung",))

    np.savez(fresh.folder / "mine.npz", **data(X_train=np.array([[Trap()]] * 160, dtype=object)))
    fresh.settings["dataset"] = {"name": "npz", "path": "mine.npz"}
    one_line(fresh("results/tiny/data.npz"), "mine.npz", "X_train is damaged, or not numbers")
    assert not (fresh.folder / "sprung").exists()
