"""The contact sheet shows the defect: where, which way and how strong."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from das3d_aug.colouring import colour_delta, depth_scale
from das3d_aug.datasets import open_dataset
from das3d_aug.datasets.demo import make_part
from das3d_aug.errors import FileError, ParameterError
from das3d_aug.files import encode_mask, encode_png, encode_tiff, read_rgb
from das3d_aug.generation import generate
from das3d_aug.preview import contact_sheet, defects_sheet, shade
from das3d_aug.preview.layout import PART, outlined, whole, with_scale_bar
from das3d_aug.preview.sheets import ends
from das3d_aug.synthesis import Recipe


@pytest.fixture
def parts(tmp_path: Path) -> Path:
    for kind in ("rgb", "depth"):
        (tmp_path / "parts" / kind).mkdir(parents=True)
    for index in range(3):
        part = make_part("potato", seed=1, index=index, size=48)
        (tmp_path / f"parts/rgb/p{index}.png").write_bytes(encode_png(part.rgb))
        (tmp_path / f"parts/depth/p{index}.tiff").write_bytes(encode_tiff(part.depth))
    return tmp_path / "parts"


def test_one_row_a_sample_and_the_same_sheet_every_time(parts: Path) -> None:
    one, two, all_three = (contact_sheet(parts, count=count, seed=3) for count in (1, 2, 9))
    assert one.dtype == np.uint8
    row = two.shape[0] - one.shape[0]
    assert row > 200
    assert all_three.shape == (one.shape[0] + 2 * row, *one.shape[1:])
    np.testing.assert_array_equal(one, all_three[: one.shape[0]])
    np.testing.assert_array_equal(two, contact_sheet(parts, count=2, seed=3))
    assert (two != contact_sheet(parts, count=2, seed=4)).any()


def test_every_row_shows_a_defect_in_both_modalities_and_nothing_outside_its_mask(parts: Path) -> None:
    sheet = contact_sheet(parts, count=1, recipe=Recipe(dropout=1.0, probability=0.0))
    np.testing.assert_array_equal(sheet, contact_sheet(parts, count=1))
    tile = sheet.shape[1] // 8
    rgb, depth, depth_after, delta, mask, anomalous, before, after = (
        sheet[60:-90, n * tile + 10 : n * tile + 200] for n in range(8)
    )
    inside = mask[:, :, 0] > 0
    assert 0 < inside.mean() < 0.3
    assert (rgb[inside] != anomalous[inside]).any()
    for first, second in ((rgb, anomalous), (depth, depth_after)):
        other = (first != second).any(axis=2) & ~inside
        outline = (first == PART).all(axis=2)
        assert outline.any()
        np.testing.assert_array_equal(other, outline & ~inside)
    assert (delta[inside] < 255).any()
    assert (before != after).any()


def test_delta_is_white_at_zero_blue_below_red_above() -> None:
    colours = colour_delta(np.array([[-2.0, 0.0, 1.0, 2.0]], np.float32), 2.0)[0].astype(int)
    assert colours[1].tolist() == [255, 255, 255]
    assert colours[0, 2] > colours[0, 0]
    assert colours[3, 0] > colours[3, 2]
    assert colours[3, 2] < colours[2, 2] < 255


def test_shading_shows_a_shallow_dent_and_greys_out_invalid_pixels() -> None:
    y, x = np.mgrid[:64, :64].astype(np.float32)
    before = 0.5 + 1e-4 * x
    dent = 0.002 * np.exp(-((x - 32) ** 2 + (y - 32) ** 2) / 50).astype(np.float32)
    valid = np.ones((64, 64), bool)
    valid[:8] = False
    inside = valid.copy()
    first, second = shade(np.where(valid, before, 0), np.where(valid, before + dent, 0), valid, inside)
    assert (first[:8] == 128).all()
    assert first[20:, 4:-4].std() < 1
    difference = second.astype(int) - first
    assert np.ptp(difference[20:44, 20:44]) > 60
    assert abs(difference[50:, :12]).max() < 8
    # The light comes from the upper left: the dent's far wall, at the lower right, faces it.
    assert second[38, 38, 0] > second[26, 26, 0]


def test_count_is_checked(parts: Path) -> None:
    with pytest.raises(ParameterError, match="count must be at least 1, got 0"):
        contact_sheet(parts, count=0)


def test_a_bad_sample_is_a_line_and_the_others_are_drawn(parts: Path) -> None:
    whole = contact_sheet(parts, count=3)
    (parts / "depth/p1.tiff").write_bytes(b"II")
    told: list[tuple[str, str]] = []
    sheet = contact_sheet(parts, count=3, on_failure=lambda sample, reason: told.append((sample, reason)))
    ((name, reason),) = told
    assert name == "p1"
    assert "p1.tiff" in reason
    row = (whole.shape[0] - contact_sheet(parts, count=1).shape[0]) // 2
    np.testing.assert_array_equal(sheet[: whole.shape[0] - 2 * row], whole[: whole.shape[0] - 2 * row])
    np.testing.assert_array_equal(sheet[-row:], whole[-row:])
    for index in (0, 2):
        (parts / f"depth/p{index}.tiff").write_bytes(b"II")
    with pytest.raises(FileError, match=r"p0\.tiff"):
        contact_sheet(parts, count=3)


def test_grey_stays_grey(parts: Path) -> None:
    for path in (parts / "rgb").iterdir():
        path.write_bytes(encode_png(np.ascontiguousarray(read_rgb(path)[:, :, 0])))
    sheet = contact_sheet(parts, count=1)
    tile = sheet.shape[1] // 8
    anomalous = sheet[60:-90, 5 * tile + 10 : 5 * tile + 200]
    assert np.ptp(anomalous, axis=2).max() == 0


def test_the_outline_runs_around_the_part_and_along_the_frame() -> None:
    picture = np.zeros((224, 224, 3), np.uint8)
    part = np.zeros((224, 224), bool)
    part[50:100, 60:120] = True
    marked = (outlined(picture, part) == PART).all(axis=2)
    assert marked.sum() == 2 * 50 + 2 * 58
    assert marked[50, 60:120].all()
    assert (outlined(picture, np.ones_like(part))[[0, -1]] == PART).all()
    assert not (outlined(picture, ~part & False) == PART).all(axis=2).any()


@pytest.mark.parametrize(("pixel", "pixels"), [(0.4, 50), (0.33, 61), (1.0, 50), (0.001, 50)])
def test_the_scale_bar_has_a_round_length_true_to_scale(pixel: float, pixels: int) -> None:
    """A tile's pixel is one of the image here: 67 at most, and 20, 50, … of the unit."""
    out = with_scale_bar(np.full((224, 224, 3), 90, np.uint8), (224, 224), pixel, "mm")
    dark = (out[-11:-8] == 0).all(axis=(0, 2))
    assert dark.sum() == pytest.approx(pixels, abs=1)
    assert dark[8 : 8 + dark.sum()].all()


