"""What a generated folder is said to hold, and what is said to look wrong, whoever wrote it and in whatever order."""

from __future__ import annotations

import dataclasses
import json
import statistics
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.dumps import RECIPE, put, recipes, write_folder, write_mvtec

from das3d_aug.datasets import open_dataset
from das3d_aug.datasets.demo import make_part
from das3d_aug.files import encode_png, encode_tiff
from das3d_aug.generation import Spread, generate
from das3d_aug.generation.breakdown import Collected
from das3d_aug.generation.measuring import depth_noise, pixel_area
from das3d_aug.geometry import Intrinsics
from das3d_aug.synthesis import Recipe

MIXED = Recipe(area=(0.1, 0.3))  # a modality is dropped now and then


@pytest.mark.parametrize("written_as", ["mvtec3d", "webdataset"])
def test_the_figures_are_those_of_all_samples_whatever_the_workers_and_interruptions(
    tmp_path: Path, written_as: str
) -> None:
    parts = write_mvtec(tmp_path / "parts", count=4)
    settings: dict[str, Any] = {"recipe": MIXED, "per_image": 4, "seed": 2, "format": written_as, "shard_size": 5}
    whole = generate(parts, tmp_path / "whole", **settings)
    assert whole.breakdown.samples == 16
    assert generate(parts, tmp_path / "spread", workers=2, **settings).breakdown == whole.breakdown
    assert generate(parts, tmp_path / "parted", limit=6, **settings).breakdown.samples == 6
    resumed = generate(parts, tmp_path / "parted", **settings)
    assert resumed.breakdown == whole.breakdown
    assert resumed.warnings == whole.warnings
    nothing_new = generate(parts, tmp_path / "whole", **settings)
    assert (nothing_new.written, nothing_new.breakdown, nothing_new.warnings) == (0, whole.breakdown, whole.warnings)


def test_the_figures_are_what_the_recipes_and_masks_say(tmp_path: Path) -> None:
    parts, out = write_mvtec(tmp_path / "parts"), tmp_path / "out"
    found = generate(parts, out, recipe=MIXED, per_image=8, seed=1).breakdown
    records = [json.loads(path.read_text()) for path in recipes(out)]
    assert Counter(record["kind"] for record in records) == {
        "normal": found.normal, "rgb": found.rgb, "depth": found.depth, "both": found.both
    }  # fmt: skip
    assert min(found.normal, found.rgb, found.depth, found.both) > 0
    made = open_dataset(out)
    pixels = sorted(
        int(sample.mask.sum())
        for sample in map(made.open, made.entries)
        if sample.mask is not None and sample.mask.any()
    )
    assert found.pixels == Spread(least=pixels[0], median=statistics.median(pixels), most=pixels[-1])
    changes = [1000 * record["severity"]["depth_change"] for record in records if record["kind"] in ("depth", "both")]
    assert found.depth_change is not None
    assert (found.depth_change.median, found.unit) == (pytest.approx(statistics.median(changes)), "mm")
    assert found.relative_depth_change is not None
    assert 0 < found.relative_depth_change.least <= found.relative_depth_change.most <= 0.3


def test_the_size_of_a_pixel_is_one_from_a_camera_and_from_points(tmp_path: Path) -> None:
    part = make_part("flange", seed=0, index=0, size=128)
    put(tmp_path / "rgb/0.png", encode_png(part.rgb))
    put(tmp_path / "xyz/0.tiff", encode_tiff(part.xyz))
    data = open_dataset(tmp_path, unit="m")
    sample = data.open(data.entries[0])
    where = np.zeros(part.depth.shape, bool)
    where[50:70, 50:70] = True
    z = float(np.median(part.depth[where & part.valid]))
    camera = Intrinsics(fx=640, fy=640, cx=63.5, cy=63.5)
    expected = (1000 * z / 640) ** 2
    assert pixel_area(sample, where) == pytest.approx(expected, rel=0.02)
    with_camera = dataclasses.replace(sample, xyz=None, intrinsics=camera)
    assert pixel_area(with_camera, where) == pytest.approx(expected, rel=1e-6)
    assert pixel_area(dataclasses.replace(sample, xyz=None), where) is None
    assert pixel_area(dataclasses.replace(sample, unit="raw"), where) is None
    assert pixel_area(sample, ~where & False) is None


