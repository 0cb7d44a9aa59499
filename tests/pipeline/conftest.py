"""A project to run stages in."""

import shutil
from pathlib import Path

import pytest

from pipeline.tracking import Store

_SURROUNDINGS = ("DVC_ROOT", "MLFLOW_TRACKING_URI", "DVC_EXP_NAME")


@pytest.fixture
def project(tmp_path, monkeypatch):
    """An empty one, in the current folder, with a store of its own."""
    (tmp_path / ".dvc").mkdir()
    monkeypatch.chdir(tmp_path)
    for name in _SURROUNDINGS:
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory) -> Path:
    """MLflow's database with all its tables, whose creation takes seconds."""
    folder = tmp_path_factory.mktemp("store")
    (folder / ".dvc").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for name in _SURROUNDINGS:
            patch.delenv(name, raising=False)
        Store("unused")
    return folder / "mlflow.db"


@pytest.fixture
def store(project, empty_store) -> Store:
    """The store of the project in the current folder, with an experiment of this test's own."""
    shutil.copy(empty_store, project)
    return Store("portraits")
