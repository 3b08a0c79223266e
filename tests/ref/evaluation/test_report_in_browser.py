"""report.html in a browser, without a network: sorting, filters, the viewer."""

from __future__ import annotations

import io
import shutil

import numpy as np
import pytest
from helpers.reports import HOSTILE, IMAGES, WORST_FIRST, evaluation, open_map, open_sample
from PIL import Image
from playwright.sync_api import expect, sync_playwright

from das3d_ref.evaluation.report import write_report

HURT = f"{HOSTILE}/1"


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    """Open a report in a browser; yield the page and the list of what went wrong in it."""
    path = tmp_path_factory.mktemp("report") / "report.html"
    found = evaluation((*IMAGES, (HURT, HOSTILE, 0.499)))
    write_report(path, found, title=HOSTILE, open_sample=open_sample, open_map=open_map)
    wrong = []
    # Root needs --no-sandbox; without a graphics card, WebGL is computed.
    flags = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
    with (
        sync_playwright() as driver,
        driver.chromium.launch(executable_path=shutil.which("chromium"), args=flags) as browser,
    ):
        page = browser.new_page(viewport={"width": 1200, "height": 900})
        page.set_default_timeout(180_000)  # milliseconds: plotly.js loads slowly on a busy machine
        page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", lambda request: wrong.append(request.url) if request.url.startswith("http") else None)
        page.goto(path.as_uri())
        yield page, wrong


@pytest.fixture
def page(opened):
    """Yield the page as it was opened; in the end, nothing was fetched and the console holds no error."""
    page, wrong = opened
    page.evaluate("document.querySelector('.controls').reset(); arrange()")
    yield page
    assert page.evaluate("window.hurt") is None
    assert wrong == []


def keys(page):
    return page.eval_on_selector_all(".card:not([hidden])", "cards => cards.map(card => card.dataset.key)")


def test_the_page_opens_and_draws_its_curves(page):
    assert page.title() == HOSTILE
    assert page.locator("h1").inner_text() == HOSTILE
    assert page.locator(".plot .main-svg").count() >= 3
    assert page.locator("#scores .bars .point").count() > 3
    assert "threshold" in page.locator("#scores").inner_text()
    for curve in ("ROC", "PRO"):
        assert page.locator(f"#{curve} path.js-line").count() == 1


def test_sorting(page):
    everything = dict((*((key, score) for key, _, score in IMAGES), (HURT, 0.499)))
    assert keys(page) == [*WORST_FIRST[:3], HURT, *WORST_FIRST[3:]]
    page.select_option("#order", "high")
    assert keys(page) == sorted(everything, key=lambda key: -everything[key])
    page.select_option("#order", "low")
    assert keys(page) == sorted(everything, key=everything.get)
    page.select_option("#order", "key")
    assert [key for key in keys(page) if key != HURT] == [
        "part/cut/2", "part/dent/3", "part/dent/10", "part/good/1", "part/good/2",
    ]  # fmt: skip
    page.select_option("#order", "defect")
    assert [key.split("/")[1] for key in keys(page) if key != HURT] == ["cut", "dent", "dent", "good", "good"]
    page.select_option("#order", "margin")
    assert keys(page) == [*WORST_FIRST[:3], HURT, *WORST_FIRST[3:]]


def test_filters(page):
    page.select_option("#defect", "dent")
    assert keys(page) == ["part/dent/10", "part/dent/3"]
    assert page.locator("#count").inner_text() == "2 of 6 images"
    page.check("#wrong")
    assert keys(page) == ["part/dent/10"]
    page.select_option("#defect", HOSTILE)
    assert keys(page) == [HURT]
    page.select_option("#defect", "")
    assert keys(page) == [*WORST_FIRST[:3], HURT]


def test_the_viewer_shows_the_surface_and_steps_through_what_is_shown(page):
    page.select_option("#defect", "dent")
    page.locator(".card:not([hidden]) .open").first.press("Enter")
    assert page.locator("#viewer-title").inner_text() == "part/dent/10"
    assert page.locator("#viewer-told").inner_text().split() == [
        "dent",
        "score",
        "0.2000",
        "margin",
        "+0.300",
        "missed",
    ]
    assert page.locator("#viewer-tiles img").count() == 3
    for _ in range(100):
        picture = np.asarray(Image.open(io.BytesIO(page.locator("#surface").screenshot())).convert("RGB"))
        dark_red = (picture[:, :, 0] > 60) & (picture[:, :, 1:].max(axis=2) < 40)
        if dark_red.sum() > 200:  # the right end of the map, on the surface
            break
        page.wait_for_timeout(200)
    else:
        pytest.fail("the surface is not drawn in the colours of the map")
    page.keyboard.press("ArrowRight")
    assert page.locator("#viewer-title").inner_text() == "part/dent/3"
    page.click("#next")
    assert page.locator("#viewer-title").inner_text() == "part/dent/10"
    page.click("#previous")
    assert page.locator("#viewer-title").inner_text() == "part/dent/3"
    page.keyboard.press("Escape")
    assert not page.locator("#viewer").is_visible()
    expect(page.locator("#surface canvas")).to_have_count(0)  # the event comes after the dialog is gone


def test_the_truth_can_be_hidden_in_both_places(page):
    outline = page.locator(".card .outline").first
    assert outline.is_visible()
    page.locator(".controls .truth").uncheck()
    assert not outline.is_visible()
    page.locator(".open").first.click()
    page.locator("#viewer .truth").check()
    assert outline.is_visible()
    assert page.locator(".controls .truth").is_checked()


def test_a_narrow_screen_needs_no_scrolling_sideways(page):
    page.set_viewport_size({"width": 400, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