def record(**changes: Any) -> dict[str, Any]:
    """A recipe's figures that nothing is wrong with."""
    severity = {"coverage": 0.1, "depth_change": 1.0, "relative_depth_change": 0.1, "colour_change": 0.1}
    part = {"how": "plane", "share": 0.4, "at_border": False, "low": 400.0, "high": 410.0}
    severity |= changes.pop("severity", {})
    part |= changes.pop("part", {})
    measured = {"pixels": 300, "area": 2.0, "part": part, **changes.pop("measured", {})}
    return {"sample": "a", "kind": "both", "severity": severity, "unit": "mm", "measured": measured, **changes}


def warnings(*records: dict[str, Any]) -> list[str]:
    collected = Collected()
    for one in records:
        collected.add(one)
    return [f"{about}: {text}" for about, text in collected.warnings()]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"severity": {"relative_depth_change": 1.5}}, "more than the part's own range"),
        ({"severity": {"relative_depth_change": 300.0}}, "more than 100 times the part's range"),
        ({"severity": {"relative_depth_change": 1e-4}}, "less than 1/1000"),
        ({"part": {"noise": 0.334}}, "less than 3 times the noise of the part's own depth"),
        (
            {"unit": "m", "severity": {"depth_change": 0.001}, "part": {"low": 0.4, "high": 0.41, "noise": 4e-4}},
            "noise",
        ),
        ({"measured": {"pixels": 16}}, "at most 16 pixels are anomalous"),
        ({"part": {"low": 0.4, "high": 0.41}}, "its unit looks wrong"),
        ({"unit": "m", "part": {"low": 400.0, "high": 425.0}}, "its unit looks wrong"),
        ({"part": {"share": 0.004}}, "less than 1 % of the image"),
        ({"part": {"share": 0.97, "how": "all"}}, "no background was found"),
        ({"part": {"at_border": True}}, "joined to the image's edge"),
    ],
)
def test_what_looks_wrong_is_said_once_for_all_samples(changes: dict[str, Any], said: str) -> None:
    (line,) = warnings(*(record(**changes) for _ in range(6)), *(record() for _ in range(4)))
    assert line.startswith("6 of 10 samples, such as a: ")
    assert said in line


@pytest.mark.parametrize(
    "changes",
    [
        {"severity": {"relative_depth_change": 0.99}},
        {"measured": {"pixels": 17}},
        {"part": {"noise": 0.333}},
        {"part": {"noise": 9.0}, "kind": "rgb"},
        {"part": {"low": 400.0, "high": 400.0}},
        {"unit": "raw", "part": {"low": 1.0, "high": 65535.0}},
        {"part": {"share": 0.94, "how": "all"}},
        {"part": {"share": 1.0, "how": "all"}, "foreground": "all"},
        {"part": {"share": 1.0, "how": "given"}},
        {"part": {"share": 0.001, "how": "given"}},
    ],
    ids=str,
)
def test_what_is_asked_for_or_plausible_is_not_said(changes: dict[str, Any]) -> None:
    assert warnings(*(record(**changes) for _ in range(6))) == []


ROWS, COLUMNS = np.mgrid[:60, :80].astype(np.float64)
SURFACES = {
    "plane": 500 + 0.3 * ROWS - 0.2 * COLUMNS,
    "sphere": 600 - np.sqrt(np.maximum(120.0**2 - (ROWS - 30) ** 2 - (COLUMNS - 40) ** 2, 0)),
    "steps": 500 + 30 * (COLUMNS > 40) - 12 * (ROWS > 20),
    "small": 0.5 + ROWS * 1e-5,
}


@pytest.mark.parametrize("sigma", [0.01, 0.5, 3.0])
@pytest.mark.parametrize("surface", SURFACES)
def test_noise_of_depth_is_found_on_any_surface(surface: str, sigma: float) -> None:
    random = np.random.default_rng(4)
    depth = SURFACES[surface] + random.normal(0, sigma / 1000 if surface == "small" else sigma, ROWS.shape)
    sigma /= 1000 if surface == "small" else 1
    depth[random.random(depth.shape) < 0.05] = 0
    depth[5, 5:9] = np.nan
    depth[40:43, 60:63] += 100
    everywhere = np.ones(depth.shape, bool)
    slack = 0.3 if (surface, sigma) == ("sphere", 0.01) else 0.15
    assert depth_noise(depth.astype(np.float64), everywhere) == pytest.approx(sigma, rel=slack)
    half = COLUMNS < 30
    depth[:, 35:] += random.normal(0, 50 * sigma, depth[:, 35:].shape)
    assert depth_noise(depth, half) == pytest.approx(sigma, rel=2 * slack)


