"""Own images and what 3D cameras write, read as one layout: clouds, ranges, disparities, splits."""

import json

import numpy as np
import pytest
import tifffile
from click.testing import CliRunner

from das3d_aug.datasets import encode_folder, open_dataset
from das3d_aug.errors import FileError, ParameterError
from das3d_aug.files import encode_png
from das3d_aug.geometry import Intrinsics, depth_to_points, range_to_depth
from das3d_cli.aug import main

RNG = np.random.default_rng(11)
RGB = RNG.integers(0, 256, (10, 14, 3), dtype=np.uint8)
DEPTH = RNG.uniform(0.5, 0.9, (10, 14)).astype(np.float32)
DEPTH[0, :3] = 0
CAMERA = Intrinsics(70.0, 71.0, 6.5, 4.5)
XYZ = depth_to_points(DEPTH, CAMERA)
MASK = np.zeros((10, 14), bool)
MASK[4:6, 5:9] = True


def ply(*, colours=True, xyz=XYZ, size=True):
    """A binary PLY as a camera writes it."""
    record = np.dtype([("xyz", "<f4", 3), ("rgb", "u1", 3)] if colours else [("xyz", "<f4", 3)])
    points = np.zeros(xyz.shape[:2], record)
    points["xyz"] = xyz
    lines = ["ply", "format binary_little_endian 1.0"]
    if size:
        lines += [f"obj_info num_cols {xyz.shape[1]}", f"obj_info num_rows {xyz.shape[0]}"]
    lines += [f"element vertex {points.size}", *(f"property float {axis}" for axis in "xyz")]
    if colours:
        points["rgb"] = RGB[: xyz.shape[0], : xyz.shape[1]]
        lines += [f"property uchar {name}" for name in ("red", "green", "blue")]
    return "\n".join([*lines, "end_header", ""]).encode() + points.tobytes()


def pcd(xyz=XYZ):
    height, width = xyz.shape[:2]
    head = f"VERSION .7\nFIELDS x y z\nSIZE 4 4 4\nTYPE F F F\nCOUNT 1 1 1\nWIDTH {width}\nHEIGHT {height}\n"
    head += f"VIEWPOINT 0 0 0 1 0 0 0\nPOINTS {height * width}\nDATA binary\n"
    return head.encode() + xyz.astype("<f4").tobytes()


