"""What `generate` writes, read back by the readers: the same samples, in every format, from every kind of source."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from helpers.dumps import CAMERA, RECIPE, put, recipes, tree, write_folder, write_mvtec

from das3d_aug.datasets import Dataset, Entry, open_dataset
from das3d_aug.datasets.demo import make_part
from das3d_aug.datasets.webdataset import WebDatasetDataset
from das3d_aug.errors import FileError, ParameterError
from das3d_aug.files import encode_png, encode_tiff, read_camera, read_plane, read_points
from das3d_aug.generation import generate, replay
from das3d_aug.generation.formats import FORMATS, default_format
from das3d_aug.geometry import Intrinsics, Orthographic
from das3d_aug.preparation import resize_sample
from das3d_aug.synthesis import Plan, Recipe, Severity, kind_of, measure_severity, render, synthesize

MIXED = Recipe(area=(0.1, 0.3))  # half of each modality dropped: all four kinds occur


def records(dump: Dataset) -> dict[str, dict[str, Any]]:
    """Return the recipe of each sample by the dump's key."""
    if isinstance(dump, WebDatasetDataset):
        return {entry.key: dump.record(entry) for entry in dump.entries}
    by_file = {}
    for path in recipes(dump.root):
        record = json.loads(path.read_bytes())
        by_file |= dict.fromkeys(record["files"], record)
    return {entry.key: by_file[entry.files["rgb"].relative_to(dump.root).as_posix()] for entry in dump.entries}


def modality_masks(dump: Dataset, entry: Entry) -> tuple[np.ndarray, np.ndarray]:
    if isinstance(dump, WebDatasetDataset):
        planes = [read_plane(entry.files[role], data=dump.read(entry, role)) > 0 for role in ("rgb_mask", "depth_mask")]
        return planes[0], planes[1]
    if dump.layout == "eyecandies":
        bumps, dents = (read_plane(entry.files[f"{kind}_mask"]) > 0 for kind in ("bumps", "dents"))
        assert not (bumps & dents).any()
        return read_plane(entry.files["colors_mask"]) > 0, bumps | dents
    folder, name = entry.files["rgb"].parent.parent, entry.files["rgb"].name
    return read_plane(folder / "rgb_mask" / name) > 0, read_plane(folder / "depth_mask" / name) > 0


@pytest.mark.parametrize("written_as", FORMATS)
@pytest.mark.parametrize("write", [write_mvtec, lambda root: write_folder(root, camera=True)], ids=["points", "camera"])
def test_a_dump_reads_back_as_what_was_made(tmp_path: Path, write: Callable[[Path], Path], written_as: str) -> None:
    parts, out = write(tmp_path / "parts"), tmp_path / "out"
    summary = generate(parts, out, recipe=MIXED, per_image=4, seed=7, size=40, format=written_as, shard_size=5)
    assert (summary.written, summary.failures, summary.format) == (12, (), written_as)

    source, dump = open_dataset(parts), open_dataset(out)
    assert dump.layout == written_as
    known = records(dump)
    assert len(known) == 12
    kinds = []
    for entry in dump.entries:
        record = known[entry.key]
        origin = next(entry for entry in source.entries if entry.key == record["source"]["key"])
        normal = resize_sample(source.open(origin), (40, 40))
        pair = render(normal.rgb, normal.depth, Plan.from_dict(record["plan"]))
        made = dump.open(entry)

        np.testing.assert_array_equal(made.rgb, pair.rgb)
        step = np.ptp(np.where(normal.valid, pair.depth, 0)) / 65535 if written_as == "eyecandies" else 0
        np.testing.assert_allclose(made.depth, pair.depth, rtol=1e-6 if step else 0, atol=step / 2)
        np.testing.assert_array_equal(made.valid, normal.valid)
        assert made.mask is not None
        np.testing.assert_array_equal(made.mask, pair.mask)
        rgb_mask, depth_mask = modality_masks(dump, entry)
        np.testing.assert_array_equal(rgb_mask, pair.rgb_changed)
        np.testing.assert_array_equal(depth_mask, pair.depth_changed)
        if written_as == "mvtec3d":
            assert made.xyz is not None
            np.testing.assert_array_equal(made.xyz[..., 2], pair.depth)
            still = ~pair.depth_changed
            if normal.xyz is not None:
                np.testing.assert_array_equal(made.xyz[still], normal.xyz[still])

        assert record["kind"] == kind_of(pair)
        assert Severity(**record["severity"]) == measure_severity(normal.rgb, normal.depth, pair)
        assert record["label"] == int(pair.mask.any())
        assert entry.label == (None if written_as == "folder" else record["label"])
        kinds.append(record["kind"])
    assert set(kinds) == {"normal", "rgb", "depth", "both"}