def test_no_noise_is_none_and_little_says_nothing() -> None:
    everywhere = np.ones(ROWS.shape, bool)
    assert depth_noise(np.round(500 + 0.05 * ROWS), everywhere) == 0
    assert depth_noise(SURFACES["plane"], everywhere) < 1e-6
    assert depth_noise(np.random.default_rng(0).uniform(1, 2, (9, 9)), np.ones((9, 9), bool)) == 0
    assert depth_noise(np.ones((2, 80)), np.ones((2, 80), bool)) == 0


@pytest.mark.parametrize(
    ("noise", "recipe", "said"), [(0.002, None, True), (0.0, None, False), (0.0, "realistic", False)]
)
def test_defects_that_sink_into_noise_are_said_once(
    tmp_path: Path, noise: float, recipe: str | None, said: bool
) -> None:
    for index in range(4):
        part = make_part("biscuit", seed=0, index=index, size=128)
        depth = part.depth + np.random.default_rng(index).normal(0, noise, part.depth.shape).astype(np.float32)
        put(tmp_path / f"parts/rgb/{index}.png", encode_png(part.rgb))
        put(tmp_path / f"parts/depth/{index}.tiff", encode_tiff(np.where(part.valid, depth, 0).astype(np.float32)))
    drawn = None if recipe is None else Recipe.named(recipe)
    found = generate(tmp_path / "parts", tmp_path / "out", recipe=drawn, count=24, unit="m", foreground="auto").warnings
    assert len([sentence for _, sentence in found if "noise of the part's own depth" in sentence]) == said


def test_a_few_samples_are_chance() -> None:
    deep = record(severity={"relative_depth_change": 1.5})
    assert warnings(*[deep] * 3, *[record()] * 40) == []
    assert len(warnings(*[deep] * 4, *[record()] * 40)) == 1


def test_a_part_that_flickers_is_said_once_with_both_ends() -> None:
    steady = [record(part={"share": share}) for share in (0.1, 0.2, 0.3)]
    assert not warnings(*steady)
    assert not warnings(*steady, record(part={"share": 0.9, "how": "given"}))
    (said,) = warnings(*steady, record(sample="far", part={"share": 0.31}))
    assert "flickers from image to image" in said
    assert "(the part is 10% of the image) and far (the part is 31% of the image)" in said


def test_damaged_figures_are_left_out() -> None:
    collected = Collected()
    for damaged in (
        {},
        {"severity": 3},
        record(measured={"pixels": "many"}),
        record(measured={"pixels": 10**400}),
        {"figures": 3},
    ):
        collected.add(damaged)
    assert collected.breakdown().samples == 0
    collected.add({"figures": [record(), {}]})
    assert collected.breakdown().samples == 1


def test_colour_alone_has_no_depth_to_tell_of(tmp_path: Path) -> None:
    parts = write_folder(tmp_path / "parts")
    for path in (parts / "depth").iterdir():
        path.unlink()
    (parts / "depth").rmdir()
    summary = generate(parts, tmp_path / "out", recipe=RECIPE)
    assert summary.breakdown.rgb == summary.breakdown.samples == 3
    assert summary.breakdown.depth_change is summary.breakdown.relative_depth_change is summary.breakdown.area is None
    assert summary.breakdown.pixels is not None
    assert summary.warnings == ()


@pytest.mark.parametrize(
    ("kinds", "modality", "probability", "said"),
    [
        ({"stain": 1}, "depth", 1.0, True),  # which has no colour to stain
        ({"stain": 1}, "depth", 0.0, False),
        ({"dent": 1}, "depth", 1.0, False),
        ({"dent": 1}, "depth", 0.3, False),
    ],
)
def test_samples_that_nothing_changed_are_said(tmp_path, kinds, modality, probability, said):
    recipe = Recipe(kinds=kinds, modality=modality, probability=probability, size=(0.4, 0.5), dropout=0.0)
    made = generate(write_mvtec(tmp_path / "parts"), tmp_path / "out", recipe=recipe, per_image=10, seed=0)
    assert any("nothing changed that can be seen" in sentence for _, sentence in made.warnings) == said
    assert (made.breakdown.normal == made.breakdown.samples) == (said or probability == 0)
