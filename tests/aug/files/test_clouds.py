"""Organised clouds written from the format descriptions, by Open3D and by das3d."""

import struct

import numpy as np
import open3d
import pytest
from helpers.cloud_files import HEIGHT, RGB, RNG, SIZE, WHOLE, WIDTH, XYZ, pcd, ply, put

from das3d_aug.errors import FileError, ParameterError
from das3d_aug.files import encode_ply, read_organized


@pytest.mark.parametrize("name", WHOLE)
def test_the_points_and_colours_are_as_stored(tmp_path, name):
    cloud = read_organized(put(tmp_path, name, WHOLE[name]))
    assert cloud.xyz.dtype == np.float32
    assert cloud.xyz.flags.c_contiguous
    assert cloud.xyz.flags.writeable
    assert np.array_equal(cloud.xyz, XYZ)
    coloured = b"red" in WHOLE[name][:500] or b"rgb" in WHOLE[name][:500]
    assert (cloud.rgb is not None) == coloured
    if coloured:
        assert cloud.rgb.dtype == np.uint8
        assert np.array_equal(cloud.rgb, RGB)


# Open3D needs x, y and z of a PLY in this order, and reads no coordinate of 8 bytes from a PCD.
@pytest.mark.parametrize("name", sorted(WHOLE.keys() - {"shuffled.ply", "mixed.pcd", "packedmixed.pcd"}))
def test_open3d_reads_the_same_from_the_files_written_here(tmp_path, name):
    path = put(tmp_path, name, WHOLE[name])
    twin = open3d.io.read_point_cloud(str(path), remove_nan_points=False)
    cloud = read_organized(path)
    np.testing.assert_allclose(np.asarray(twin.points), cloud.xyz.reshape(-1, 3), rtol=1e-6)
    if cloud.rgb is not None:
        assert np.array_equal(np.rint(np.asarray(twin.colors) * 255), cloud.rgb.reshape(-1, 3))


@pytest.mark.parametrize(
    ("suffix", "options"),
    [
        ("ply", {}),
        ("ply", {"write_ascii": True}),
        ("pcd", {}),
        ("pcd", {"write_ascii": True}),
        ("pcd", {"compressed": True}),
    ],
)
def test_files_written_by_open3d_are_read(tmp_path, suffix, options):
    xyz = XYZ.copy()
    xyz[2, 2] = np.nan
    cloud = open3d.geometry.PointCloud(open3d.utility.Vector3dVector(xyz.reshape(-1, 3).astype(float)))
    cloud.colors = open3d.utility.Vector3dVector(RGB.reshape(-1, 3) / 255)
    cloud.normals = open3d.utility.Vector3dVector(RNG.normal(size=(HEIGHT * WIDTH, 3)))
    path = tmp_path / f"cloud.{suffix}"
    assert open3d.io.write_point_cloud(str(path), cloud, **options)
    read = read_organized(path, width=WIDTH)
    np.testing.assert_allclose(read.xyz, np.nan_to_num(xyz), rtol=1e-6)
    assert np.array_equal(read.rgb, RGB)
    with pytest.raises(FileError, match=r"does not say how many of its 35 points make a row.*organised cloud"):
        read_organized(path)