@pytest.mark.parametrize("size", [(48, 64), (480, 640)])
def test_scattered_holes_are_not_outlined_and_real_ones_are(size: tuple[int, int], tmp_path: Path) -> None:
    rows, columns = np.mgrid[: size[0], : size[1]] / size[0]
    solid = np.hypot(rows - 0.5, columns - 0.66) < 0.45
    ring = solid & (np.hypot(rows - 0.5, columns - 0.66) > 0.1)
    scattered = ring & (np.random.default_rng(0).random(size) > 0.03)
    assert np.count_nonzero(whole(scattered) ^ ring) < 0.05 * np.count_nonzero(scattered ^ ring) + 30
    blank = np.full((*size, 3), 200, np.uint8)
    found = [int((outlined(blank, mask) == PART).all(axis=2).sum()) for mask in (solid, ring, whole(scattered))]
    assert found[0] < found[1] < 1.1 * found[2] < 1.3 * found[1]
    noisy = np.where(scattered, 0.5 - 0.02 * columns, 0).astype(np.float32)
    put = {"rgb": encode_png(blank), "depth": encode_tiff(noisy), "foreground": encode_mask(scattered)}
    for role, data in put.items():
        (tmp_path / role).mkdir()
        (tmp_path / role / ("a.tiff" if role == "depth" else "a.png")).write_bytes(data)
    sheet = contact_sheet(tmp_path, count=1, recipe=Recipe(modality="depth"))
    tile = sheet[60:-60, : sheet.shape[1] // 8]
    assert int((tile == PART).all(axis=2).sum()) < 1.6 * found[1]


def test_a_folder_of_anomalies_is_drawn_as_it_is(parts: Path, tmp_path: Path) -> None:
    generate(parts, tmp_path / "out", count=3, seed=0)
    sheet = contact_sheet(tmp_path / "out")
    stored = open_dataset(tmp_path / "out")
    np.testing.assert_array_equal(sheet[30:], defects_sheet([("", [stored[index] for index in range(3)])])[30:])
    (tmp_path / "out/rgb/p1_001.png").write_bytes(b"")
    told: list[str] = []
    assert contact_sheet(tmp_path / "out", on_failure=lambda key, _: told.append(key)).shape[1] < sheet.shape[1]
    assert told == ["p1_001"]


def test_heights_are_named_as_the_source_has_them(tmp_path: Path) -> None:
    heights = (np.random.default_rng(0).random((48, 48)) - 0.5).astype(np.float32)
    (tmp_path / "depth").mkdir()
    (tmp_path / "depth/a.tiff").write_bytes(encode_tiff(heights))
    (sample,) = open_dataset(tmp_path, depth_axis="towards", unit="mm")
    low, high = np.percentile(heights, (2, 98))
    scale = depth_scale(sample.depth, sample.valid, sample.valid)
    named = ends(sample, scale)
    assert [name.split()[0] for name in named] == ["high", "low"]
    assert [float(name.split()[1]) for name in named] == pytest.approx([high, low], abs=1e-3)
    assert all(name.endswith(" mm") for name in named)
    assert ends(replace(sample, stored=None), (0.5, 0.7)) == ("near 0.5 mm", "far 0.7 mm")
