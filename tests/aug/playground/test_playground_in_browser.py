"""The playground as it is used: served by the command, tried in a browser, its recipe saved and generated with."""

from __future__ import annotations

import io
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers.dumps import environment
from helpers.galleries import write_parts
from PIL import Image
from playwright.sync_api import expect, sync_playwright

from das3d_aug.datasets import open_dataset
from das3d_aug.synthesis import Recipe
from examples import make_screenshots

PROGRAM = [sys.executable, "-m", "das3d_cli.aug"]
START = Recipe(kinds={"dent": 1.0, "stain": 0.5}, size=(0.2, 0.3), height=(0.2, 0.3), count=(1, 1), dropout=0.0)
IMAGES = Path(__file__).parents[3] / "docs/images"
WAIT = 60_000  # milliseconds, for a machine that does much else
expect.set_options(timeout=WAIT)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("playground")
    write_parts(folder / "parts")
    (folder / "start.toml").write_text(START.to_toml())
    return folder


@pytest.fixture(scope="module")
def address(folder):
    """Yield the address of a running playground; Ctrl-C ends it as it ends every command."""
    given = ["parts", "--recipe", "start.toml", "--beside", "parts", "--out", "mine.toml", "--seed", "4"]
    process = subprocess.Popen(
        [*PROGRAM, "playground", *given],
        cwd=folder, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    yield process.stdout.readline().strip()
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert (process.returncode, said.strip().splitlines()[-1]) == (130, "das3d-aug: interrupted")
    assert "Traceback" not in said


@pytest.fixture(scope="module")
def browser():
    # Root needs --no-sandbox; the 3-D view, which tests of the gallery see, would be computed at each change.
    flags = ["--no-sandbox", "--disable-gpu", "--disable-3d-apis"]
    with (
        sync_playwright() as driver,
        driver.chromium.launch(executable_path=shutil.which("chromium"), args=flags) as launched,
    ):
        yield launched


@pytest.fixture
def load(browser, address):
    """Yield what opens the page; in the end, nothing else was fetched and the console holds no error."""
    wrong, pages = [], []
    here = address.partition("?")[0]

    def opened(**options):
        page = browser.new_page(**{"viewport": {"width": 1280, "height": 900}} | options)
        page.set_default_timeout(WAIT)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", lambda request: wrong.append(request.url) if not ours(request.url) else None)
        page.goto(address)
        pages.append(page)
        drawn(page, 1)
        return page

    def ours(url):
        return url.startswith((here, "data:", "blob:"))

    yield opened
    for page in pages:
        page.close()
    assert wrong == []


def drawn(page, least):
    """Wait until so many samples were drawn."""
    page.locator("body[data-drawn]").wait_for()
    while int(page.locator("body").get_attribute("data-drawn")) < least:
        page.wait_for_timeout(20)


def after(page, action):
    """Do something and wait for the sample that it draws."""
    count = int(page.locator("body").get_attribute("data-drawn"))
    action()
    drawn(page, count + 1)


def picture(page, name):
    shot = page.locator(f".flat[data-name='{name}']").screenshot()
    return np.asarray(Image.open(io.BytesIO(shot)).convert("L")).astype(int)


def white(page):
    return (picture(page, "mask") > 200).mean()


def slider(page, name):
    return page.get_by_label(name, exact=True)


def test_a_slider_changes_the_picture_and_the_saved_recipe_generates_it(load, folder):
    page = load()
    page.keyboard.press("o")
    before, small = picture(page, "colour"), white(page)
    slider(page, "size, low").focus()
    after(page, lambda: page.keyboard.press("End"))
    assert slider(page, "size, high, number").input_value() == "1"  # taken along
    after(page, lambda: slider(page, "size, low, number").fill("0.6"))
    assert white(page) > 3 * small > 0
    assert (np.abs(picture(page, "colour") - before) > 8).mean() > 0.02
    assert not page.locator("#error").is_visible()
    page.click("#save")
    expect(page.locator("#saved")).to_have_text("Written: mine.toml")
    saved = Recipe.from_toml(folder / "mine.toml")
    assert (saved.size, saved.height, saved.kinds) == ((0.6, 1.0), START.height, START.kinds)
    command = shlex.split(page.locator("#command").inner_text())
    assert command == shlex.split("das3d-aug generate parts --recipe mine.toml --out anomalies --seed 4")
    done = subprocess.run([*PROGRAM, *command[1:]], cwd=folder, env=environment(), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    first = next(sample for sample in open_dataset(folder / "anomalies") if sample.entry.key.endswith("000"))
    page.keyboard.press("?")
    page.keyboard.press("Escape")
    assert f"{np.count_nonzero(first.mask)} px" in page.locator("#facts").inner_text()


def test_a_long_caption_does_not_push_its_picture_over_the_next(load):
    page = load()
    for scale in page.locator("#views .scale").all():
        scale.evaluate("node => { node.firstChild.data = node.lastChild.data = '12345.6 units of a sensor' }")
    boxes = [one.bounding_box() for one in page.locator("#views .flat, #views figcaption b, #views .scale").all()]
    for number, one in enumerate(boxes):
        for other in boxes[:number]:
            apart = any(
                one[at] + one[long] <= other[at] + 1 or other[at] + other[long] <= one[at] + 1
                for at, long in (("x", "width"), ("y", "height"))
            )
            assert apart, (one, other)
    assert len({round(box["width"]) for box in boxes if box["height"] > 100}) == 1


def test_a_wrong_value_is_said_beside_its_control_and_the_page_goes_on(load):
    page = load()
    slider(page, "dropout, number").fill("7")
    control = page.locator(".control[data-name='dropout']")
    expect(control.locator(".error")).to_have_text("dropout must be in 0 … 1, got 7")
    assert page.locator(".control.wrong").count() == 1
    after(page, lambda: control.locator("input[type=number]").fill("0.25"))
    expect(page.locator(".control.wrong")).to_have_count(0)
    page.get_by_label("kinds: none", exact=True).check()
    expect(page.locator(".control.wrong .error")).to_contain_text("is of kinds of defects, and there are none")
    after(page, lambda: page.select_option("#preset", "paper"))
    expect(page.locator("#defects")).to_contain_text("skewed")
    expect(page.locator(".control.wrong")).to_have_count(0)


def test_seeds_and_views_by_keys(load):
    page = load()
    one = picture(page, "mask")
    page.locator("#another").focus()
    after(page, lambda: page.keyboard.press("n"))
    assert page.locator("#seed").input_value() == "5"
    assert "--seed 5" in page.locator("#command").inner_text()
    assert (picture(page, "mask") != one).mean() > 0.005
    after(page, lambda: page.keyboard.press("p"))
    assert (picture(page, "mask") != one).mean() < 0.001
    page.keyboard.press("o")
    now = picture(page, "surface")
    page.keyboard.press("b")
    assert page.locator("#wipe").input_value() == "1"
    assert (np.abs(picture(page, "surface") - now) > 8).mean() > 0.005
    page.locator("#seed").fill("9")
    page.keyboard.press("b")  # is typed into the field, or nothing
    assert page.locator("#wipe").input_value() == "1"
    after(page, lambda: page.select_option("#part", "2"))


def test_histograms_fill_and_stand_beside_labelled_defects(load):
    page = load()
    page.select_option("#count", "50")
    expect(page.locator("#progress")).to_have_js_property("value", 1)
    expect(page.locator("#legend")).to_contain_text("on 50 samples; labelled in parts: 1 defect on 1 sample")
    assert page.locator("#charts svg").count() == 2
    assert page.locator("#charts path.drawn").count() == page.locator("#charts path.labelled").count() == 2
    told = page.locator("#charts svg").first.get_attribute("aria-label")
    assert told.startswith("size in mm²: recipe median ")
    page.get_by_label("Unit of size").select_option("px")
    page.locator("#seed").focus()
    page.get_by_label("size, high, number", exact=True).fill("0.9")
    expect(page.locator("#charts svg").first).to_have_attribute("aria-label", re.compile("^size in px"))


def test_a_recipe_is_loaded_from_a_file_and_a_field_is_put_back(load, tmp_path):
    page = load()
    other = Recipe.realistic(contrast=(0.5, 0.6), softness={"choice": (0, 2)})
    (tmp_path / "other.toml").write_text(other.to_toml())
    after(page, lambda: page.set_input_files("#load", tmp_path / "other.toml"))
    assert slider(page, "contrast, low, number").input_value() == "0.5"
    assert page.get_by_label("softness, values joined by commas").input_value() == "0, 2"
    after(page, lambda: slider(page, "contrast, low, number").fill("0.3"))
    after(page, lambda: page.get_by_label("contrast as it was at the start").click())
    assert slider(page, "contrast, low, number").input_value() == "0.5"
    (tmp_path / "bad.toml").write_text("sgima = 1")
    page.set_input_files("#load", tmp_path / "bad.toml")
    expect(page.locator("#error")).to_contain_text("no field sgima")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_needs_no_scrolling_sideways(load, scheme):
    page = load(viewport={"width": 360, "height": 740}, color_scheme=scheme, has_touch=True)
    for summary in page.locator("summary").all():
        if not summary.evaluate("element => element.parentElement.open"):
            summary.click()
    for ask in page.locator(".head .small[aria-expanded]").all():
        ask.click()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    inside = page.eval_on_selector_all(
        ".control *, #told *, #figures *, #use *, .bar *",
        "all => all.filter((one) => one.getBoundingClientRect().right > 361).map((one) => one.outerHTML.slice(0, 80))",
    )
    assert inside == []
    slider(page, "dents, number").scroll_into_view_if_needed()
    box = page.locator(".flat[data-name='colour']").bounding_box()
    assert -1 <= box["y"] < 100  # the picture stays in sight


def test_a_port_in_use_is_said_in_a_sentence(folder):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = subprocess.run(
            [*PROGRAM, "playground", "parts", "--port", str(port)],
            cwd=folder, env=environment(), capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith(f"das3d-aug: error: --port must be a free one, got {port} (")
    assert len(done.stderr.splitlines()) == 1


def test_the_picture_of_the_docs_is_made_by_the_script(browser, tmp_path):
    page = browser.new_page(viewport={"width": 1440, "height": 1000})
    page.set_default_timeout(WAIT)
    make_screenshots.playground(page, tmp_path, samples="50", per_defect=1)
    files = [(folder / "playground.jpg").read_bytes() for folder in (IMAGES, tmp_path)]
    shown, made = (Image.open(io.BytesIO(data)) for data in files)
    assert made.width == shown.width == 1440
    assert abs(made.height - shown.height) < 120
    assert len(files[0]) < 300_000
