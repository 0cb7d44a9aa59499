"""The demo page in a real headless Chromium."""

import time
from types import SimpleNamespace
from unittest.mock import Mock

import numpy as np
import pytest
from PIL import Image
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.actions.wheel_input import ScrollOrigin
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait
from skimage import data

from srcnn.command.demo import work
from srcnn.command.demo.models import Models
from srcnn.data.imresize import downscale
from srcnn.inference.upscaler import Upscaler
from tests.support import optional
from tests.support.browser import chromium
from tests.support.models import model_file, resolver
from tests.support.ports import free_port

PORTRAIT = data.astronaut()[:120, 150:250]


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """The page with two models, served, and a browser that reaches nothing but this machine."""
    folder = tmp_path_factory.mktemp("served")
    picture = str(folder / "portrait.png")
    Image.fromarray(PORTRAIT).save(picture)
    (folder / "other.safetensors").write_bytes(resolver(residual=False).to_bytes())
    models = [str(model_file(folder)), str(folder / "other.safetensors")]
    with pytest.MonkeyPatch.context() as patch, chromium(folder / "profile") as browser:
        patch.setenv("GRADIO_ANALYTICS_ENABLED", "False")
        patch.setenv("GRADIO_TEMP_DIR", str(folder / "gradio"))
        optional.package("gradio", "requirements-demo.txt")
        from srcnn.command.demo import page

        original = work._function  # none that are learned, whatever this machine's cache holds
        patch.setattr(work, "_function", lambda m: None if m.learned else original(m))
        port = free_port()
        blocks = page.serve(Models.named(models), port)
        try:
            address = f"http://127.0.0.1:{port}"
            yield SimpleNamespace(browser=browser, address=address, models=models, picture=picture)
        finally:
            blocks.close()


@pytest.fixture
def page(served, tmp_path):
    """The page as it is at first; whatever is done with it, no other machine is asked."""
    browser = served.browser
    downloads = {"behavior": "allow", "downloadPath": str(tmp_path / "downloads")}
    browser.execute_cdp_cmd("Browser.setDownloadBehavior", downloads)
    browser.get("about:blank")
    browser.get_log("browser")  # the last page complains when it is left
    browser.get(served.address)
    wait(browser, lambda: find(browser, "#picture img"), "the page")
    yield browser
    addresses = browser.execute_script(
        "return performance.getEntriesByType('resource').map(entry => entry.name)"
    )
    local = (browser.current_url, "data:", "blob:")
    assert len(addresses) > 20
    assert [address for address in addresses if not address.startswith(local)] == []
    severe = [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    assert severe == []


@pytest.fixture
def phone(served):
    """The browser as on a phone, to be asked for before the page."""
    metrics = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}
    served.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    yield
    served.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def wait(browser, condition, what):
    return WebDriverWait(browser, 60, 0.1).until(lambda _: condition(), what)


def find(browser, selector):
    return browser.find_elements(By.CSS_SELECTOR, selector)


def text(browser, selector):
    return " ".join(element.text for element in find(browser, selector))


def upload(browser, path):
    for button in find(browser, "#picture [aria-label='Remove Image']"):
        button.click()
    places = wait(browser, lambda: find(browser, "#picture input[type=file]"), "a place for it")
    places[0].send_keys(path)


def choose(browser, what, choice):
    """Take one of a drop-down's choices."""
    find(browser, f"input[aria-label='{what}']")[0].click()
    offered = wait(browser, lambda: find(browser, "[role=option]"), f"choices of {what}")
    next(option for option in offered if option.get_attribute("aria-label") == choice).click()


def mode(browser, name):
    labels = find(browser, "label:has(input[type=radio])")
    next(label for label in labels if name in label.text).click()


def scores(browser):
    """The table: by measure, what bicubic, A and B have."""
    rows = browser.execute_script(
        "return [...document.querySelectorAll('#scores tbody tr')]"
        ".map(row => [...row.cells].map(cell => cell.innerText.trim()))"
    )
    return {name: values for name, *values in rows}


def divided_at(browser):
    """Where the divider is and the picture on the right begins, in percent of the width."""
    return browser.execute_script("""
        const right = document.querySelector("#slider img.fixed");
        const box = right.getBoundingClientRect();
        const clipped = parseFloat(right.style.clipPath.split(" ").pop()) / 100 * box.width;
        const shown = Math.min(box.width, box.height / right.naturalHeight * right.naturalWidth);
        return 100 * (clipped - (box.width - shown) / 2) / shown;
    """)


def shown(browser, note):
    """Wait until the page says this, and shows what it made."""
    wait(browser, lambda: note in text(browser, "#note"), note)
    wait(browser, lambda: len(find(browser, "#slider img")) == 2, "the slider's pictures")


def test_the_server_answers_its_own_page_alone(served):
    requests = optional.package("requests", "requirements.txt")
    headers = {"Origin": "http://evil.example"}
    answer = requests.post(f"{served.address}/gradio_api/upload", headers=headers, timeout=60)
    assert answer.status_code == 403


