"""What "auto" is: for tables, tilted or not, for surfaces that fill the image, for a whole data set alike."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from helpers.dumps import put, tree
from helpers.tables import CAMERA, NORMAL, demo_sample, table_with_box

from das3d_aug.datasets import Entry, Sample, open_dataset
from das3d_aug.datasets.demo import FAMILIES
from das3d_aug.errors import FileError, ForegroundError, ParameterError
from das3d_aug.files import encode_mask, encode_png, encode_tiff
from das3d_aug.preparation import Preparation, prepare, prepare_sample, resolve_foreground
from das3d_aug.preview import preparation_sheet

AUTO = Preparation(foreground="auto", size=None, normalise="none")
CAMERA_FILE = json.dumps({"fx": CAMERA.fx, "fy": CAMERA.fy, "cx": CAMERA.cx, "cy": CAMERA.cy}).encode()


def plane_depth(height: np.ndarray | float = 0.0, normal: np.ndarray = NORMAL, shape: tuple[int, int] = (60, 80)):
    """Depth in metres of what rises so far above a plane 0.5 m away."""
    v, u = np.mgrid[: shape[0], : shape[1]]
    rays = np.stack([(u - CAMERA.cx) / CAMERA.fx, (v - CAMERA.cy) / CAMERA.fy, np.ones_like(u, float)], axis=-1)
    return ((height - 0.5) / (rays @ normal)).astype(np.float32)


def relief(amplitude: float, *, grain: float = 3.0, seed: int = 0) -> np.ndarray:
    """Depth of a rough surface that fills the image; its heights deviate by ``amplitude`` metres."""
    rough = cv2.GaussianBlur(np.random.default_rng(seed).normal(size=(60, 80)), (0, 0), grain)
    return plane_depth(amplitude * rough / rough.std())


def with_stone(depth: np.ndarray) -> np.ndarray:
    """Put a stone of 2 cm on a surface."""
    stone = depth.copy()
    stone[25:40, 30:50] -= 0.02
    return stone


def sample_of(depth: np.ndarray) -> Sample:
    rgb = np.full((*depth.shape, 3), 90, np.uint8)
    entry = Entry("road/train/good/000", "train", "good", 0, {}, "road")
    return Sample(entry=entry, rgb=rgb, depth=depth, valid=depth > 0, unit="m", intrinsics=CAMERA)


def road(root: Path, *, good: int = 3, camera: bool = True, amplitude: float = 4e-4) -> Path:
    """A flat surface that fills the image, with a stone on the bad ones and on one good one."""
    depths = {f"train/good/{index}": relief(amplitude, seed=index) for index in range(good)}
    depths["train/good/9"] = with_stone(relief(amplitude, seed=9))
    depths["test/stone/0"] = with_stone(relief(amplitude, seed=10))
    stone = depths["test/stone/0"] != relief(amplitude, seed=10)
    put(root / "test/stone/mask/0.png", encode_mask(stone))
    return write(root, depths, camera=camera)


def table(root: Path, *, camera: bool = True) -> Path:
    """Boxes on a tilted table, and one table that is bare."""
    depths = {f"train/good/{index}": table_with_box(noise=3e-4, seed=index)[0].need("depth") for index in range(3)}
    return write(root, {**depths, "train/good/9": plane_depth()}, camera=camera)


def write(root: Path, depths: dict[str, np.ndarray], *, camera: bool = True) -> Path:
    for place, depth in depths.items():
        folder, name = place.rsplit("/", 1)
        rgb = np.full((*depth.shape, 3), 90, np.uint8)
        rgb[0, 0] = 91  # one colour alone is warned of
        put(root / folder / f"rgb/{name}.png", encode_png(rgb))
        put(root / folder / f"depth/{name}.tiff", encode_tiff(np.nan_to_num(depth)))
    if camera:
        put(root / "intrinsics.json", CAMERA_FILE)
    return root


@pytest.mark.parametrize("normal", [NORMAL, np.array([0.0, 0.0, -1.0])], ids=["tilted", "level"])
@pytest.mark.parametrize("noise", [0.0, 5e-4, 1.5e-3])
def test_a_part_on_a_table_is_found_as_with_plane(normal: np.ndarray, noise: float) -> None:
    box = np.zeros((60, 80))
    box[20:40, 25:60] = 0.03
    sample = sample_of(plane_depth(box, normal) + np.float32(noise) * np.random.default_rng(0).normal(size=box.shape))
    made, expected = (prepare_sample(sample, replace(AUTO, foreground=name)) for name in ("auto", "plane"))
    assert made.plane == expected.plane is not None
    np.testing.assert_array_equal(made.foreground, expected.foreground)


@pytest.mark.parametrize("family", FAMILIES)
def test_computed_parts_are_found(family: str) -> None:
    assert prepare_sample(demo_sample(family), AUTO).plane is not None


@pytest.mark.parametrize("grain", [1, 3, 10])
@pytest.mark.parametrize("amplitude", [0.0, 1e-3, 2e-3, 4e-3, 8e-3, 16e-3, 30e-3])
def test_a_surface_that_fills_the_image_is_kept_whole(amplitude: float, grain: float) -> None:
    sample = sample_of(relief(amplitude, grain=grain))
    made = prepare_sample(sample, AUTO)
    assert made.warning is made.plane is None
    np.testing.assert_array_equal(made.foreground, sample.valid)


def test_a_hole_in_it_is_nothing_that_stands_out() -> None:
    holed = relief(4e-4)
    holed[25:40, 30:50] += 0.03
    assert prepare_sample(sample_of(holed), AUTO).foreground.all()
    assert not prepare_sample(sample_of(holed), replace(AUTO, foreground="plane")).foreground[:20].any()


def test_without_points_depth_or_a_distance_everything_is_the_part() -> None:
    sample, _ = table_with_box()
    for other, settings in (
        (replace(sample, intrinsics=None), AUTO),
        (replace(sample, intrinsics=None, unit="unknown"), replace(AUTO, foreground="all")),
        (replace(sample, depth=None, valid=None), AUTO),
        (sample, replace(AUTO, distance=0)),
        (sample, replace(AUTO, foreground="all")),
    ):
        made = prepare_sample(other, settings)
        assert made.warning is made.plane is None
        np.testing.assert_array_equal(made.foreground, True if other.valid is None else other.valid)


def test_a_marked_part_is_that_whatever_the_policy() -> None:
    sample, box = table_with_box()
    for policy in ("auto", "all", "plane"):
        made = prepare_sample(replace(sample, foreground=box), replace(AUTO, foreground=policy))
        np.testing.assert_array_equal(made.foreground, box & sample.valid)


def test_a_stone_on_one_road_changes_nothing(tmp_path: Path) -> None:
    source = road(tmp_path / "road")
    assert prepare_sample(sample_of(with_stone(relief(4e-4, seed=9))), AUTO).plane is not None  # judged alone
    summary = prepare(source, tmp_path / "out", settings=AUTO, unit="m")
    assert summary.decision == "5 images kept whole: nothing stands out of a plane in 3 of 4 good images"
    assert summary.warnings == summary.failures == ()
    assert all(sample.foreground.all() for sample in open_dataset(tmp_path / "out"))  # type: ignore[union-attr]
    prepare(source, tmp_path / "all", settings=replace(AUTO, foreground="all"), unit="m")
    assert tree(tmp_path / "out") == tree(tmp_path / "all")


def test_a_bare_table_among_parts_is_left_to_the_fallback(tmp_path: Path) -> None:
    source = table(tmp_path / "parts")
    summary = prepare(source, tmp_path / "out", settings=AUTO, unit="m")
    assert summary.decision == "4 images without the plane: something stands out of a plane in 3 of 4 good images"
    ((path, reason),) = summary.failures
    assert path.endswith("train/good/9")
    assert "everything lies within" in reason
    warned = prepare(source, tmp_path / "kept", settings=replace(AUTO, fallback="keep"), unit="m").warnings
    (key,) = (about for about, reason in warned if "everything lies within" in reason)
    assert key.endswith("train/good/9")


def test_without_a_camera_the_run_says_so(tmp_path: Path) -> None:
    summary = prepare(table(tmp_path / "parts", camera=False), tmp_path / "out", settings=AUTO, unit="m")
    assert summary.decision == (
        "4 images kept whole: neither points nor a camera in 4 of 4 good images (if there is a background, give the "
        "camera, or mark the part in foreground/)"
    )


def test_marked_parts_are_used_and_said(tmp_path: Path) -> None:
    source = table(tmp_path / "parts", camera=False)
    box = table_with_box()[1]
    for name in (0, 1, 2, 9):
        put(source / f"train/good/foreground/{name}.png", encode_png(box.astype(np.uint8) * 255))
    summary = prepare(source, tmp_path / "out", settings=AUTO, unit="m")
    assert summary.decision == "marked in every image"
    for sample in open_dataset(tmp_path / "out"):
        assert sample.foreground is not None
        assert not sample.foreground[~box].any()


def test_what_cannot_be_judged_is_told_when_it_is_prepared(tmp_path: Path) -> None:
    source = table(tmp_path / "parts")
    for path in (source / "train/good/depth").iterdir():
        path.write_bytes(b"II*\0")
    summary = prepare(source, tmp_path / "out", settings=AUTO, unit="m")
    assert len(summary.failures) == 4
    assert summary.decision == "4 images of which no good one can be judged"
    with pytest.raises(ParameterError, match="name its unit"):
        prepare_sample(replace(table_with_box()[0], unit="unknown"), AUTO)


def test_categories_have_answers_of_their_own(tmp_path: Path) -> None:
    both = tmp_path / "both"
    road(both / "road", camera=False)
    table(both / "part", camera=False)
    put(both / "intrinsics.json", CAMERA_FILE)
    dataset = open_dataset(both, unit="m")
    decisions = resolve_foreground(dataset, AUTO)
    assert {name: decision.policy for name, decision in decisions.items()} == {"part": "plane", "road": "all"}
    out = tmp_path / "out"
    summary = prepare(both, out, settings=replace(AUTO, fallback="keep"), unit="m")
    assert summary.decision == "; ".join(f"{name} {decision}" for name, decision in decisions.items())
    header = json.loads((out / "das3d.json").read_text())["settings"]
    assert header["foreground"] == {"part": "plane", "road": "all"}
    made = {sample.entry.key: sample.foreground for sample in open_dataset(out)}
    assert not made["part/train/good/0"].all()  # type: ignore[union-attr]
    assert made["road/train/good/9"].all()  # type: ignore[union-attr]


def test_a_folder_that_was_begun_keeps_its_answer(tmp_path: Path) -> None:
    source, out = road(tmp_path / "road"), tmp_path / "out"
    prepare(source, out, settings=AUTO, limit=2, unit="m")
    write(source, {f"train/good/{name}": with_stone(relief(4e-4, seed=name)) for name in range(20, 30)})
    summary = prepare(source, out, settings=AUTO, unit="m")
    assert (summary.decision, summary.kept) == ("as when the folder was begun: all", 2)
    with pytest.raises(FileError, match=r"\(foreground\)"):
        prepare(source, out, settings=replace(AUTO, foreground="plane"), unit="m")
    header = json.loads((out / "das3d.json").read_text())
    header["settings"]["foreground"] = "some"
    (out / "das3d.json").write_text(json.dumps(header))
    with pytest.raises(FileError, match="foreground must be 'all' or 'plane', got 'some'"):
        prepare(source, out, settings=AUTO, unit="m")


def test_folders_of_before_there_was_a_choice_go_on(tmp_path: Path) -> None:
    source, out = table(tmp_path / "parts"), tmp_path / "out"
    prepare(source, out, settings=replace(AUTO, foreground="plane", fallback="keep"), limit=2, unit="m")
    assert "foreground" not in json.loads((out / "das3d.json").read_text())["settings"]
    summary = prepare(source, out, settings=replace(AUTO, fallback="keep"), unit="m")
    assert (summary.decision, summary.kept) == ("as when the folder was begun: plane", 2)


def test_the_sheet_shows_what_the_set_is(tmp_path: Path) -> None:
    source = road(tmp_path / "road")
    whole = preparation_sheet(source, settings=replace(AUTO, foreground="all"), unit="m")
    np.testing.assert_array_equal(preparation_sheet(source, settings=AUTO, unit="m"), whole)
    assert (preparation_sheet(source, settings=replace(AUTO, foreground="plane"), unit="m") != whole).any()


def test_plane_stays_the_default_and_needs_one() -> None:
    assert Preparation() == Preparation.paper()
    assert Preparation().foreground == Preparation.three_d_ads().foreground == "plane"
    with pytest.raises(ForegroundError, match="foreground='all' looks for no plane"):
        prepare_sample(sample_of(relief(4e-4)), replace(AUTO, foreground="plane"))
