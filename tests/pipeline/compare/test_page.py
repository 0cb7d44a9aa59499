"""The page of a comparison, in a real browser."""

import io
import re
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from selenium.webdriver import ActionChains, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.support.select import Select
from selenium.webdriver.support.wait import WebDriverWait

from pipeline.compare import page
from tests.pipeline.compare.compared import changed, compare_two, experiment, picture
from tests.support.browser import chromium

HOSTILE = "b & </script><script>alert(1)</script>"
PHONE = {"width": 360, "height": 740, "deviceScaleFactor": 2, "mobile": True}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "comparison.html"
    older = replace(experiment("pixel"), metrics={"kept/step": 300})  # as best/step was named
    made = []
    for each in (older, experiment(HOSTILE, "0.01", shift=0.5)):
        pictures = each.results.pictures
        pictures[:] = [replace(picture, id=picture.id + HOSTILE) for picture in pictures]
        made.append(changed(each, lambda _, score: replace(score, id=score.id + HOSTILE)))
    path.write_text(page.render([compare_two(*made)]), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with chromium(tmp_path_factory.mktemp("profile")) as started:
        yield started


@pytest.fixture
def shown(browser, written):
    """The page, freshly loaded; afterwards the console must be free of messages."""
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    browser.get(written.as_uri())
    wait_for_pictures(browser)
    yield browser
    assert browser.get_log("browser") == []


def wait_for_pictures(browser):
    WebDriverWait(browser, 10).until(
        lambda b: b.execute_script(
            "return [...document.images].every((i) => i.complete && i.naturalWidth > 0)"
        )
    )


def split(browser):
    return int(browser.find_element(By.ID, "divider").get_attribute("aria-valuenow"))


def pixels(browser):
    """The stage as it is on the screen, without its tags and its boundary."""
    browser.execute_script(
        "for (const e of document.querySelectorAll('.tag, #divider')) e.style.opacity = 0"
    )
    shot = browser.find_element(By.ID, "stage").screenshot_as_png
    return np.asarray(Image.open(io.BytesIO(shot)).convert("L"))


def assert_all_at(browser, x, y, zoom):
    """Each picture's corner lies there and it is so large, in units of its pane."""
    placements = browser.execute_script(
        """return [...document.querySelectorAll('.pane img')].map((image) => {
             const pane = image.closest('.pane').getBoundingClientRect();
             const box = image.getBoundingClientRect();
             return [(box.left - pane.left) / pane.width, (box.top - pane.top) / pane.height,
                     box.width / pane.width];
           })"""
    )
    for placement in placements:
        assert placement == pytest.approx([x, y, zoom], abs=0.01)


def show(browser, side, kind):
    Select(browser.find_element(By.ID, side)).select_by_value(kind)
    wait_for_pictures(browser)


def press(browser, *keys):
    ActionChains(browser).send_keys(*keys).perform()


def test_page_holds_all_it_needs_and_nothing_ends_its_scripts(written):
    text = written.read_text(encoding="utf-8")
    assert re.findall(r"https?://[^\s\"'<]+", text) == []
    assert "alert(1)" in text
    assert HOSTILE not in text
    assert text.count("</script>") == 2


def test_pictures_measures_and_curves_are_shown(shown):
    assert len(shown.find_elements(By.CSS_SELECTOR, "#thumbnails img")) == 3
    body = shown.find_element(By.TAG_NAME, "body").text
    assert "A is significantly better in PSNR" in body
    assert "loss.perceptual_weight" in body
    verdict = shown.find_element(By.CSS_SELECTOR, ".measures tbody .verdict").text
    said = r"A is better in \d+ of 24 sources, p < 0\.001"
    assert re.fullmatch(said, " ".join(verdict.split()))
    scored = shown.find_elements(By.CSS_SELECTOR, "#scores th")
    assert [" ".join(each.text.split()) for each in scored] == ["PSNR ↑", "SSIM ↑", "GMSD ↓"]
    # Named after their experiments, with the characters that HTML would take for its own.
    tags = [shown.find_element(By.ID, f"{side}-tag").text for side in ("left", "right")]
    assert tags == ["A: pixel", f"B: {HOSTILE}"]
    assert Select(shown.find_element(By.ID, "right")).first_selected_option.text == tags[1]
    panes = [each.text for each in shown.find_elements(By.CSS_SELECTOR, "#panes figcaption")]
    assert HOSTILE in panes[3]
    curves = shown.find_elements(By.CSS_SELECTOR, "#curves figure")
    assert [curve.text for curve in curves] == tags
    for image in shown.find_elements(By.CSS_SELECTOR, "#curves img"):
        assert image.size["width"] > 900


def test_boundary_is_dragged_and_what_it_uncovers_is_the_other_picture(shown):
    width = shown.find_element(By.ID, "stage").size["width"]
    divider = shown.find_element(By.ID, "divider")
    ActionChains(shown).drag_and_drop_by_offset(divider, -width // 4, 0).perform()
    assert split(shown) == pytest.approx(25, abs=1)
    mixed = pixels(shown)
    left, right = np.s_[:, : width // 4 - 3], np.s_[:, width // 4 + 3 :]
    for key, same, other in ((Keys.HOME, right, left), (Keys.END, left, right)):
        divider.send_keys(key)
        whole = pixels(shown)
        assert np.array_equal(mixed[same], whole[same])
        assert not np.array_equal(mixed[other], whole[other])


def test_boundary_moves_by_keyboard_and_shows_its_focus(shown):
    divider = shown.find_element(By.ID, "divider")
    shown.find_element(By.ID, "right").send_keys(Keys.TAB)  # to the stage
    shown.switch_to.active_element.send_keys(Keys.TAB)
    assert shown.switch_to.active_element == divider
    handle = divider.find_element(By.TAG_NAME, "span")
    assert "0px 0px 0px 6px" in handle.value_of_css_property("box-shadow")
    keys = (Keys.ARROW_LEFT, 49), (Keys.PAGE_UP, 59), (Keys.HOME, 0), (Keys.ARROW_LEFT, 0)
    for key, expected in keys:
        press(shown, key)
        assert split(shown) == expected
    assert divider.get_attribute("aria-valuetext") == "0 % A: pixel"


def test_any_two_pictures_can_be_set_side_by_side_and_another_is_chosen_by_keyboard(shown):
    show(shown, "left", "HR")
    show(shown, "right", "LR")

    def sources(selector):
        images = shown.find_elements(By.CSS_SELECTOR, selector)
        return [image.get_attribute("src") for image in images]

    lr, *_, hr = panes = sources("#panes img")
    before = sources("#stage img")
    assert before == [lr, hr]  # the right one lies below
    assert len(set(panes)) == 5
    shown.find_element(By.CSS_SELECTOR, "#thumbnails input").send_keys(Keys.ARROW_RIGHT)
    wait_for_pictures(shown)
    assert not set(sources("#stage img")) & set(before)
    assert shown.find_element(By.ID, "picture-name").text == f"picture01{HOSTILE}"


def test_zoom_and_position_are_the_same_in_all_panes(shown):
    assert_all_at(shown, 0, 0, 1)
    shown.find_element(By.ID, "zoom-in").click()
    shown.find_element(By.ID, "zoom-in").click()
    assert_all_at(shown, -1.5, -1.5, 4)
    stage = shown.find_element(By.ID, "stage")
    divider_before = split(shown)
    ActionChains(shown).move_to_element_with_offset(
        stage, -stage.size["width"] // 4, 0
    ).click_and_hold().move_by_offset(stage.size["width"] // 10, 0).release().perform()
    assert_all_at(shown, -1.4, -1.5, 4)
    assert split(shown) == divider_before
    press(shown, Keys.ARROW_DOWN)
    assert_all_at(shown, -1.4, -1.6, 4)
    press(shown, "-")
    assert_all_at(shown, -0.45, -0.55, 2)
    press(shown, "0")
    assert_all_at(shown, 0, 0, 1)


def touch(browser, *places):
    """Fingers that touch the stage at the first places, move through all others and lift."""
    box = browser.execute_script(
        "const box = document.getElementById('stage').getBoundingClientRect();"
        "return [box.left, box.top, box.width, box.height]"
    )
    kinds = ["touchStart", *["touchMove"] * (len(places) - 1), "touchEnd"]
    for kind, fingers in zip(kinds, [*places, []], strict=True):
        points = [
            {"id": i, "x": box[0] + u * box[2], "y": box[1] + v * box[3]}
            for i, (u, v) in enumerate(fingers)
        ]
        browser.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})


def test_fingers_drag_the_boundary_pinch_and_move_the_picture(shown):
    shown.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", PHONE)
    enabled = {"enabled": True, "maxTouchPoints": 2}
    shown.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", enabled)
    shown.execute_script("document.getElementById('stage').scrollIntoView({block: 'center'})")
    touch(shown, [(0.5, 0.5)], [(0.6, 0.5)], [(0.7, 0.5)], [(0.8, 0.5)])
    assert split(shown) == pytest.approx(80, abs=1)
    touch(shown, *[[(0.4 - d, 0.4 - d), (0.6 + d, 0.6 + d)] for d in (0, 0.1, 0.2, 0.3)])
    assert_all_at(shown, -1.5, -1.5, 4)
    touch(shown, [(0.3, 0.3)], [(0.35, 0.3)], [(0.4, 0.3)], [(0.5, 0.3)])
    assert_all_at(shown, -1.3, -1.5, 4)
    assert split(shown) == pytest.approx(80, abs=1)
    shown.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": False})


def test_enlarged_pixels_are_squares_of_the_pictures_own_gray_levels(shown):
    show(shown, "left", "HR")
    shown.find_element(By.ID, "divider").send_keys(Keys.END)
    for _ in range(2):
        shown.find_element(By.ID, "zoom-in").click()
    hr = np.asarray(Image.open(io.BytesIO(picture(0, 0).png["hr"])))
    seen = pixels(shown)
    factor = 4 * seen.shape[1] // hr.shape[1]
    assert factor >= 8
    height, width = (side // factor for side in seen.shape)
    top, left = (hr.shape[0] - height) // 2, (hr.shape[1] - width) // 2
    expected = np.kron(hr[top : top + height, left : left + width], np.ones((factor, factor)))
    inside = np.s_[factor:-factor, factor:-factor]
    assert np.array_equal(seen[: expected.shape[0], : expected.shape[1]][inside], expected[inside])


def test_phone_has_no_sideways_scrolling(shown):
    shown.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", PHONE)
    shown.refresh()
    wait_for_pictures(shown)
    widths = shown.execute_script("return [innerWidth, document.documentElement.scrollWidth]")
    assert widths == [360, 360]
    for button in shown.find_elements(By.CSS_SELECTOR, "button, select, #divider"):
        assert min(button.size.values()) >= 40
    broken = shown.execute_script(
        """const text = document.createRange();
           return [...document.querySelectorAll('.scores td, .measures td[data-label]')].filter(
             (cell) => (text.selectNodeContents(cell), text.getClientRects().length > 1))"""
    )
    assert [cell.text for cell in broken] == []
