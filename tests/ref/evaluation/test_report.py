"""report.html: what stands in it, and that it works in a browser without a network."""

from __future__ import annotations

import base64
import io
import json
import shutil
from html.parser import HTMLParser
from itertools import product

import cv2
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect, sync_playwright

from das3d_aug.datasets import Entry, Sample
from das3d_aug.datasets.demo import make_part
from das3d_aug.errors import FileError, ParameterError
from das3d_ref.evaluation import Evaluation
from das3d_ref.evaluation.pictures import COLOURS, colour_range
from das3d_ref.evaluation.report import by_defect, write_report

HEIGHT, WIDTH = 40, 52
HOSTILE = "a\"b'c</script><script>window.hurt = 1</script><img src=x onerror='window.hurt = 1'>{{ 7 * 7 }}"
# key, defect, score; the threshold is 0.5
IMAGES = (
    ("part/good/1", "good", 0.1),
    ("part/good/2", "good", 0.9),
    ("part/dent/3", "dent", 0.8),
    ("part/dent/10", "dent", 0.2),
    ("part/cut/2", "cut", 0.45),
)
WORST_FIRST = ["part/good/2", "part/dent/10", "part/cut/2", "part/dent/3", "part/good/1"]


def evaluation(images=IMAGES, *, threshold=0.5, **changes):
    values = {
        "figures": {"I-AUROC": 0.75, "P-AUROC": float("nan")},
        "intervals": {"I-AUROC": (0.6, 0.875)},
        "curves": {"ROC": [[0.0, 0.0, 0.5, 1.0], [0.0, 0.5, 1.0, 1.0]], "PRO": [[0.0, 0.1, 0.3], [0.0, 0.8, 0.9]]},
        "protocol": {"image label": "folder", "AUPRO": "8-connected"},
        "images": tuple(
            {
                "key": key,
                "defect": defect,
                "label": defect != "good",
                "score": score,
                "verdict": None if threshold is None else score > threshold,
            }
            for key, defect, score in images
        ),
    }
    if threshold is not None:
        values["protocol"]["threshold"] = threshold
    return Evaluation(**values | changes)