def test_what_is_no_picture_is_an_error_and_what_is_downloaded_is_the_enlarged_one(
    page, served, tmp_path
):
    (tmp_path / "text.png").write_text("no picture")
    upload(page, str(tmp_path / "text.png"))
    wait(page, lambda: "Not a PNG" in text(page, ".toast-body"), "an error")
    find(page, "[data-testid=toast-close]")[0].click()
    upload(page, served.picture)
    shown(page, "50 × 60 pixels enlarged to 100 × 120")
    wait(page, lambda: find(page, "#download-A")[0].is_enabled(), "download")
    find(page, "#download-A")[0].click()
    folder = tmp_path / "downloads"
    wait(page, lambda: list(folder.glob("*.png")), "a file")
    time.sleep(0.2)
    (file,) = folder.glob("*.png")
    expected = Upscaler(resolver())(downscale(PORTRAIT, 2))
    np.testing.assert_array_equal(np.asarray(Image.open(file)), expected)


def test_the_button_enlarges_a_sample_and_no_old_picture_stays_after_an_error(page, monkeypatch):
    assert not find(page, "#slider img")
    enlarge = work.enlarge
    for error in (ValueError, RuntimeError):
        monkeypatch.setattr(work, "enlarge", enlarge)
        find(page, "#enlarge")[0].click()
        shown(page, "128 × 128 pixels enlarged to 256 × 256")
        wait(page, lambda: scores(page), "scores")
        monkeypatch.setattr(work, "enlarge", Mock(side_effect=error("it cannot be done")))
        find(page, "#enlarge")[0].click()
        wait(page, lambda: text(page, ".toast-body"), "an error")
        wait(page, lambda: not find(page, "#slider img"), "no picture")
        wait(page, lambda: not text(page, "#note") and not scores(page), "no words and numbers")
        wait(page, lambda: not find(page, "#download-A:enabled"), "nothing to download")
        find(page, "[data-testid=toast-close]")[0].click()


def test_the_divider_follows_the_keyboard_and_the_wheel_looks_closer(page, served):
    upload(page, served.picture)
    shown(page, "enlarged")
    wait(page, lambda: divided_at(page) == pytest.approx(50, abs=1), "the divider in the middle")
    keys = find(page, "#divide input[type=range]")[0]
    keys.send_keys(Keys.HOME)
    wait(page, lambda: divided_at(page) < 1, "the divider moves with the keyboard")
    keys.send_keys(*[Keys.PAGE_UP] * 2)
    wait(page, lambda: divided_at(page) > 5, "and back")

    image = find(page, "#slider img")[0]
    assert "scale(1)" in image.get_attribute("style")
    origin = ScrollOrigin.from_element(image)
    ActionChains(page, duration=10).scroll_from_origin(origin, 0, -100).perform()
    wait(page, lambda: "scale(1)" not in image.get_attribute("style"), "a closer look")


def test_a_phone_shows_all_scores_without_sideways_scrolling(phone, page, served):
    upload(page, served.picture)
    shown(page, "enlarged")
    wait(page, lambda: scores(page), "scores")
    for width in ("document.documentElement", "document.querySelector('#scores')"):
        assert page.execute_script(f"return {width}.scrollWidth") <= 390
    cells = [cell.rect for cell in find(page, "#scores td:not(:first-child)")]
    assert max(cell["x"] + cell["width"] for cell in cells) <= 390
    assert max(cell["height"] for cell in cells) < 50  # no number is broken


def test_a_sample_is_taken_by_a_click_and_scored_where_the_original_is_known(page):
    find(page, "#samples button")[1].click()
    shown(page, "150 × 150 pixels enlarged to 300 × 300")
    wait(page, lambda: scores(page), "scores")
    assert list(scores(page)) == ["PSNR, dB ↑", "SSIM ↑", "GMSD ↓"]
    choose(page, "Left", "original")
    left = "return document.querySelector('#slider img').naturalHeight"
    wait(page, lambda: page.execute_script(left) == 300, "the original")

    mode(page, "The picture")
    shown(page, "300 × 300 pixels enlarged to 600 × 600")
    wait(page, lambda: not scores(page), "no scores without an original")
    mode(page, "The picture shrunk")
    shown(page, "150 × 150 pixels enlarged to 300 × 300")
    wait(page, lambda: scores(page), "scores again")


def test_models_are_changed(page, served):
    one, other = served.models
    upload(page, served.picture)
    shown(page, "enlarged")
    _, a, b, _ = wait(page, lambda: scores(page), "scores")["PSNR, dB ↑"]
    assert a != b
    pictures = [image.get_attribute("src") for image in find(page, "#slider img")]

    choose(page, "Model A", other)
    wait(page, lambda: scores(page)["PSNR, dB ↑"][1:3] == [b, b], "results of the other model")
    wait(page, lambda: find(page, "#slider img")[1].get_attribute("src") != pictures[1], "picture")
    assert find(page, "#slider img")[0].get_attribute("src") == pictures[0]

    assert f"A: {other}" in text(page, "#note")

    choose(page, "Model B", one)
    wait(page, lambda: scores(page)["PSNR, dB ↑"][1:3] == [b, a], "the two changed round")
    choose(page, "Right", "B")
    wait(page, lambda: find(page, "#slider img")[1].get_attribute("src") == pictures[1], "B")
    choose(page, "Right", "blend")
    share = find(page, "#share input[type=number]")[0]
    share.send_keys(Keys.CONTROL, "a")
    share.send_keys("1", Keys.TAB)
    wait(page, lambda: scores(page)["PSNR, dB ↑"][3] == a, "a blend that is B alone")
    wait(page, lambda: find(page, "#slider img")[1].get_attribute("src") == pictures[1], "blend")
    choose(page, "Model B", "none")
    wait(page, lambda: scores(page)["PSNR, dB ↑"][1:] == [b], "A alone")
    assert not find(page, "#download-B")[0].is_enabled()