def test_by_default_a_source_is_written_as_what_it_is_most_like(tmp_path: Path) -> None:
    assert generate(write_mvtec(tmp_path / "a"), tmp_path / "b", limit=1).format == "mvtec3d"
    assert generate(write_folder(tmp_path / "c"), tmp_path / "d", limit=1).format == "folder"
    generate(write_folder(tmp_path / "e"), tmp_path / "f", recipe=Recipe(dropout=1.0), format="eyecandies")
    assert generate(tmp_path / "f", tmp_path / "g", layout="eyecandies", light="all").format == "eyecandies"
    assert [default_format(layout) for layout in ("realiad_d3", "adam3d", "somebody's")] == [
        "mvtec3d",
        "mvtec3d",
        "folder",
    ]


def test_what_has_neither_points_nor_a_camera_is_not_written_as_points(tmp_path: Path) -> None:
    parts = write_folder(tmp_path / "parts")
    with pytest.raises(ParameterError, match=r"format 'mvtec3d' stores points, and 'p0' has neither .*; use another"):
        generate(parts, tmp_path / "out", format="mvtec3d")
    with pytest.raises(
        ParameterError, match="format must be one of mvtec3d, folder, eyecandies, webdataset, got 'zip'"
    ):
        generate(parts, tmp_path / "out", format="zip")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("written_as", FORMATS)
def test_a_sample_of_which_nothing_is_anomalous_is_a_normal_one(tmp_path: Path, written_as: str) -> None:
    parts, out = write_mvtec(tmp_path / "parts"), tmp_path / "out"
    generate(parts, out, recipe=Recipe(dropout=1.0), format=written_as)
    dump = open_dataset(out)
    assert len(dump.entries) == 3
    for entry in dump.entries:
        assert entry.label == (None if written_as == "folder" else 0)
        mask = dump.open(entry).mask
        assert mask is not None
        assert not mask.any()
    if written_as == "mvtec3d":
        assert [entry.key for entry in dump.entries] == [f"biscuit/test/good/synthetic_00{k}" for k in range(3)]


@pytest.mark.parametrize("written_as", ["folder", "webdataset"])
def test_the_camera_goes_along(tmp_path: Path, written_as: str) -> None:
    parts, out = write_folder(tmp_path / "parts", camera=True), tmp_path / "out"
    generate(parts, out, recipe=RECIPE, size="24x36", format=written_as)
    dump = open_dataset(out)
    for sample in dump:
        assert sample.intrinsics == Intrinsics(**CAMERA).scaled(24 / 48, 36 / 48)
    if written_as == "folder":
        files = json.loads((out / "manifest.json").read_bytes())["sha256"]
        assert files["intrinsics.json"] == tree(out)["intrinsics.json"]
        (parts / "intrinsics.json").write_text(json.dumps(CAMERA | {"fx": 100.0}))
        with pytest.raises(FileError, match=r"\(intrinsics\)"):
            generate(parts, out, recipe=RECIPE, size="24x36", format=written_as)


def test_one_camera_file_serves_no_two_cameras(tmp_path: Path) -> None:
    parts = write_folder(tmp_path / "parts", camera=True)
    small = make_part("potato", seed=1, index=9, size=36)
    put(parts / "rgb/small.png", encode_png(small.rgb))
    put(parts / "depth/small.tiff", encode_tiff(small.depth))
    summary = generate(parts, tmp_path / "out", recipe=RECIPE, size=24)
    assert summary.written == 3
    ((path, reason),) = summary.failures
    assert path == str(parts / "small")
    assert reason == "its camera is another one than the first sample's; use format 'webdataset'"
    assert generate(parts, tmp_path / "shards", recipe=RECIPE, size=24, format="webdataset").written == 4


