"""MLflow's page of the experiment, in a real browser."""

import json
from urllib.parse import urlsplit

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from pipeline import register
from pipeline.tracking import view
from tests.pipeline.experiment import load_params
from tests.pipeline.published import all_runs
from tests.support.browser import chromium
from tests.support.mlflow_server import Server

PICTURES = "img[src*='get-artifact']"


@pytest.fixture
def server(experiment, tmp_path):
    register.main(load_params())
    folder = tmp_path / "server"
    folder.mkdir()
    with Server(folder, experiment.uri) as server:
        yield server


def text(browser) -> str:
    return browser.execute_script("return document.body.textContent")


def test_the_linked_view_has_columns_that_matter_and_pictures(experiment, server, tmp_path):
    fragment = urlsplit(view.link(experiment)).fragment
    with chromium(tmp_path / "profile") as browser:
        browser.set_window_size(2400, 2400)  # images below the fold are not loaded
        browser.get(f"{server.uri}/#{fragment}&compareRunsMode=CHART")
        wait = WebDriverWait(browser, 90)
        wait.until(lambda browser: len(browser.find_elements(By.CSS_SELECTOR, PICTURES)) == 6)
        shown = text(browser)
        assert all(f"validation 1 {kind}" in shown for kind in ("HR", "bicubic", "SR"))

        browser.get("about:blank")
        browser.get(f"{server.uri}/#{fragment}")
        wait.until(lambda browser: "test/psnr_gain" in text(browser))
        shown = text(browser)
        assert all(column in shown for column in ("test/sifid_gain", "best/step"))
        assert "mse" in shown
        assert "val/psnr" not in shown


def test_its_charts_are_of_what_runs_have(experiment):
    register.main(load_params())
    (run,) = all_runs(experiment)
    (state,) = [
        json.loads(value)
        for name, value in experiment.client.get_experiment(experiment.experiment_id).tags.items()
        if name.startswith("mlflow.sharedViewState.")
    ]
    sections = {section["uuid"] for section in state["compareRunSections"]}
    first, *_ = charts = state["compareRunCharts"]
    assert first["metricKey"] == "val/psnr"
    (grid,) = (chart for chart in charts if chart["type"] == "IMAGE")
    assert grid["imageKeys"] == [
        f"{split} 1 {kind}"
        for split in ("training", "validation")
        for kind in ("SR", "bicubic", "HR")
    ]
    assert {chart["metricSectionId"] for chart in charts} == sections
    for chart in charts:
        if chart is not grid:
            assert chart["metricKey"] in run.data.metrics
