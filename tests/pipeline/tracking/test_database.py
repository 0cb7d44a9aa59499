"""A project's SQLite store, wherever the project's folder is and whatever it is called."""

import os
import shutil
from pathlib import Path

import pytest

from pipeline import register
from pipeline.stage import paths
from pipeline.tracking import database
from pipeline.tracking.store import Store
from srcnn.inference import mlflow_sqlite, model_files
from srcnn.inference.mlflow_models import OVER_PACKAGED_TAG
from tests.pipeline.experiment import load_params
from tests.pipeline.published import ODD, all_runs, check_whole, enter, publish_another


@pytest.fixture
def owned(published_results, tmp_path, monkeypatch):
    """A project with a published experiment, whose model beats the package's; its folder."""
    folder = tmp_path / "project"
    shutil.copytree(published_results, folder)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    enter(folder, monkeypatch)
    client = Store(load_params().tracking.experiment).client
    client.set_model_version_tag("srcnn", "1", OVER_PACKAGED_TAG, "0.1")
    return folder


def _files(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(("how", "first"), [("renamed", "register"), ("copied", "srcnn")])
def test_a_project_elsewhere_has_its_models_and_leaves_the_old_folder_alone(
    owned, monkeypatch, capsys, how, first
):
    moved = owned.with_name(ODD)
    (shutil.move if how == "renamed" else shutil.copytree)(owned, moved)
    before = _files(owned)
    enter(moved, monkeypatch)
    capsys.readouterr()
    if first == "srcnn":
        assert model_files.load().name == "srcnn version 1"
    register.main(load_params())
    told = capsys.readouterr()
    assert told.err.count(f"{moved}/mlflow.db came here from {owned}") == 1
    assert "it was there already" in told.out
    assert model_files.load().resolver.to_bytes() == paths.WEIGHTS.read_bytes()
    store = Store(load_params().tracking.experiment)
    check_whole(store, *all_runs(store))
    publish_another()
    assert len(all_runs(store)) == 2
    assert "came here" not in capsys.readouterr().err
    assert _files(owned) == before
    assert {path.name for path in owned.parent.iterdir()} <= {"project", ODD}
    assert owned.exists() == (how == "copied")


def test_a_folder_with_two_names_keeps_the_one_it_had(owned, monkeypatch, capsys):
    moved = owned.with_name("moved")
    owned.rename(moved)
    owned.symlink_to(moved)
    capsys.readouterr()
    for folder in (moved, owned):
        enter(folder, monkeypatch)
        register.main(load_params())
    told = capsys.readouterr()
    assert told.out.count("it was there already") == 2
    assert "came here" not in told.err


def test_a_database_of_another_folder_is_left_as_it_is(owned, monkeypatch, capsys):
    (run,) = all_runs(Store(load_params().tracking.experiment))
    capsys.readouterr()
    shutil.copytree(owned, owned.with_name("clone"))
    elsewhere = owned.with_name("elsewhere")
    elsewhere.mkdir()
    shutil.copy("mlflow.db", elsewhere)
    enter(owned.with_name("clone"), monkeypatch)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{elsewhere}/mlflow.db")
    register.main(load_params())
    assert model_files.load().run_id == run.info.run_id
    store = Store(load_params().tracking.experiment)
    (again,) = all_runs(store)
    assert again.info.artifact_uri == run.info.artifact_uri
    assert "came here" not in capsys.readouterr().err


def test_a_database_that_cannot_be_rewritten_is_one_error(owned, monkeypatch):
    moved = owned.with_name("moved")
    owned.rename(moved)
    enter(moved, monkeypatch)

    def fail(connection, old, new):
        connection.execute("UPDATE runs SET artifact_uri = 'elsewhere'")
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(mlflow_sqlite, "_replace_prefix", fail)
    before = Path("mlflow.db").read_bytes()
    with pytest.raises(model_files.NoModel, match=r"mlflow\.db cannot be read: \[Errno 28\]"):
        model_files.load()
    assert Path("mlflow.db").read_bytes() == before


def test_a_relative_store_is_the_original_projects(tmp_path, monkeypatch):
    project = tmp_path / ODD
    copy = project / ".dvc/tmp/exps/tmpabc"
    (copy / ".dvc").mkdir(parents=True)
    enter(copy, monkeypatch)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///sub/x.db?timeout=9")
    assert mlflow_sqlite.database_file(database.tracking_uri()) == project / "sub/x.db"
    assert database.tracking_uri().endswith("?timeout=9")
    for absolute in ("sqlite:////elsewhere/x.db", "http://host:5000"):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", absolute)
        assert database.tracking_uri() == absolute