def test_points_come_from_the_camera_whatever_it_is(tmp_path: Path) -> None:
    source = open_dataset(write_folder(tmp_path / "parts"), unit="mm")
    parallel = replace(source.open(source.entries[0]), intrinsics=Orthographic(0.5, 0.25))  # mm per pixel
    pair = synthesize(parallel.rgb, parallel.depth, recipe=RECIPE, seed=0)
    assert pair.depth_changed.any()
    files = FORMATS["mvtec3d"].encode("object/000", parallel, pair, "default")
    xyz = tifffile.imread(io.BytesIO(files["object/test/synthetic/xyz/000.tiff"]))
    rows, columns = np.nonzero(parallel.valid)
    np.testing.assert_allclose(np.diff(xyz[parallel.valid, 0]), np.diff(columns) * 0.0005, atol=1e-7)
    np.testing.assert_allclose(np.diff(xyz[parallel.valid, 1]), np.diff(rows) * 0.00025, atol=1e-7)
    np.testing.assert_array_equal(xyz[..., 2], pair.depth / 1000)
    (tmp_path / "camera.json").write_bytes(FORMATS["folder"].common(parallel)["intrinsics.json"])
    assert read_camera(tmp_path / "camera.json") == parallel.intrinsics


@pytest.mark.parametrize("written_as", ["mvtec3d", "eyecandies"])
def test_millimetres_become_metres(tmp_path: Path, written_as: str) -> None:
    parts, out = tmp_path / "parts", tmp_path / "out"
    part = make_part("potato", seed=1, index=0, size=48)
    put(parts / "rgb/p.png", encode_png(part.rgb))
    put(parts / "depth/p.tiff", encode_tiff(part.depth * 1000))
    put(parts / "intrinsics.json", json.dumps(CAMERA).encode())
    generate(parts, out, recipe=Recipe(dropout=0.0, modality="rgb"), format=written_as, unit="mm")
    (sample,) = open_dataset(out)
    assert sample.unit == "m"
    np.testing.assert_allclose(sample.depth, part.depth, atol=1e-5)
    (recipe,) = recipes(out)
    assert json.loads(recipe.read_bytes())["unit"] == "mm"


def write_heights(root: Path, numbers: np.ndarray) -> Path:
    part = make_part("potato", seed=1, index=0, size=48)
    put(root / "rgb/p.png", encode_png(part.rgb))
    put(root / "depth/p.tiff", encode_tiff(numbers))
    put(root / "intrinsics.json", json.dumps({"pitch_x": 0.1, "pitch_y": 0.1}).encode())
    return root


@pytest.mark.parametrize("written_as", ["folder", "webdataset"])
@pytest.mark.parametrize(("dtype", "scale"), [(np.int16, 1000.0), (np.int32, 10000.0), (np.float32, None)])
def test_heights_are_written_as_heights(tmp_path: Path, written_as: str, dtype: type, scale: float | None) -> None:
    part = make_part("potato", seed=1, index=0, size=48)
    heights = np.where(part.depth > 0, (np.median(part.depth) - part.depth) * 1000, 0) * (scale or 1.0)
    numbers = heights.astype(dtype)
    numbers[:2] = -32768
    parts, out = write_heights(tmp_path / "parts", numbers), tmp_path / "out"
    options: dict[str, Any] = {"depth_axis": "towards", "invalid": (-32768,), "unit": "mm"}
    if scale is not None:
        options["depth_scale"] = scale
    recipe = replace(RECIPE, dropout=0.0, modality="depth")
    summary = generate(parts, out, recipe=recipe, per_image=3, format=written_as, **options)
    assert (summary.written, summary.failures, summary.warnings) == (3, (), ())
    (normal,) = open_dataset(parts, **options)
    dump = open_dataset(out)
    changed = np.zeros(numbers.shape, bool)
    for entry in dump.entries:
        stored = read_plane(dump.file(entry, "depth"), data=dump.read(entry, "depth"))
        assert stored.dtype == dtype
        _, depth_changed = modality_masks(dump, entry)
        np.testing.assert_array_equal(stored[~depth_changed], numbers[~depth_changed])
        changed |= depth_changed & (stored != numbers)
        made = dump.open(entry)
        assert made.unit == "mm"
        np.testing.assert_array_equal(made.valid, normal.valid)
        pair = render(normal.rgb, normal.depth, Plan.from_dict(records(dump)[entry.key]["plan"]))
        np.testing.assert_allclose(made.depth, pair.depth, atol=1e-4 + 0.5 / (scale or np.inf))
    assert changed.any()
    paths = sorted(out.glob("shard-*.tar")) or recipes(out)
    for path in paths:
        assert replay(path, sample="000000" if path.suffix == ".tar" else None).differences == ()


@pytest.mark.parametrize("written_as", ["folder", "webdataset"])
def test_the_unit_goes_along(tmp_path: Path, written_as: str) -> None:
    parts = write_folder(tmp_path / "parts")
    for unit in ("mm", None):
        options = {} if unit is None else {"unit": unit}
        generate(parts, tmp_path / f"{unit}", format=written_as, **options)
        assert {sample.unit for sample in open_dataset(tmp_path / f"{unit}")} == {unit or "unknown"}


