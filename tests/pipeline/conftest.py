"""A project to run stages in."""

import shutil
import socket
from pathlib import Path
from unittest.mock import Mock

import pytest

from pipeline import evaluate, plot, register
from pipeline.tracking.store import Store
from srcnn.scoring.measures import MEASURES
from tests.conftest import SURROUNDINGS
from tests.pipeline.experiment import load_params, write_experiment


@pytest.fixture
def project(tmp_path, monkeypatch, empty_store):
    """An empty one, in the current folder, with a store of its own."""
    (tmp_path / ".dvc").mkdir()
    shutil.copy(empty_store, tmp_path)
    monkeypatch.chdir(tmp_path)
    for name in SURROUNDINGS:
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def offline(tmp_path, monkeypatch):
    """An empty project without network and without weights in torch's cache; its folder."""
    refuse = Mock(side_effect=ConnectionRefusedError("refused"))
    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("DVC_ROOT", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".dvc").mkdir()
    return tmp_path


@pytest.fixture
def store(project) -> Store:
    """The store of the project in the current folder, with an experiment of this test's own."""
    return Store("portraits")


@pytest.fixture(scope="session")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the results of all stages before `register`."""
    folder = tmp_path_factory.mktemp("results")
    (folder / ".dvc").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write_experiment()
        evaluate.main(load_params())
        plot.main(load_params())
    return folder


@pytest.fixture
def experiment(store, results, monkeypatch):
    """These results in a project with an empty store; the store."""
    shutil.copytree(results, ".", dirs_exist_ok=True)
    monkeypatch.setattr(register, "_PAUSES", (0.01, 0.01))
    return Store(load_params().tracking.experiment)


@pytest.fixture
def classical_measures(monkeypatch):
    """The table of measures without those that look through a network or have to be fitted."""
    for name in ("niqe", "sifid", "lpips", "vgg19"):  # the last first, to be put back last
        monkeypatch.delitem(MEASURES, name)