def put(path, content):
    """Write bytes, or an array with the libraries themselves."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif path.suffix == ".npy":
        np.save(path, content)
    elif path.suffix == ".npz":
        np.savez(path, **content)
    else:
        tifffile.imwrite(path, content, photometric="rgb" if content.ndim == 3 else "minisblack")
    return path


def camera(root):
    put(root / "intrinsics.json", json.dumps({"fx": 70.0, "fy": 71.0, "cx": 6.5, "cy": 4.5}).encode())


CLOUDS = {
    "a.ply": ply(),
    "a.PLY": ply(colours=False, size=False),
    "a.pcd": pcd(),
    "a.tiff": XYZ,
    "a.npy": XYZ.astype(np.float64),
    "a.npz": {"rgb": RGB, "xyz": XYZ},
}


@pytest.mark.parametrize("name", CLOUDS)
@pytest.mark.parametrize("colour", ["rgb", "color"])
def test_clouds_beside_colour_images(tmp_path, name, colour):
    put(tmp_path / colour / "a.png", encode_png(255 - RGB))
    put(tmp_path / "xyz" / name, CLOUDS[name])
    data = open_dataset(tmp_path)
    (sample,) = data
    assert (data.layout, data.how) == ("folder", f"{colour}/ beside xyz/")
    assert (sample.entry.key, sample.entry.label, sample.unit) == ("a", None, "unknown")
    assert np.array_equal(sample.rgb, 255 - RGB)
    assert np.array_equal(sample.xyz, XYZ)
    assert np.array_equal(sample.depth, XYZ[:, :, 2])
    assert np.array_equal(sample.valid, DEPTH > 0)
    (scaled,) = open_dataset(tmp_path, depth_scale=1000, unit="m")
    assert scaled.unit == "m"
    assert scaled.xyz.dtype == scaled.depth.dtype == np.float32
    np.testing.assert_allclose(scaled.xyz, XYZ / 1000, rtol=1e-6)
    assert np.array_equal(scaled.depth, scaled.xyz[:, :, 2])
    assert np.array_equal(scaled.valid, DEPTH > 0)


def test_coloured_clouds_need_no_images(tmp_path):
    put(tmp_path / "xyz" / "a.ply", ply(size=False))
    put(tmp_path / "xyz" / "b.ply", ply(size=False))
    put(tmp_path / "mask" / "b.png", encode_png(np.uint8(255) * MASK))
    camera(tmp_path)
    with pytest.raises(FileError, match="name its width"):
        next(iter(open_dataset(tmp_path)))
    data = open_dataset(tmp_path, cloud_width=14)
    first, second = data
    assert data.how == "xyz/"
    assert np.array_equal(first.rgb, RGB)
    assert np.array_equal(first.xyz, XYZ)
    assert first.intrinsics == CAMERA
    assert first.mask is None
    assert np.array_equal(second.mask, MASK)
    put(tmp_path / "xyz" / "a.ply", ply(colours=False))
    with pytest.raises(FileError, match=r"xyz/a\.ply: has no colours .*, and there is no rgb/"):
        next(iter(open_dataset(tmp_path)))


def test_a_cloud_that_does_not_fit_its_image_or_lacks_one_is_named(tmp_path):
    put(tmp_path / "rgb" / "a.png", encode_png(RGB))
    path = put(tmp_path / "xyz" / "a.ply", ply(xyz=XYZ[1:]))
    with pytest.raises(FileError, match=r"is 9 x 14, its partner .*rgb/a\.png is 10 x 14") as caught:
        next(iter(open_dataset(tmp_path)))
    assert caught.value.path == path
    put(path, ply(xyz=XYZ.reshape(-1, 1, 3)[:-3], colours=False, size=False))
    with pytest.raises(FileError, match="holds 137 points, which are no whole rows of 14; an organised cloud"):
        next(iter(open_dataset(tmp_path)))
    (tmp_path / "rgb" / "a.png").rename(tmp_path / "rgb" / "b.png")
    data = open_dataset(tmp_path)
    for entry, role in zip(data.entries, ("rgb", "xyz"), strict=True):
        with pytest.raises(FileError, match=f"{role}/{entry.key}: no such {role} file"):
            data.open(entry)


def test_options_that_do_not_go_with_the_folder_are_refused(tmp_path):
    put(tmp_path / "a" / "rgb" / "a.png", encode_png(RGB))
    put(tmp_path / "a" / "depth" / "a.tiff", DEPTH)
    put(tmp_path / "b" / "xyz" / "a.ply", ply())
    for root, options, reason in (
        ("a", {"cloud_width": 14}, "cloud_width is about xyz/, and .* has depth/"),
        ("a", {"encoding": "disparity"}, "depth_scale is needed for encoding 'disparity'"),
        ("a", {"depth_kind": "ray"}, "depth_kind must be one of z, range, got 'ray'"),
        ("b", {"encoding": "nyu"}, "encoding is about depth/, and .* has xyz/"),
        ("b", {"depth_kind": "range"}, "depth_kind is about depth/"),
        ("b", {"cloud_width": 0}, "cloud_width must be at least 1, got 0"),
    ):
        with pytest.raises(ParameterError, match=reason):
            open_dataset(tmp_path / root, **options)
    with pytest.raises(FileError, match=r"intrinsics\.json: is missing; depth_kind 'range' needs the camera"):
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
        (["--depth-kind", "range"], 2, "depth_kind is about depth/"),
        (["--encoding", "disparity"], 2, "depth_scale is needed"),
    ):
        done = CliRunner().invoke(main, ["preview", str(tmp_path), "--out", str(tmp_path / "sheet.png"), *options])
        assert done.exit_code == code, done.output
        assert word in done.output
