"""An experiment published by a real MLflow server, over HTTP, also in trouble: whole and once."""

import shutil
import threading
import time

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from pipeline import register
from pipeline.stage import paths
from pipeline.stage.record import Trained
from pipeline.tracking import live, view
from pipeline.tracking.store import TRAINING_KEY, Store
from tests.pipeline.experiment import load_params
from tests.pipeline.published import all_runs, check_whole
from tests.support.browser import chromium
from tests.support.mlflow_server import Proxy, Server

SHOWN = {"seed": 0, "train.patch_size": 24}
PICTURES = "img[src*='get-artifact']"


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


def the_run(name):
    """The run of an experiment, of which the server has all that belongs to it, once."""
    store = Store(name)
    (run,) = all_runs(store)
    check_whole(store, run, name)
    assert run.info.artifact_uri.startswith("mlflow-artifacts:/")
    return run


def test_a_server_that_comes_late_and_then_fails_gets_everything_in_one_run(
    proxy, monkeypatch, capsys
):
    monkeypatch.setattr(live, "GRACE", 30.0)
    key = Trained.read(paths.TRAINED).key
    with live.reporting("late", SHOWN, key) as report:
        report({"step": 0, "val_loss": 0.002, "val_psnr": 28.5})
        report({"step": 5, "train_loss": 0.0018})
        time.sleep(0.5)
        proxy.up()
        report({"step": 10, "train_loss": 0.0015})
    proxy.fails = True
    threading.Timer(0.5, setattr, (proxy, "fails", False)).start()
    for _ in range(2):
        register.main(params("late"))
        assert the_run("late").data.tags[TRAINING_KEY] == key
    assert "it was there already" in capsys.readouterr().out


def text(browser) -> str:
    return browser.execute_script("return document.body.textContent")


def test_the_linked_view_has_columns_that_matter_and_pictures(proxy, tmp_path):
    proxy.up()
    register.main(params("view"))
    link = view.link(Store("view"))
    assert link.startswith(f"{proxy.uri}/#/")
    with chromium(tmp_path / "profile") as browser:
        browser.set_window_size(2400, 2400)  # images below the fold are not loaded
        browser.get(f"{link}&compareRunsMode=CHART")
        wait = WebDriverWait(browser, 90)
        wait.until(lambda browser: len(browser.find_elements(By.CSS_SELECTOR, PICTURES)) == 6)
        shown = text(browser)
        assert all(f"validation 1 {kind}" in shown for kind in ("HR", "bicubic", "SR"))

        browser.get("about:blank")
        browser.get(link)
        wait.until(lambda browser: "test/psnr_gain" in text(browser))
        shown = text(browser)
        assert all(column in shown for column in ("test/sifid_gain", "best/step"))
        assert "mse" in shown
        assert "val/psnr" not in shown
