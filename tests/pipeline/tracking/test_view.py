"""MLflow's page of the experiment, in a real browser."""

from urllib.parse import urlsplit

import pytest
from selenium.webdriver.support.wait import WebDriverWait

from pipeline import register
from pipeline.tracking import view
from tests.browser import chromium
from tests.mlflow_server import Server
from tests.pipeline.experiment import load_params


@pytest.fixture
def server(experiment, tmp_path):
    register.main(load_params())
    folder = tmp_path / "server"
    folder.mkdir()
    server = Server(folder, experiment.uri)
    server.start()
    yield server
    server.kill()


def text(browser) -> str:
    return browser.execute_script("return document.body.textContent")


def test_the_linked_view_shows_results_and_charts(experiment, server, tmp_path):
    fragment = urlsplit(view.link(experiment)).fragment
    with chromium(tmp_path / "profile") as browser:
        browser.set_window_size(2400, 1000)
        browser.get(f"{server.uri}/#{fragment}")
        wait = WebDriverWait(browser, 90)
        wait.until(lambda browser: "test/psnr_gain" in text(browser))
        shown = text(browser)
        assert all(column in shown for column in ("test/ssim_gain", "test/vgg19", "test/gmsd"))
        assert "mse" in shown
        assert "val/psnr" not in shown
        browser.get(f"{server.uri}/#{fragment}&compareRunsMode=CHART")
        browser.refresh()
        wait.until(lambda browser: "Gain over bicubic on test pictures" in text(browser))
