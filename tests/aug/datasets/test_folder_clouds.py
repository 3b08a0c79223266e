"""Clouds in folders of one's own: organised, of no order, of a profiler."""

import json
from dataclasses import replace

import numpy as np
import pytest
from helpers.own_files import CAMERA, DEPTH, MASK, RGB, RNG, XYZ, camera, pcd, ply, put

from das3d_aug.datasets import open_dataset
from das3d_aug.errors import FileError
from das3d_aug.files import encode_png

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
    (grey, _) = open_dataset(tmp_path, cloud_width=14)
    assert grey.rgb is None
    assert np.array_equal(grey.xyz, XYZ)
    for mode in ("rgb", "rgbd"):
        with pytest.raises(FileError, match=r"xyz/a\.ply: has no colours .*, and there is no rgb/"):
            next(iter(open_dataset(tmp_path, mode=mode)))
    _, coloured = open_dataset(tmp_path, cloud_width=14, mode="depth")
    assert coloured.rgb is None
    (tmp_path / "xyz" / "a.ply").unlink()
    (coloured,) = open_dataset(tmp_path, cloud_width=14, mode="rgb")
    assert coloured.depth is coloured.xyz is None
    assert np.array_equal(coloured.rgb, RGB)


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


def test_a_cloud_of_no_order_is_seen_by_its_camera(tmp_path):
    order = RNG.permutation(DEPTH.size)
    order = order[DEPTH.ravel()[order] > 0][:-9]  # the invalid points were dropped, and some others
    shown = np.zeros(DEPTH.size, bool)
    shown[order] = True
    points, colours = XYZ.reshape(-1, 3)[order], RGB.reshape(-1, 3)[order]
    expected = np.where(shown.reshape(DEPTH.shape), DEPTH, 0)
    camera(tmp_path)
    path = put(tmp_path / "xyz" / "a.npy", points)
    with pytest.raises(FileError, match=r"make a row.*or give width and height beside the camera in intrinsics\.json"):
        next(iter(open_dataset(tmp_path)))
    sized = {"fx": 70.0, "fy": 71.0, "cx": 6.5, "cy": 4.5, "width": 14, "height": 10}
    put(tmp_path / "intrinsics.json", json.dumps(sized).encode())
    (alone,) = open_dataset(tmp_path)
    assert alone.rgb is None
    np.testing.assert_allclose(alone.depth, expected, rtol=1e-6)
    path.unlink()
    record = np.zeros(len(points), np.dtype([("xyz", "<f4", 3), ("rgb", "u1", 3)]))
    record["xyz"], record["rgb"] = points, colours
    head = ["ply", "format binary_little_endian 1.0", f"element vertex {len(points)}"]
    head += [f"property float {axis}" for axis in "xyz"] + [f"property uchar {c}" for c in ("red", "green", "blue")]
    mesh = ["element face 1", "property list uchar int vertex_indices", "end_header", ""]
    put(tmp_path / "xyz" / "a.ply", "\n".join(head + mesh).encode() + record.tobytes() + b"\3" + bytes(12))
    (sample,) = open_dataset(tmp_path)
    assert np.array_equal(sample.depth, expected)
    assert np.array_equal(sample.valid, expected > 0)
    assert np.array_equal(sample.rgb, np.where(expected[:, :, None] > 0, RGB, 0))
    assert sample.intrinsics == replace(CAMERA, width=14, height=10)
    assert sample.xyz is None
    put(tmp_path / "rgb" / "a.png", encode_png(RGB))  # an image says the size too
    camera(tmp_path)
    (sample,) = open_dataset(tmp_path)
    assert np.array_equal(sample.depth, expected)
    assert np.array_equal(sample.rgb, RGB)


def test_rows_of_a_profiler_are_sorted_into_their_grid(tmp_path):
    v, u = np.mgrid[:10, :14]
    rows = np.stack([100 + 0.02 * u, 0.05 * v, np.sin(u) * 2], -1)
    kept = RNG.random((10, 14)) > 0.2
    kept[0, 0] = kept[9, 13] = True
    put(tmp_path / "rgb" / "a.png", encode_png(RGB))
    put(tmp_path / "xyz" / "a.npy", rows[kept])
    (sample,) = open_dataset(tmp_path, depth_axis="towards", unit="mm")
    assert np.array_equal(sample.valid, kept)
    np.testing.assert_allclose(sample.depth[kept], 1000 - rows[kept][:, 2], rtol=1e-6)
    np.testing.assert_allclose([sample.intrinsics.pitch_x, sample.intrinsics.pitch_y], [0.02, 0.05], rtol=1e-3)
    np.testing.assert_allclose(sample.xyz[kept][:, :2], rows[kept][:, :2], rtol=1e-6)
    restored = sample.stored.restore(sample.depth, sample.depth)
    np.testing.assert_array_equal(restored, np.where(kept, rows[:, :, 2], np.nan).astype(np.float32))
    put(tmp_path / "xyz" / "a.npy", RNG.uniform(1, 2, (77, 3)))
    with pytest.raises(FileError, match=r"77 points.*or give the camera as intrinsics\.json.*on no regular grid"):
        next(iter(open_dataset(tmp_path)))