@pytest.mark.parametrize("suffix", ["npy", "npz"])
def test_point_images_are_clouds_too(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    if suffix == "npy":
        np.save(path, XYZ.astype(np.float64))
    else:
        np.savez(path, normals=np.ones_like(XYZ), xyz=XYZ)
    cloud = read_organized(path)
    assert cloud.xyz.dtype == np.float32
    assert np.array_equal(cloud.xyz, XYZ)
    assert cloud.rgb is None


CAMERA = (
    "element face 0",
    "property list uchar int vertex_indices",
    "element camera 1",
    "property float view_px",
    "property int viewportx",
    "property int viewporty",
    "property float k1",
)


@pytest.mark.parametrize(
    "data",
    [
        ply(notes=(f"obj_info Photoneo PLY PointCloud ( Width = {WIDTH}; Height = {HEIGHT})",)),
        ply(notes=(f"comment width: {WIDTH}", f"comment height: {HEIGHT}")),
        ply(notes=("comment PCL generated",), after=CAMERA, tail=struct.pack("<fiif", 0, WIDTH, HEIGHT, 0)),
        ply("ascii", notes=(), after=CAMERA, tail=f"0 {WIDTH} {HEIGHT} 0\n".encode()),
        ply("ascii", before=("element camera 1", "property float k1"), notes=SIZE).replace(b"header\n", b"header\n7\n"),
        ply(before=("element camera 1", "property short k1")).replace(b"header\n", b"header\n\0\0"),
    ],
    ids=["photoneo", "comments", "pcl", "pcl text", "camera first", "camera first, binary"],
)
def test_where_a_ply_says_its_size(tmp_path, data):
    assert np.array_equal(read_organized(put(tmp_path, "a.ply", data)).xyz, XYZ)


@pytest.mark.parametrize(
    ("name", "data"), [("a.ply", ply(notes=())), ("a.pcd", pcd(width=HEIGHT * WIDTH, height=1))], ids=["ply", "pcd"]
)
def test_without_a_size_the_width_is_needed_and_must_fit(tmp_path, name, data):
    path = put(tmp_path, name, data)
    assert np.array_equal(read_organized(path, width=WIDTH).xyz, XYZ)
    with pytest.raises(FileError, match="name its width"):
        read_organized(path)
    for width in (WIDTH + 1, 0, -WIDTH):
        with pytest.raises(FileError, match=rf"holds 35 points, which are no whole rows of {width}; an organised"):
            read_organized(path, width=width)


def test_a_declared_size_is_not_overruled_and_dropped_points_are_noticed(tmp_path):
    assert read_organized(put(tmp_path, "a.ply", ply()), width=HEIGHT).xyz.shape == XYZ.shape
    dropped = ply(xyz=XYZ[XYZ.any(axis=2)])
    with pytest.raises(FileError, match="holds 33 points for 5 x 7 pixels; an organised cloud is needed"):
        read_organized(put(tmp_path, "b.ply", dropped))


@pytest.mark.parametrize("write", [ply, pcd])
@pytest.mark.parametrize("kind", ["ascii", "binary_little_endian"])
def test_what_is_no_measurement_becomes_zero(tmp_path, write, kind):
    xyz = XYZ.copy()
    xyz[0, 0], xyz[0, 1, 0], xyz[0, 2, 1], xyz[0, 3, 2] = np.nan, np.inf, -np.inf, -1
    kind = kind if write is ply or kind == "ascii" else "binary"
    expected = xyz.copy()
    expected[0, :4] = 0
    assert np.array_equal(read_organized(put(tmp_path, f"a.{write.__name__}", write(kind, xyz=xyz))).xyz, expected)


def test_nan_as_windows_writes_it_and_numbers_beyond_float32(tmp_path):
    data = ply("ascii").replace(b"header\n", b"header\n-nan(ind) 1e300 1\n", 1)
    data = data.replace(b"vertex 35", b"vertex 36").replace(b"num_cols 7", b"num_cols 9").replace(b"rows 5", b"rows 4")
    cloud = read_organized(put(tmp_path, "a.ply", data))
    assert np.array_equal(cloud.xyz.reshape(-1, 3), np.vstack([np.zeros((1, 3)), XYZ.reshape(-1, 3)]))


@pytest.mark.parametrize("factor", [(1, -1, -1), (0, 0, 0), (np.nan, 1, 1)])
def test_a_cloud_without_a_point_before_the_camera_is_refused(tmp_path, factor):
    reason = r"all points have z ≤ 0: a camera that looks along \+z" if factor[2] < 0 else "holds no measurement"
    path = put(tmp_path, "a.ply", ply(xyz=XYZ * np.float32(factor)))
    with pytest.raises(FileError, match=reason):
        read_organized(path)


@pytest.mark.parametrize("organised", [True, False])
def test_points_are_written_as_open3d_and_the_reader_read_them(tmp_path, organised):
    up = RNG.normal(size=XYZ.shape).astype(np.float32)
    up /= np.linalg.norm(up, axis=2, keepdims=True)
    xyz, rgb, normals = (array if organised else array.reshape(-1, 3) for array in (XYZ, RGB, up))
    path = put(tmp_path, "a.ply", encode_ply(xyz, rgb, normals))
    twin = open3d.io.read_point_cloud(str(path))
    np.testing.assert_allclose(np.asarray(twin.points), XYZ.reshape(-1, 3))
    np.testing.assert_allclose(np.asarray(twin.normals), up.reshape(-1, 3))
    assert np.array_equal(np.rint(np.asarray(twin.colors) * 255), RGB.reshape(-1, 3))
    cloud = read_organized(path, width=None if organised else WIDTH)
    assert np.array_equal(cloud.xyz, XYZ)
    assert np.array_equal(cloud.rgb, RGB)
    assert read_organized(put(tmp_path, "b.ply", encode_ply(XYZ))).rgb is None


def test_what_is_no_cloud_is_not_written():
    for arrays, reason in (
        ((XYZ[:, :, 0],), r"xyz must be N x 3 or H x W x 3, got the shape \(5, 7\)"),
        ((XYZ, RGB[1:]), "rgb must have the shape"),
        ((XYZ, RGB.astype(int)), "rgb must be uint8, got int64"),
        ((XYZ, RGB, XYZ[0]), "normals must have the shape"),
    ):
        with pytest.raises(ParameterError, match=reason):
            encode_ply(*arrays)
