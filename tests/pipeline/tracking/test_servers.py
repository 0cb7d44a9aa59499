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
NAME = load_params().tracking.experiment


def text(browser) -> str:
    return browser.execute_script("return document.body.textContent")


@pytest.fixture
def proxy(empty_store, project, results, monkeypatch, tmp_path_factory):
    """A proxy before MLflow's server on SQLite.

    The results lie in the current folder, and are published through it.
    """
    shutil.copytree(results, ".", dirs_exist_ok=True)
    folder = tmp_path_factory.mktemp("server")
    shutil.copy(empty_store, folder)
    monkeypatch.setattr(register, "_PAUSES", (0.1,) * 40)
    with Server(folder, f"sqlite:///{folder / empty_store.name}") as server:
        proxy = Proxy(server)
        monkeypatch.setenv("MLFLOW_TRACKING_URI", proxy.uri)
        yield proxy
        proxy.down()


def test_a_server_that_comes_late_and_then_fails_has_all_of_one_run_and_a_view_of_it(
    proxy, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(live, "GRACE", 30.0)
    key = Trained.read(paths.TRAINED).key
    with live.reporting(NAME, SHOWN, key) as report:
        report({"step": 0, "val_loss": 0.002, "val_psnr": 28.5})
        report({"step": 5, "train_loss": 0.0018})
        time.sleep(0.5)
        proxy.up()
        report({"step": 10, "train_loss": 0.0015})
    proxy.fails = True
    threading.Timer(0.5, setattr, (proxy, "fails", False)).start()
    for _ in range(2):
        register.main(load_params())
        store = Store(NAME)
        (run,) = all_runs(store)
        check_whole(store, run)
        assert run.info.artifact_uri.startswith("mlflow-artifacts:/")
        assert run.data.tags[TRAINING_KEY] == key
    assert "it was there already" in capsys.readouterr().out

    link = view.link(store)
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
