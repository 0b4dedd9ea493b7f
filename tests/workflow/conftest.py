"""The tiny study: before its first workflow run, and finished."""

from __future__ import annotations

import shutil

import pytest
from helpers.tiny_workflow import Workflow, copy_of_repository


@pytest.fixture
def fresh(tmp_path):
    """The workflow before its first run."""
    return Workflow(copy_of_repository(tmp_path / "repository"))


@pytest.fixture(scope="session")
def _finished(tmp_path_factory):
    workflow = Workflow(copy_of_repository(tmp_path_factory.mktemp("workflow") / "repository"))
    return workflow, workflow()


@pytest.fixture(scope="session")
def first_run(_finished):
    """The first workflow run of the finished study."""
    return _finished[1]


@pytest.fixture
def finished(_finished, tmp_path):
    """The workflow with its study complete, in a copy of the test's own."""
    workflow, result = _finished
    assert result.status == 0, result.text
    folder = tmp_path / "repository"
    shutil.copytree(workflow.folder, folder, symlinks=True)
    return Workflow(folder, workflow.settings)
