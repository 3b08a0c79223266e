"""report.html: what stands in it."""

from __future__ import annotations

import base64
import io
import json
from html.parser import HTMLParser
from itertools import product

import cv2
import numpy as np
import pytest
from helpers.reports import HEIGHT, HOSTILE, IMAGES, WIDTH, WORST_FIRST, evaluation, open_map, open_sample
from PIL import Image

from das3d_aug.colouring import ANOMALY
from das3d_aug.datasets import Sample
from das3d_aug.datasets.demo import make_part
from das3d_aug.errors import FileError, ParameterError
from das3d_ref.evaluation.pictures import colour_range
from das3d_ref.evaluation.report import by_defect, write_report


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
    assert "#{:02x}{:02x}{:02x}".format(*picture[0, 0]) == ANOMALY[0]
    assert "#{:02x}{:02x}{:02x}".format(*picture[0, -1]) == ANOMALY[-1]
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