def open_sample(key, *, height=HEIGHT, width=WIDTH):
    """A tilted plane with a bump; the upper rows are not measured, anomalous parts have a mask of 6 x 8 pixels."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    depth = 0.5 + 0.001 * x - 0.05 * np.exp(-((x - 26) ** 2 + (y - 20) ** 2) / 40)
    depth[:5] = 0
    mask = np.zeros((height, width), bool)
    mask[20:26, 10:18] = "good" not in key
    mask[22:24, 12:14] = False
    entry = Entry(key=key, split="test", defect="", label=None, files={})
    rgb = np.repeat((x + y)[:, :, None], 3, axis=2).astype(np.uint8)
    return Sample(entry=entry, rgb=rgb, depth=depth.astype(np.float32), valid=depth > 0, unit="m", mask=mask)


def open_map(key):
    """Half as large as the sample: 0 at the left, 2 at the right."""
    return np.tile(np.linspace(0, 2, WIDTH // 2, dtype=np.float32), (HEIGHT // 2, 1))


class Page(HTMLParser):
    """The tags of a report, the text of its tables and figures, and the data."""

    def __init__(self, path):
        super().__init__()
        self.tags, self.texts, self.inside = [], {}, None
        self.feed(path.read_text())
        self.cards = [attributes for _, attributes in self.tags if "data-key" in attributes]
        self.data = json.loads("".join(self.texts["data"]))

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.tags.append((tag, attributes))
        self.inside = attributes.get("id") or attributes.get("class") or tag

    def handle_endtag(self, tag):
        self.inside = None

    def handle_data(self, data):
        if data.strip():
            self.texts.setdefault(self.inside, []).append(data.strip())


def report(tmp_path, found=None, **options):
    options = {"title": "A test", "open_sample": open_sample, "open_map": open_map} | options
    write_report(tmp_path / "report.html", found or evaluation(), **options)
    return Page(tmp_path / "report.html")


def numbers(surface, name, kind):
    values = np.frombuffer(base64.b64decode(surface[name]), kind)
    return values.reshape(surface["height"], surface["width"])


def test_every_image_is_there_worst_first(tmp_path):
    done = []
    page = report(tmp_path, progress=lambda *count: done.append(count))
    assert done == [(number, 5) for number in range(1, 6)]
    assert [card["data-key"] for card in page.cards] == WORST_FIRST
    assert [float(card["data-margin"]) for card in page.cards] == pytest.approx([0.4, 0.3, 0.05, -0.3, -0.4])
    assert [card["class"] for card in page.cards] == ["card wrong"] * 3 + ["card"] * 2
    assert page.texts["strong"] == ["false alarm", "missed", "missed", "found", "passed"]
    pictures = [attributes for tag, attributes in page.tags if tag == "img"]
    assert [picture["alt"] for picture in pictures] == [
        f"{what} of {key}" for key, what in product(WORST_FIRST, ("colour", "surface", "anomaly"))
    ]


def test_nothing_is_fetched_and_equal_evaluations_give_equal_pages(tmp_path):
    page = report(tmp_path)
    places = [attributes[name] for _, attributes in page.tags for name in ("src", "href") if name in attributes]
    assert places
    assert all(place.startswith(("data:", "#")) for place in places)
    policy = next(attributes["content"] for _, attributes in page.tags if "http-equiv" in attributes)
    assert policy.startswith("default-src 'none';")
    before = (tmp_path / "report.html").read_bytes()
    report(tmp_path)
    assert (tmp_path / "report.html").read_bytes() == before


def test_figures_intervals_protocol_and_tables(tmp_path):
    page = report(tmp_path, tables=[("Beside <others>", ["method", "AUPRO"], [["theirs", 0.9], ["ours", "–"]])])
    assert page.texts["dd"][:3] == ["0.750", "–", "folder"]
    assert page.texts["interval"] == ["0.600 – 0.875"]
    assert {"8-connected", "0.5"} <= set(page.texts["dd"])
    assert page.texts["caption"] == ["Kinds of defects", "Beside <others>"]
    assert page.texts["td"][-2:] == ["0.9", "–"]
    assert "2 of the 3 anomalous images are missed" in " ".join(page.texts["p"])
    assert "1 of the 2 good ones are called anomalous" in " ".join(page.texts["p"])


def test_each_kind_of_defect_is_set_against_the_good_images():
    images = evaluation().images
    _, header, rows = by_defect(images)
    assert len(header) == 5
    assert [row[:2] for row in rows] == [("good", 2), ("cut", 1), ("dent", 2)]
    for defect, _, auroc, *_ in rows[1:]:
        bad, good = ([image["score"] for image in images if image["defect"] == name] for name in (defect, "good"))
        assert float(auroc) == np.mean([b > g for b, g in product(bad, good)])
    assert [row[4] for row in rows] == ["1 of 2", "0 of 1", "1 of 2"]


def test_keys_and_names_cannot_run_code(tmp_path):
    images = ((f"{HOSTILE}/1", HOSTILE, 0.3), ("fine", "good", 0.2))
    found = evaluation(images, protocol={"threshold": 0.5, HOSTILE: HOSTILE})
    page = report(tmp_path, found, title=HOSTILE, tables=[(HOSTILE, [HOSTILE], [[HOSTILE]])])
    plain = report(tmp_path, evaluation((("dent", "dent", 0.3), images[1]))).tags
    assert sorted(tag for tag, _ in page.tags if tag in ("script", "img")) == sorted(
        tag for tag, _ in plain if tag in ("script", "img")
    )
    assert page.cards[0]["data-key"] == f"{HOSTILE}/1"
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]


def test_the_outline_encloses_the_mask_and_leaves_its_hole(tmp_path):
    page = report(tmp_path)
    outlines = [attributes["d"] for tag, attributes in page.tags if tag == "path"]
    assert [bool(outline) for outline in outlines] == ["good" not in key for key in WORST_FIRST]
    rings = [
        np.array([point.split(",") for point in ring.split()], float) for ring in outlines[1].strip("MZ").split("ZM")
    ]
    assert len(rings) == 1  # the ring of pixels around the mask fills a hole of 2 x 2
    filled = cv2.fillPoly(np.zeros((HEIGHT, WIDTH), np.uint8), [(rings[0] - 0.5).astype(np.int32)], 1)
    wanted = np.zeros((HEIGHT, WIDTH), np.uint8)
    wanted[19:27, 9:19] = 1
    assert np.abs(filled.astype(int) - wanted).sum() <= 4  # corners


def test_surfaces_hold_depth_and_anomaly(tmp_path):
    page = report(tmp_path)
    sample = open_sample("part/dent/10")
    surface = page.data["surfaces"]["1"]
    assert (surface["width"], surface["height"], surface["unit"]) == (WIDTH, HEIGHT, "m")
    steps = numbers(surface, "depth", "<u2").astype(float)
    np.testing.assert_array_equal(steps == 0, ~sample.valid)
    depth = surface["low"] + (steps - 1) / 65534 * (surface["high"] - surface["low"])
    np.testing.assert_allclose(depth[sample.valid], sample.depth[sample.valid], atol=1e-5)
    least, greatest = page.data["range"]
    assert (least, greatest) == pytest.approx(np.percentile(open_map(""), (1, 99.9)))
    anomaly = least + numbers(surface, "anomaly", "u1") / 255 * (greatest - least)
    wanted = cv2.resize(open_map(""), (WIDTH, HEIGHT))
    np.testing.assert_allclose(anomaly, wanted, atol=0.05)


def test_a_flying_point_does_not_flatten_the_surface(tmp_path):
    def flying(key):
        sample = open_sample(key)
        sample.depth[30, 30] = 90
        return sample

    surface = report(tmp_path, open_sample=flying).data["surfaces"]["0"]
    assert surface["high"] < 0.7
    assert numbers(surface, "depth", "<u2").max() == 65535


def test_maps_share_one_scale_of_colours(tmp_path):
    page = report(tmp_path)
    uri = next(a["src"] for tag, a in page.tags if tag == "img" and a["alt"].startswith("anomaly"))
    picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))).convert("RGB"))
    assert picture.shape == (HEIGHT, WIDTH, 3)
    assert "#{:02x}{:02x}{:02x}".format(*picture[0, 0]) == COLOURS[0]
    assert "#{:02x}{:02x}{:02x}".format(*picture[0, -1]) == COLOURS[-1]
    low, high = colour_range([np.zeros((9, 9), np.float32), np.full((9, 9), 5, np.float32)])
    assert (low, high) == (0, 5)


def test_without_a_threshold_there_are_no_verdicts(tmp_path):
    page = report(tmp_path, evaluation(threshold=None))
    assert "there are no verdicts" in " ".join(page.texts["p"])
    assert not [attributes for _, attributes in page.tags if attributes.get("id") == "wrong"]
    assert page.texts["strong"] == ["not judged"] * 5
    middle = (np.median([0.1, 0.9]) + np.median([0.8, 0.2, 0.45])) / 2
    assert float(page.cards[0]["data-margin"]) == pytest.approx(0.9 - middle)
    assert [card["data-key"] for card in page.cards] == WORST_FIRST


def test_what_cannot_be_said_is_said(tmp_path):
    good = [image for image in IMAGES if image[1] == "good"]
    page = report(tmp_path, evaluation(good, figures={"I-AUROC": float("nan")}, intervals={}, curves={}))
    assert page.texts["dd"][0] == "–"
    assert "Cannot be said: it needs masks." in page.texts["note"]
    assert not [tag for tag, attributes in page.tags if attributes.get("id") in ("ROC", "PRO")]


def test_depth_that_was_not_measured_at_all(tmp_path):
    def nothing(key):
        sample = open_sample(key)
        sample.depth[:], sample.valid[:] = 0, False
        return sample

    surface = report(tmp_path, open_sample=nothing).data["surfaces"]["0"]
    assert not numbers(surface, "depth", "<u2").any()


def test_mistakes_are_named(tmp_path):
    with pytest.raises(ParameterError, match="must be finite numbers, H x W"):
        report(tmp_path, open_map=lambda key: open_map(key) * np.float32("nan"))
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError, match="cannot be written"):
        report(tmp_path / "file")


def test_150_images_fit_into_15_megabytes(tmp_path):
    def part(key):
        made = make_part("flange", seed=1, index=int(key), size=256)
        return Sample(open_sample(key).entry, made.rgb, made.depth, made.depth > 0, "m", mask=None)

    sizes = []
    for count in (1, 5):
        found = evaluation([(str(index), "good", 0.1) for index in range(count)])
        report(tmp_path, found, open_sample=part)
        sizes.append((tmp_path / "report.html").stat().st_size)
    assert sizes[0] + 149 * (sizes[1] - sizes[0]) / 4 < 15e6


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
