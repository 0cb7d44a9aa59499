"""A project to run stages in."""

import shutil
import socket
from pathlib import Path
from unittest.mock import Mock

import pytest
from filelock import FileLock

from pipeline import evaluate, plot, register
from pipeline.tracking.store import Store
from srcnn.scoring.measures import MEASURES
from tests.conftest import SURROUNDINGS
from tests.pipeline.experiment import load_params, write_experiment
from tests.pipeline.published import enter


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
def results(shared: Path) -> Path:
    """A folder with the results of all stages before `register`."""
    folder = shared / "results"
    with FileLock(shared / "results.lock"), pytest.MonkeyPatch.context() as patch:
        if not folder.exists():
            (folder / ".dvc").mkdir(parents=True)
            patch.chdir(folder)
            write_experiment()
            evaluate.main(load_params())
            plot.main(load_params())
    return folder


@pytest.fixture(scope="session")
def published_results(shared: Path, results: Path, empty_store: Path) -> Path:
    """The same folder with a store in which they are published."""
    folder = shared / "published"
    with FileLock(shared / "published.lock"), pytest.MonkeyPatch.context() as patch:
        if not folder.exists():
            shutil.copytree(results, folder)
            shutil.copy(empty_store, folder)
            patch.chdir(folder)
            for name in SURROUNDINGS:
                patch.delenv(name, raising=False)
            register.main(load_params())
    return folder


@pytest.fixture
def experiment(store, results, monkeypatch):
    """These results in a project with an empty store; the store."""
    shutil.copytree(results, ".", dirs_exist_ok=True)
    monkeypatch.setattr(register, "_PAUSES", (0.01, 0.01))
    return Store(load_params().tracking.experiment)


@pytest.fixture
def published(project, published_results, monkeypatch):
    """A project with these results and a store that holds them; the store."""
    shutil.copytree(published_results, ".", dirs_exist_ok=True)
    enter(project, monkeypatch)
    monkeypatch.setattr(register, "_PAUSES", (0.01, 0.01))
    return Store(load_params().tracking.experiment)


@pytest.fixture
def classical_measures(monkeypatch):
    """The table of measures without those that look through a network or have to be fitted."""
    for name in ("niqe", "sifid", "lpips", "vgg19"):  # the last first, to be put back last
        monkeypatch.delitem(MEASURES, name)
