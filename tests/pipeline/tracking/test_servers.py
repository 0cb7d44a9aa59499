"""An experiment published by a real MLflow server, over HTTP, also in trouble: whole and once."""

import shutil
import threading
import time

import pytest

from pipeline import register
from pipeline.stage import paths
from pipeline.stage.record import Trained
from pipeline.tracking import live
from pipeline.tracking.store import TRAINING_KEY, Store
from tests.pipeline import published
from tests.pipeline.experiment import load_params
from tests.support.mlflow_server import Proxy, Server

SHOWN = {"seed": 0, "train.patch_size": 24}


@pytest.fixture(scope="module")
def server(empty_store, tmp_path_factory):
    """MLflow's server on SQLite."""
    folder = tmp_path_factory.mktemp("server")
    shutil.copy(empty_store, folder)
    with Server(folder, f"sqlite:///{folder / empty_store.name}") as server:
        yield server


@pytest.fixture
def proxy(server, project, results, monkeypatch):
    """A proxy before it; the results lie in the current folder, and are published through it."""
    shutil.copytree(results, ".", dirs_exist_ok=True)
    proxy = Proxy(server)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", proxy.uri)
    monkeypatch.setattr(register, "_PAUSES", (0.1,) * 40)
    yield proxy
    proxy.down()


def params(name):
    """The experiment's, under a name of the test's own."""
    return load_params({"tracking.experiment": name, "tracking.model_name": name})


def check_whole(server, name):
    """MLflow has the experiment with all that belongs to it, once; its run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", server.uri)
        store = Store(name)
    (run,) = published.all_runs(store)
    published.check_whole(store, run, name)
    uploaded = server.artifacts / run.info.artifact_uri.removeprefix("mlflow-artifacts:/")
    for folder in (paths.FIGURES, paths.RECONSTRUCTIONS, paths.EVALUATION.parent):
        files = [path for path in folder.rglob("*") if path.is_file()]
        assert files
        for file in files:
            assert (uploaded / file).read_bytes() == file.read_bytes()
    return run


def test_published_over_http_once_whole(server, proxy, capsys):
    proxy.up()
    register.main(params("http"))
    run = check_whole(server, "http")
    assert run.info.artifact_uri.startswith("mlflow-artifacts:/")
    register.main(params("http"))
    check_whole(server, "http")
    assert "it was there already" in capsys.readouterr().out


def test_a_server_that_comes_late_gets_everything_in_one_run(server, proxy, monkeypatch):
    monkeypatch.setattr(live, "GRACE", 30.0)
    with live.reporting("late", SHOWN, Trained.read(paths.TRAINED).key) as report:
        report({"step": 0, "val_psnr": 28.5})
        report({"step": 5, "train_loss": 0.0018})
        time.sleep(0.5)
        proxy.up()
        report({"step": 10, "train_loss": 0.0015})
    register.main(params("late"))
    run = check_whole(server, "late")
    assert run.data.tags[TRAINING_KEY] == Trained.read(paths.TRAINED).key


def test_trouble_while_publishing_loses_and_doubles_nothing(server, proxy):
    proxy.fails = True
    proxy.up()
    threading.Timer(1.0, setattr, (proxy, "fails", False)).start()
    register.main(params("trouble"))
    check_whole(server, "trouble")
