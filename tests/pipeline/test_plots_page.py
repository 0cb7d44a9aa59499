"""The page of `dvc plots`, in a real browser, as DVC fills it."""

import numpy as np
import pytest
from dvc_render.html import render_html
from dvc_render.image import ImageRenderer
from dvc_render.vega import VegaRenderer
from PIL import Image
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from tests.support.browser import chromium
from tests.support.paths import ROOT
from tools import plots_page

TRAINING, VALIDATION, BICUBIC = "#D55E00", "#0072B2", "#6E6E6E"
SOURCE = "metrics/training.csv"


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with chromium(tmp_path_factory.mktemp("profile")) as started:
        yield started


def chart(name, columns, experiments):
    """A chart of two columns, with values as DVC reads them from a CSV file: texts, some empty."""
    points = [
        {"step": str(step), "dvc_inferred_y_value": str(value), "rev": experiment, "field": column}
        for experiment in experiments
        for column in columns
        for step, value in zip(range(0, 100, 10), ["", *np.linspace(1, 2, 9)], strict=True)
    ]
    return VegaRenderer(
        points,
        name,
        x="step",
        y="dvc_inferred_y_value",
        title=name,
        template="curve",
        template_dir=str(ROOT / ".dvc/plots"),
        anchors_y_definitions=[{"filename": SOURCE, "field": column} for column in columns],
    )


def show(browser, folder, width, experiments):
    """The page of these experiments' curves and of one wide figure of each, this wide."""
    Image.new("L", (2000, 400)).save(folder / "figure.png")
    shown = [{"rev": experiment, "src": "figure.png"} for experiment in experiments]
    renderers = [
        chart("loss", ["train_loss", "val_loss"], experiments),
        chart("psnr", ["val_psnr", "val_psnr_bicubic"], experiments),
        chart("metrics/training.csv", ["lr"], experiments),
        ImageRenderer(shown, "figures/figure.png"),
    ]
    page = folder / "index.html"
    render_html(renderers, page, ROOT / plots_page.PAGE)
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    browser.get(page.as_uri())
    # Three charts, of which one stands in dvc.yaml only for the run cache and is not shown.
    WebDriverWait(browser, 20).until(lambda b: len(charts(b)) == 3)
    assert [chart.is_displayed() for chart in charts(browser)] == [True, True, False]


def charts(browser):
    """The charts of the page, in its order."""
    return browser.find_elements(By.CSS_SELECTOR, "svg.marks")


def colours(browser, name):
    """The words of a chart's legend of colours, each with its colour."""
    legend = browser.find_element(By.CSS_SELECTOR, f"#{name} .role-legend-entry")
    words = legend.find_elements(By.CSS_SELECTOR, ".role-legend-label text")
    lines = legend.find_elements(By.CSS_SELECTOR, ".role-legend-symbol path")
    pairs = zip(words, lines, strict=True)
    return {word.text: line.get_attribute("stroke") for word, line in pairs}


@pytest.mark.parametrize(
    ("width", "experiments"),
    [(1280, ["workspace"]), (1280, ["workspace", "main-1a2b3c4"]), (390, ["workspace", "main"])],
)
def test_charts_and_figures_use_the_width_and_tell_their_lines_apart(
    browser, tmp_path, width, experiments
):
    show(browser, tmp_path, width, experiments)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    for svg in charts(browser)[:2]:
        assert 0.8 * width < svg.size["width"] <= width
    figures = [image.rect for image in browser.find_elements(By.TAG_NAME, "img")]
    side_by_side = len(experiments) if width > 480 else 1
    assert len(figures) == len(experiments)
    for figure in figures:
        assert 0.8 * width / side_by_side < figure["width"] <= width / side_by_side
        assert figure["x"] + figure["width"] <= width
    assert len({figure["y"] for figure in figures}) == len(experiments) // side_by_side

    assert colours(browser, "loss") == {"training": TRAINING, "validation": VALIDATION}
    assert colours(browser, "psnr") == {"bicubic": BICUBIC, "validation": VALIDATION}
    if len(experiments) > 1:
        assert experiments[1] in browser.find_element(By.ID, "loss").text
