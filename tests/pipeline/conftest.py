"""A project to run stages in."""

import shutil
from pathlib import Path

import pytest

from pipeline import evaluate, plot, register
from pipeline.stage import paths
from pipeline.tracking.store import Store
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
        paths.DATA_METRICS.write_text("{}")
        paths.RAW.mkdir()
        paths.RAW_INDEX.write_text("id,source,width,height,sha256\n")
        evaluate.main(load_params())
        plot.main(load_params())
    return folder


@pytest.fixture
def experiment(store, results, monkeypatch):
    """These results in a project with an empty store; the store."""
    shutil.copytree(results, ".", dirs_exist_ok=True)
    monkeypatch.setattr(register, "_PAUSES", (0.01, 0.01))
    return Store(load_params().tracking.experiment)
