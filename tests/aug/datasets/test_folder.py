"""Own images and what 3D cameras write, read as one layout: ranges, disparities, splits."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from das3d_cli.aug import main
from helpers.own_files import CAMERA, DEPTH, MASK, RGB, RNG, XYZ, camera, ply, put

from das3d_aug.datasets import encode_folder, open_dataset
from das3d_aug.datasets.base import normal_entries
from das3d_aug.errors import FileError, ParameterError
from das3d_aug.files import encode_mask, encode_png
from das3d_aug.geometry import depth_to_points, range_to_depth


def test_options_that_do_not_go_with_the_folder_are_refused(tmp_path):
    put(tmp_path / "a" / "rgb" / "a.png", encode_png(RGB))
    put(tmp_path / "a" / "depth" / "a.tiff", DEPTH)
    put(tmp_path / "b" / "xyz" / "a.ply", ply())
    for root, options, reason in (
        ("a", {"cloud_width": 14}, "cloud_width= is about xyz/, and .* has depth/"),
        ("a", {"encoding": "disparity"}, "depth_scale= is needed for encoding='disparity'"),
        ("a", {"depth_kind": "ray"}, "depth_kind must be one of z, range, got 'ray'"),
        ("b", {"encoding": "nyu"}, "encoding= is about depth/, and .* has xyz/"),
        ("b", {"depth_kind": "range"}, "depth_kind= is about depth/"),
        ("b", {"cloud_width": 0}, "cloud_width must be at least 1, got 0"),
    ):
        with pytest.raises(ParameterError, match=reason):
            open_dataset(tmp_path / root, **options)
    with pytest.raises(FileError, match=r"intrinsics\.json: is missing; depth_kind='range' needs the camera"):
        open_dataset(tmp_path / "a", depth_kind="range")
    put(tmp_path / "a" / "xyz" / "a.ply", ply())
    with pytest.raises(FileError, match="has depth/ and xyz/, and which is meant is not known"):
        open_dataset(tmp_path / "a")


def test_a_range_becomes_depth_by_the_length_of_its_ray(tmp_path):
    distance = np.linalg.norm(XYZ.astype(np.float64), axis=2) * 1000
    distance[1, :4] = np.nan, np.inf, -1, 1e300
    expected = np.zeros_like(DEPTH)
    for v in range(10):
        for u in range(14):
            ray = np.linalg.norm([(u - CAMERA.cx) / CAMERA.fx, (v - CAMERA.cy) / CAMERA.fy, 1])
            if 0 < distance[v, u] < 1e6:
                expected[v, u] = distance[v, u] / 1000 / ray
    np.testing.assert_allclose(
        range_to_depth(np.where(distance < 1e6, distance, 0) / 1000, CAMERA), expected, rtol=1e-6
    )
    put(tmp_path / "rgb" / "a.png", encode_png(RGB))
    put(tmp_path / "depth" / "a.npy", distance)
    camera(tmp_path)
    (sample,) = open_dataset(tmp_path, depth_kind="range", depth_scale=1000, unit="m")
    assert sample.depth.dtype == np.float32
    np.testing.assert_allclose(sample.depth, expected, rtol=1e-6)
    np.testing.assert_allclose(sample.depth[2:], DEPTH[2:], rtol=1e-6)
    assert np.array_equal(sample.valid, expected > 0)
    with pytest.raises(ParameterError, match="distance must be H x W"):
        range_to_depth(distance[0], CAMERA)


def ranged(root):
    """Write a folder with distances along the rays, all of them of the camera (70, 71, 6.5, 4.5)."""
    put(root / "rgb" / "a.png", encode_png(RGB))
    v, u = np.mgrid[:10, :14]
    ray = np.sqrt(((u - 6.5) / 70) ** 2 + ((v - 4.5) / 71) ** 2 + 1)
    put(root / "depth" / "a.npy", (DEPTH * ray).astype(np.float32))


MATRIX = [70.0, 0, 6.5, 0, 71.0, 4.5, 0, 0, 1]


@pytest.mark.parametrize(
    ("name", "content", "notes"),
    [
        ("intrinsics.json", {"K": MATRIX}, 0),
        ("camera.json", {"width": 14, "height": 10, "intrinsic_matrix": MATRIX}, 0),
        ("camera.yaml", {"width": 14, "height": 10, "intrinsic_matrix": MATRIX, "D": [0.1, 0]}, 1),
        ("ost.yml", {"width": 28, "height": 20, "fx": 140, "fy": 142, "ppx": 13.5, "ppy": 9.5}, 1),
        ("ost.yml", {"width": 28, "height": 20, "fx": 140, "fy": 142, "ppx": 13.5, "ppy": 9.5, "k1": 0.1}, 2),
    ],
)
def test_a_camera_of_any_name_and_spelling_turns_ranges_into_depth(tmp_path, name, content, notes):
    ranged(tmp_path)
    put(tmp_path / name, json.dumps(content).encode())  # JSON is YAML
    (sample,) = open_dataset(tmp_path, depth_kind="range")
    np.testing.assert_allclose(sample.depth, DEPTH, rtol=1e-6)
    assert sample.intrinsics.fx == 70
    assert len(sample.warnings) == notes
    assert all(name in note for note in sample.warnings)


def test_a_camera_of_another_image_is_refused_and_a_missing_one_named(tmp_path):
    ranged(tmp_path)
    with pytest.raises(FileError, match=r"intrinsics\.json: is missing"):
        open_dataset(tmp_path, depth_kind="range")
    put(tmp_path / "camera.json", json.dumps({"K": MATRIX, "width": 10, "height": 14}).encode())
    with pytest.raises(FileError, match=r"camera\.json: is for an image of 10 x 14 .*turned by 90 degrees"):
        list(open_dataset(tmp_path))


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint16])
def test_a_disparity_becomes_depth_and_no_disparity_none(tmp_path, dtype):
    disparity = RNG.uniform(5, 60, (10, 14)).astype(dtype)
    disparity[0, 0] = 0
    if dtype != np.uint16:
        disparity[0, 1:4] = np.inf, np.nan, -3
    put(tmp_path / "rgb" / "a.png", encode_png(RGB))
    put(tmp_path / "depth" / "a.tiff", disparity)
    (sample,) = open_dataset(tmp_path, encoding="disparity", depth_scale=960.5 * 0.12, unit="m")
    assert sample.unit == "m"
    for v in range(10):
        for u in range(14):
            valid = 0 < disparity[v, u] < np.inf
            assert sample.valid[v, u] == valid
            assert sample.depth[v, u] == (np.float32(960.5 * 0.12 / disparity[v, u]) if valid else 0)


def test_an_npz_gives_the_array_of_its_role(tmp_path):
    put(tmp_path / "rgb" / "a.png", encode_png(RGB))
    put(tmp_path / "depth" / "a.npz", {"K": np.eye(3), "depth": DEPTH, "confidence": 1 + DEPTH})
    put(tmp_path / "mask" / "a.npz", {"foreground": ~MASK, "mask": MASK})
    (sample,) = open_dataset(tmp_path)
    assert np.array_equal(sample.depth, DEPTH)
    assert np.array_equal(sample.mask, MASK)
    put(tmp_path / "depth" / "a.npz", {"z": DEPTH, "K": np.eye(3)})
    with pytest.raises(FileError, match="one array, or one named 'depth', is expected, it holds 'z', 'K'"):
        next(iter(open_dataset(tmp_path)))


@pytest.mark.parametrize("form", ["rgb/ beside depth/", "color/ beside xyz/", "xyz/"])
@pytest.mark.parametrize("several", [False, True])
def test_splits(tmp_path, form, several):
    root = tmp_path / "set"
    parts = root / "bracket" if several else root
    for folder, stem in (("train/good", "0"), ("train/good", "1"), ("test/good", "0"), ("test/scratch", "0")):
        if "/ beside" in form:
            put(parts / folder / form.split("/")[0] / f"{stem}.png", encode_png(RGB))
        if "depth" in form:
            put(parts / folder / "depth" / f"{stem}.tiff", DEPTH)
        else:
            put(parts / folder / "xyz" / f"{stem}.ply", ply())
    put(parts / "test/scratch/mask/0.png", encode_png(np.uint8(255) * MASK))
    category = "bracket" if several else "set"
    data = open_dataset(root)
    assert data.layout == "folder"
    assert data.how.startswith(f"{form} in 3 folders such as ")
    assert [entry.key for entry in data.entries] == [
        f"{category}/{rest}" for rest in ("test/good/0", "test/scratch/0", "train/good/0", "train/good/1")
    ]
    assert len(data.select(split="train", category=category, label=0)) == 2
    (bad,) = data.select(label=1)
    assert bad.entry.defect == "scratch"
    assert np.array_equal(bad.mask, MASK)
    assert np.array_equal(bad.depth, DEPTH)
    for good in data.select(label=0):
        assert not good.mask.any()
        assert np.array_equal(good.rgb, RGB)


def test_rgb_beside_xyz_below_splits_is_left_to_mvtec(tmp_path):
    put(tmp_path / "train/good/rgb/0.png", encode_png(RGB))
    put(tmp_path / "train/good/xyz/0.tiff", XYZ)
    assert open_dataset(tmp_path).layout == "mvtec3d"
    assert open_dataset(tmp_path / "train" / "good").layout == "folder"


def test_the_writer_moves_the_points_with_the_depth(tmp_path):
    depth = DEPTH + np.where(MASK, np.float32(0.01), np.float32(0))
    before = XYZ.copy()
    files = encode_folder("good/a", rgb=RGB, depth=depth, xyz=XYZ, mask=MASK)
    assert set(files) == {"rgb/good__a.png", "xyz/good__a.tiff", "mask/good__a.png"}
    for path, content in files.items():
        put(tmp_path / path, content)
    (sample,) = open_dataset(tmp_path)
    assert np.array_equal(sample.depth, depth)
    assert np.array_equal(sample.xyz[~MASK], before[~MASK])
    np.testing.assert_allclose(sample.xyz, depth_to_points(depth, CAMERA), rtol=1e-5, atol=1e-7)
    assert np.array_equal(XYZ, before)
    with pytest.raises(ParameterError, match="xyz must have the shape"):
        encode_folder("a", rgb=RGB, depth=DEPTH, xyz=XYZ[1:])


def test_the_command_line_passes_the_options(tmp_path):
    put(tmp_path / "xyz" / "a.ply", ply(size=False))
    put(tmp_path / "foreground" / "a.png", encode_png(np.uint8(255) * MASK))
    for options, code, word in (
        (["--cloud-width", "14"], 0, "written"),
        ([], 2, "name its width"),
        (["--depth-kind", "range"], 2, "--depth-kind is about depth/"),
        (["--encoding", "disparity"], 2, "--depth-scale is needed for --encoding disparity"),
    ):
        done = CliRunner().invoke(main, ["preview", str(tmp_path), "--out", f"{tmp_path}.png", *options])
        assert done.exit_code == code, done.output
        assert word in done.output


def test_a_mask_says_which_samples_of_one_folder_are_good(tmp_path):
    """Nothing is labelled there: not the anomalies of a dump either, which once were taken for good parts."""
    for name, mask in (("a", MASK), ("b", np.zeros_like(MASK)), ("c", None)):
        put(tmp_path / "rgb" / f"{name}.png", encode_png(RGB))
        if mask is not None:
            put(tmp_path / "mask" / f"{name}.png", encode_mask(mask))
    put(tmp_path / "rgb" / "d.png", encode_png(RGB))
    put(tmp_path / "mask" / "d.png", b"no picture")
    dataset = open_dataset(tmp_path)
    assert [entry.key for entry in dataset.entries if dataset.is_anomalous(entry)] == ["a"]
    assert [entry.key for entry in normal_entries(dataset)] == ["b", "c", "d"]
    assert dataset[1].entry.key == "b"
    with pytest.raises(IndexError):
        dataset[4]
