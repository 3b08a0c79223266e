"""The gallery in a browser, without a network: filters, keys, before and after, the surface that turns."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import numpy as np
import pytest
from helpers.dumps import put
from helpers.galleries import HOSTILE, depth_of, held, write_generated, write_parts
from PIL import Image
from playwright.sync_api import expect, sync_playwright

from das3d_aug.datasets.demo import make_part
from das3d_aug.files import encode_png
from das3d_aug.gallery import write_gallery


@pytest.fixture(scope="module")
def browser():
    # Root needs --no-sandbox; without a graphics card, WebGL is computed.
    flags = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
    with (
        sync_playwright() as driver,
        driver.chromium.launch(executable_path=shutil.which("chromium"), args=flags) as launched,
    ):
        yield launched


@pytest.fixture
def load(browser):
    """Yield what opens a page; in the end, nothing was fetched and the console holds no error."""
    wrong, pages = [], []

    def opened(path: Path, **options):
        page = browser.new_page(**{"viewport": {"width": 1280, "height": 900}} | options)
        page.set_default_timeout(60_000)  # milliseconds
        page.on("console", lambda message: wrong.append(message.text) if message.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", lambda request: wrong.append(request.url) if request.url.startswith("http") else None)
        page.goto(path.as_uri())
        pages.append(page)
        return page

    yield opened
    for page in pages:
        assert page.evaluate("window.hurt") is None
        page.close()
    assert wrong == []


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gallery")
    write_gallery(write_generated(folder), folder / "page.html")
    return folder / "page.html"


def shown(page):
    return page.eval_on_selector_all("#cards li:not([hidden]) .key", "keys => keys.map(key => key.textContent)")


def picture(page, selector):
    page.wait_for_timeout(100)
    shot = np.asarray(Image.open(io.BytesIO(page.locator(selector).screenshot())).convert("RGB"))
    return shot[:390, :390].astype(int)  # canvases of 397.3 pixels have 397 or 398


def differs(first, second):
    return (np.abs(first - second).max(axis=2) > 8).mean()


def open_first(page, number=0):
    page.locator("#cards li:not([hidden]) .card").nth(number).press("Enter")
    expect(page.locator("#viewer")).to_be_visible()
    expect(page.locator("#views canvas").first).to_be_visible()


FLAT = ".flat[data-name='{}']"


def test_filters_and_orders(load, made):
    page = load(made)
    samples = held(made)["samples"]
    everything = [sample["key"] for sample in samples]
    assert shown(page) == everything
    for changed in ("colour", "depth", "both"):
        page.select_option("#changed", changed)
        assert shown(page) == [sample["key"] for sample in samples if sample["changed"] == changed]
    page.select_option("#changed", "")
    kind = samples[0]["kinds"][0]
    page.select_option("#kind", kind)
    few = [sample["key"] for sample in samples if kind in sample["kinds"]]
    assert shown(page) == few
    assert page.locator("#count").inner_text() == f"{len(few)} of 6 samples"
    page.select_option("#kind", "")
    by_size = sorted(samples, key=lambda sample: sample["pixels"])
    page.select_option("#order", "small")
    assert shown(page) == [sample["key"] for sample in by_size]
    page.select_option("#extent", "large")
    assert shown(page) == [sample["key"] for sample in by_size if sample["pixels"] > by_size[3]["pixels"]]
    only = next(sample for sample in samples if sample["changed"] == "colour")
    page.select_option("#changed", "colour")
    page.select_option("#extent", "")
    page.select_option(
        "#kind", next(kind for sample in samples for kind in sample["kinds"] if kind not in only["kinds"])
    )
    assert shown(page) == []
    assert page.locator("#none").is_visible()


def test_the_slider_uncovers_the_good_part_where_the_defect_is(load, made):
    page = load(made)
    both = [sample["changed"] for sample in held(made)["samples"]].index("both")
    open_first(page, both)
    page.keyboard.press("o")
    names = ("colour", "surface", "depth")
    after = {name: picture(page, FLAT.format(name)) for name in names}
    turned = picture(page, ".relief")
    page.keyboard.press("b")
    assert page.locator("#wipe").input_value() == "1"
    marked = picture(page, FLAT.format("mask")).min(axis=2) > 200
    for name in names:
        before = picture(page, FLAT.format(name))
        change = np.abs(before - after[name]).max(axis=2)
        # The light on the surface is smoothed, and colour is compressed: both reach somewhat beyond the mask.
        assert change[marked].mean() > 4 * change[~marked].mean() + 1, name
    assert 0 < differs(turned, picture(page, ".relief")) < 0.5
    box = page.locator(FLAT.format("colour")).bounding_box()
    page.mouse.move(box["x"] + box["width"] - 5, box["y"] + 50)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.25 * box["width"], box["y"] + 60)
    page.mouse.up()
    assert float(page.locator("#wipe").input_value()) == pytest.approx(0.25, abs=0.01)
    assert "depth" in page.locator("#readout").inner_text()
    assert page.locator("#readout").inner_text().startswith("column 1")
    half = picture(page, FLAT.format("depth"))
    assert differs(half[:, half.shape[1] // 2 :], after["depth"][:, half.shape[1] // 2 :]) < 0.001


def test_the_surface_turns_by_mouse_touch_and_keys(load, made):
    page = load(made, has_touch=True)
    both = [sample["changed"] for sample in held(made)["samples"]].index("both")
    open_first(page, both)
    views = [picture(page, ".relief")]
    assert np.ptp(views[0], axis=(0, 1)).min() > 60
    page.locator(".relief").scroll_into_view_if_needed()
    box = page.locator(".relief").bounding_box()
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    def turned(least=0.05):
        views.append(picture(page, ".relief"))
        assert differs(views[-2], views[-1]) > least

    page.mouse.move(*middle)
    page.mouse.down()
    page.mouse.move(middle[0] + 60, middle[1] + 20)
    page.mouse.up()
    turned()
    touch = page.context.new_cdp_session(page)
    for kind, points in (("touchStart", [middle]), ("touchMove", [(middle[0] - 70, middle[1])]), ("touchEnd", [])):
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y} for x, y in points]})
    turned()
    title = page.locator("#title").inner_text()
    page.locator(".relief").focus()
    for key in ("ArrowRight", "ArrowUp", "+", "t"):
        page.keyboard.press(key)
        turned(0.01)
    assert page.locator("#title").inner_text() == title
    page.locator("input[aria-label='How far heights are stretched']").fill("6")
    turned(0.01)
    page.keyboard.press("r")
    page.keyboard.press("r")
    turned(0.01)


def test_keys_go_through_what_is_shown(load, made):
    page = load(made)
    page.select_option("#changed", "both")
    keys = shown(page)
    open_first(page, 0)
    page.keyboard.press("Escape")
    assert not page.locator("#viewer").is_visible()
    page.locator("#cards li:not([hidden]) .card").first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(page.locator("#title")).to_contain_text(keys[1])
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#title")).to_contain_text(keys[0])
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#title")).to_contain_text(keys[-1])
    page.click("#next")
    expect(page.locator("#title")).to_contain_text(keys[0])
    outlined = picture(page, FLAT.format("colour"))
    page.keyboard.press("o")
    plain = picture(page, FLAT.format("colour"))
    assert differs(outlined, plain) > 0.002
    page.keyboard.press("z")
    assert differs(plain, picture(page, FLAT.format("colour"))) > 0.2
    page.keyboard.press("?")
    assert page.locator("#help").is_visible()
    page.keyboard.press("Escape")
    assert not page.locator("#help").is_visible()
    assert page.locator("#viewer").is_visible()


def test_depth_arrives_as_it_was_sent(load, made):
    page = load(made)
    for number, sample in enumerate(held(made)["samples"]):
        for name, before in (("depth", False), ("depthBefore", True)):
            there = page.evaluate(
                f"opened(data.samples[{number}], data.pictures).then(({{ sample, {name} }}) => "
                f"Array.from({name}, (step) => depthOf(sample, step)))"
            )
            wanted = depth_of(sample, before=before).ravel()
            np.testing.assert_allclose(np.array(there, float), wanted, rtol=1e-12)


def test_the_numbers_and_the_command_to_copy(load, made):
    page = load(made)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    (sample, *_) = held(made)["samples"]
    open_first(page)
    assert page.locator("#defects li").count() == len(sample["defects"])
    assert sample["defects"][0]["kind"] in page.locator("#defects li").first.inner_text()
    facts = page.locator("#facts").inner_text()
    assert all(value in facts for _, value in sample["facts"])
    page.click("#copy")
    expect(page.locator("#copy")).to_have_text("copied")
    assert page.evaluate("navigator.clipboard.readText()") == sample["command"]
    for image in page.locator("canvas").all():
        assert sample["key"] in image.get_attribute("aria-label")


def test_labelled_samples_have_no_slider_and_one_line_says_why(load, tmp_path):
    write_gallery(write_parts(tmp_path / "parts"), tmp_path / "page.html")
    page = load(tmp_path / "page.html")
    assert "3 normal samples left out" in page.locator("header").inner_text()
    open_first(page)
    assert not page.locator("#wiping").is_visible()
    assert not page.locator("#replay").is_visible()
    assert page.locator("#why").inner_text().startswith("No before: generate did not write this")
    assert page.locator(FLAT.format("change")).count() == 0
    before = picture(page, FLAT.format("colour"))
    page.locator(FLAT.format("colour")).click()
    page.keyboard.press("b")
    assert differs(before, picture(page, FLAT.format("colour"))) == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_needs_no_scrolling_sideways(load, made, scheme):
    page = load(made, viewport={"width": 360, "height": 740}, color_scheme=scheme, has_touch=True)
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (paper == "rgb(255, 255, 255)") == (scheme == "light")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    open_first(page)
    assert page.evaluate("find('viewer').scrollWidth <= find('viewer').clientWidth")
    page.keyboard.press("?")
    assert page.evaluate("find('help').scrollWidth <= find('help').clientWidth")


def test_hostile_names_are_text(load, tmp_path):
    part = make_part("potato", seed=1, index=0, size=32)
    put(tmp_path / HOSTILE / f"rgb/{HOSTILE}.png", encode_png(part.rgb))
    write_gallery(tmp_path / HOSTILE, tmp_path / "page.html")
    page = load(tmp_path / "page.html")
    assert page.locator("h1").inner_text() == HOSTILE
    assert shown(page) == [HOSTILE]
    open_first(page)
    assert HOSTILE in page.locator("#title").inner_text()
    assert page.locator(".relief").count() == 0  # colour alone has no surface