@pytest.mark.parametrize("written_as", ["folder", "webdataset"])
def test_depth_is_written_as_16_bit_png_if_that_is_asked_for(tmp_path: Path, written_as: str) -> None:
    parts, out = write_folder(tmp_path / "parts"), tmp_path / "out"
    summary = generate(parts, out, recipe=RECIPE, format=written_as, unit="m", depth_png=20000)
    assert (summary.written, summary.failures) == (3, ())
    source, dump = open_dataset(parts, unit="m"), open_dataset(out)
    for sample in dump:
        record = records(dump)[sample.entry.key]
        assert sample.entry.files["depth"].suffix == ".png"
        assert sample.unit == "m"
        normal = source.open(next(entry for entry in source.entries if entry.key == record["source"]["key"]))
        pair = render(normal.rgb, normal.depth, Plan.from_dict(record["plan"]))
        np.testing.assert_allclose(sample.depth, pair.depth, atol=0.501 / 20000)
        np.testing.assert_array_equal(sample.valid, normal.valid)
    path = next(out.glob("shard-*.tar"), None)
    assert replay(path or recipes(out)[0], sample="000000" if path else None).differences == ()
    with pytest.raises(FileError, match=r"other settings wrote this folder \(depth_png\)"):
        generate(parts, out, recipe=RECIPE, format=written_as, unit="m", depth_png=1000)


def test_a_png_that_cannot_hold_the_depth_is_refused_at_once(tmp_path: Path) -> None:
    parts = write_folder(tmp_path / "parts")
    for options, reason in (
        ({"depth_png": 1e6}, "take fewer steps per unit"),
        ({"depth_png": 0}, "depth_png must be positive"),
        ({"depth_png": 100, "format": "eyecandies"}, "is for the formats folder and webdataset"),
    ):
        with pytest.raises(ParameterError, match=reason):
            generate(parts, tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("heights", [False, True])
def test_points_before_and_after_are_given_on_request(tmp_path: Path, heights: bool) -> None:
    options: dict[str, Any] = {"depth_axis": "towards", "unit": "mm"} if heights else {}
    if heights:
        part = make_part("potato", seed=1, index=0, size=48)
        parts = write_heights(tmp_path / "parts", (300 - 1000 * part.depth).astype(np.float32))
    else:
        parts = write_mvtec(tmp_path / "parts")
    recipe = replace(RECIPE, dropout=0.0, modality="depth")
    generate(parts, tmp_path / "out", recipe=recipe, limit=1, format="folder", **options)
    (recipe_path,) = recipes(tmp_path / "out")
    assert replay(recipe_path).clouds == {}
    clouds = replay(recipe_path, points=True).clouds
    assert [name.rsplit("_", 1)[1] for name in clouds] == ["before.ply", "after.ply"]
    (tmp_path / "a.ply").write_bytes(next(iter(clouds.values())))
    (tmp_path / "b.ply").write_bytes(list(clouds.values())[1])
    before, after = (read_points(tmp_path / name).xyz.reshape(48, 48, 3) for name in ("a.ply", "b.ply"))
    dump = open_dataset(tmp_path / "out")
    (entry,) = dump.entries
    _, changed = modality_masks(dump, entry)
    np.testing.assert_array_equal(before[~changed], after[~changed])
    assert (before[changed] != after[changed]).any(axis=1).all()
    stored = read_plane(dump.file(entry, "depth"))
    np.testing.assert_allclose(after[dump.open(entry).valid][:, 2], stored[dump.open(entry).valid], atol=1e-4)


def test_heights_in_a_set_of_points_move_straight_up(tmp_path: Path) -> None:
    v, u = np.mgrid[:48, :48]
    part = make_part("potato", seed=1, index=0, size=48)
    xyz = np.dstack([u * 0.5, v * 0.5, 300 - 1000 * part.depth]).astype(np.float32)
    put(tmp_path / "parts/rgb/p.png", encode_png(part.rgb))
    put(tmp_path / "parts/xyz/p.tiff", encode_tiff(xyz))
    recipe = replace(RECIPE, dropout=0.0, modality="depth")
    generate(tmp_path / "parts", tmp_path / "out", recipe=recipe, format="mvtec3d", depth_axis="towards", unit="mm")
    (sample,) = open_dataset(tmp_path / "out")
    assert sample.xyz is not None
    np.testing.assert_allclose(sample.xyz[..., :2][sample.valid], xyz[..., :2][sample.valid] / 1000, rtol=1e-6)
