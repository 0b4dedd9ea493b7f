"""The tiny study: before its first call, and finished."""

from __future__ import annotations

import shutil

import pytest
from helpers.tiny_workflow import Workflow, copy_of_repository


@pytest.fixture
def fresh(tmp_path):
    """The workflow before its first call."""
    return Workflow(copy_of_repository(tmp_path / "repository"))


@pytest.fixture(scope="session")
def _finished(tmp_path_factory):
    workflow = Workflow(copy_of_repository(tmp_path_factory.mktemp("workflow") / "repository"))
    return workflow, workflow()


@pytest.fixture(scope="session")
def first_call(_finished):
    """The first call of the finished study."""
    return _finished[1]


@pytest.fixture
def finished(_finished, tmp_path):
    """The workflow with its study complete, in a copy of the test's own."""
    workflow, call = _finished
    assert call.status == 0, call.text
    folder = tmp_path / "repository"
    shutil.copytree(workflow.folder, folder, symlinks=True)
    return Workflow(folder, workflow.settings)
