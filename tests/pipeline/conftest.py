"""A project to run stages in."""

import shutil

import pytest

from pipeline.tracking import Store
from tests.conftest import SURROUNDINGS


@pytest.fixture
def project(tmp_path, monkeypatch):
    """An empty one, in the current folder, with a store of its own."""
    (tmp_path / ".dvc").mkdir()
    monkeypatch.chdir(tmp_path)
    for name in SURROUNDINGS:
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def store(project, empty_store) -> Store:
    """The store of the project in the current folder, with an experiment of this test's own."""
    shutil.copy(empty_store, project)
    return Store("portraits")
