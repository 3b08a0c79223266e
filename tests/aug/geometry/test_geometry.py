"""Cameras and normals, against the equations written out pixel by pixel."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from das3d_aug.errors import FileError, ParameterError
from das3d_aug.files import read_camera
from das3d_aug.geometry import (
    Intrinsics,
    Orthographic,
    camera_from_dict,
    depth_to_points,
    move_along_rays,
    normals,
    points_to_depth,
    range_to_depth,
    to_unit,
)

CAMERA = Intrinsics(500.0, 400.0, 2.5, 1.0)


@pytest.mark.parametrize("dtype", [np.uint16, np.float32, np.float64, ">f4"])
def test_points_follow_the_pinhole_equations(dtype):
    depth = np.arange(1, 13).reshape(3, 4).astype(dtype)
    points = depth_to_points(depth, CAMERA)
    assert points.dtype == np.float32
    for v in range(3):
        for u in range(4):
            z = float(depth[v, u])
            np.testing.assert_allclose(points[v, u], [(u - 2.5) * z / 500, (v - 1) * z / 400, z], rtol=1e-6)
            x, y, z = points[v, u].astype(float)
            np.testing.assert_allclose([500 * x / z + 2.5, 400 * y / z + 1], [u, v], atol=1e-5)


def test_invalid_depth_becomes_no_measurement_and_back():
    depth = np.array([[0, -1, np.nan, np.inf, -np.inf, 2]], np.float32)
    points = depth_to_points(depth, CAMERA)
    assert np.array_equal(points[0, :5], np.zeros((5, 3)))
    assert np.array_equal(points_to_depth(points), [[0, 0, 0, 0, 0, 2]])


def test_a_point_with_any_number_not_finite_has_no_depth():
    xyz = np.array([[[1, 2, 3], [np.nan, 2, 3], [1, np.inf, 3], [1, 2, np.nan], [0, 0, 0]]], np.float64)
    depth = points_to_depth(xyz)
    assert depth.dtype == np.float32
    assert np.array_equal(depth, [[3, 0, 0, 0, 0]])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_points_move_along_their_rays(dtype):
    rng = np.random.default_rng(0)
    xyz = rng.uniform(0.5, 2, (7, 5, 3)).astype(dtype)
    depth = xyz[:, :, 2].copy()
    depth[2:5, 1:3] *= dtype(1.25)
    before = xyz.copy()
    xyz.flags.writeable = depth.flags.writeable = False
    moved = move_along_rays(xyz, depth)
    assert moved.dtype == dtype
    assert not np.shares_memory(moved, xyz)
    assert np.array_equal(moved[:, :, 2], depth)
    np.testing.assert_allclose(moved[..., :2] / moved[..., 2:], xyz[..., :2] / xyz[..., 2:], rtol=1e-6)
    same = depth == xyz[:, :, 2]
    assert same.sum() == 29
    assert moved[same].tobytes() == xyz[same].tobytes()
    assert np.array_equal(xyz, before)


def test_moving_leaves_invalid_points_alone_and_drops_lost_measurements():
    xyz = np.array([[[0, 0, 0], [np.nan, 1, 1], [1, 1, -1], [1, 1, 1], [1, 1, 1]]], np.float32)
    depth = np.array([[2, 2, 2, 0, np.nan]], np.float32)
    moved = move_along_rays(xyz, depth)
    assert moved[0, :3].tobytes() == xyz[0, :3].tobytes()
    assert np.array_equal(moved[0, 3:], np.zeros((2, 3)))


@settings(deadline=None, max_examples=60)
@given(shape=st.tuples(st.integers(1, 7), st.integers(1, 7)), seed=st.integers(0, 9999))
def test_moving_equals_the_naive_twin(shape, seed):
    rng = np.random.default_rng(seed)
    xyz = rng.uniform(-0.5, 2, (*shape, 3)).astype(rng.choice([np.float32, np.float64]))
    xyz[rng.random(xyz.shape) < 0.05] = np.nan
    xyz[rng.random(xyz.shape) < 0.05] = np.inf
    depth = np.where(rng.random(shape) < 0.4, xyz[:, :, 2], rng.uniform(0.5, 2, shape)).astype(np.float32)
    depth[rng.random(shape) < 0.1] = rng.choice([0, -1, np.nan, np.inf])
    moved = xyz.copy()
    for v, u in np.ndindex(shape):
        x, y, z = xyz[v, u].astype(float)
        target = float(depth[v, u]) if 0 < depth[v, u] < np.inf else 0.0
        if np.isfinite(xyz[v, u]).all() and z > 0 and z != target:
            moved[v, u] = x * (target / z), y * (target / z), target
    found = move_along_rays(xyz, depth)
    assert found.tobytes() == moved.tobytes()


def test_wrong_shapes_are_named():
    with pytest.raises(ParameterError, match="depth must be H x W"):
        depth_to_points(np.zeros(3), CAMERA)
    with pytest.raises(ParameterError, match="xyz must be H x W x 3"):
        points_to_depth(np.zeros((3, 3)))
    with pytest.raises(ParameterError, match="depth must have the shape"):
        move_along_rays(np.zeros((2, 2, 3), np.float32), np.zeros((2, 3)))
    with pytest.raises(ParameterError, match="xyz must be float32 or float64"):
        move_along_rays(np.zeros((2, 2, 3), np.int32), np.zeros((2, 2)))


def test_both_forms_of_camera_files(tmp_path):
    plain, open3d = tmp_path / "plain.json", tmp_path / "open3d.json"
    plain.write_text('{"fx": 525, "fy": 524.5, "cx": 319.5, "cy": 239.5}')
    matrix = [525.0, 0, 0, 0, 524.5, 0, 319.5, 239.5, 1]
    open3d.write_text(json.dumps({"width": 640, "height": 480, "intrinsic_matrix": matrix}))
    assert Intrinsics.from_json(plain) == Intrinsics(525, 524.5, 319.5, 239.5)
    assert Intrinsics.from_json(open3d) == Intrinsics(525, 524.5, 319.5, 239.5, width=640, height=480)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "3",
        "null",
        "{}",
        '{"fx": 1, "fy": 1, "cx": 1}',
        '{"fx": "1", "fy": 1, "cx": 1, "cy": 1}',
        '{"fx": 0, "fy": 1, "cx": 1, "cy": 1}',
        '{"fx": NaN, "fy": 1, "cx": 1, "cy": 1}',
        '{"intrinsic_matrix": [1, 2]}',
        '{"intrinsic_matrix": 7}',
        "[" * 100_000,
        "\0",
    ],
)
def test_a_camera_file_that_is_none_is_named(tmp_path, text):
    path = tmp_path / "camera.json"
    path.write_text(text)
    with pytest.raises(FileError, match=r"camera\.json"):
        Intrinsics.from_json(path)


def test_a_missing_camera_file_is_named(tmp_path):
    with pytest.raises(FileError, match=r"camera\.json"):
        Intrinsics.from_json(tmp_path / "camera.json")


def test_scaling_keeps_the_image_edges():
    half = Intrinsics(100, 100, 49.5, 24.5).scaled(0.5, 0.25)
    assert half == Intrinsics(25, 50, 12, 12)
    with pytest.raises(ParameterError, match="sx"):
        half.scaled(1, 0)


SCANNER = Orthographic(0.05, 0.2, cx=1.5, cy=-2)


def test_a_scanner_sees_along_parallel_rays():
    depth = np.array([[10, 0, np.nan, -1], [20, 30, 40, np.inf]], np.float32)
    points = depth_to_points(depth, SCANNER)
    for v in range(2):
        for u in range(4):
            z = depth[v, u]
            expected = [(u - 1.5) * 0.05, (v + 2) * 0.2, z] if 0 < z < np.inf else [0, 0, 0]
            np.testing.assert_allclose(points[v, u], expected, rtol=1e-6)


def test_a_scanners_range_is_its_depth():
    np.testing.assert_array_equal(range_to_depth(np.array([[2, 0, np.nan, 3]]), SCANNER), [[2, 0, 0, 3]])


@pytest.mark.parametrize("camera", [CAMERA, SCANNER])
def test_cameras_share_one_interface(camera, tmp_path):
    path = tmp_path / "camera.json"
    path.write_text(json.dumps(camera.to_dict()))
    assert read_camera(path) == camera_from_dict(camera.to_dict()) == camera
    depth = np.random.default_rng(0).uniform(1, 2, (6, 8)).astype(np.float32)
    points = depth_to_points(depth, camera)
    around = np.pad(depth, ((2, 1), (3, 0)))
    np.testing.assert_allclose(depth_to_points(around, camera.padded(2, 3))[2:8, 3:], points, rtol=1e-6, atol=1e-6)
    # every third pixel's centre stays where it is when three become one
    thirds = depth_to_points(depth[1::3, 1::3], camera.scaled(1 / 3, 1 / 3))
    np.testing.assert_allclose(thirds, points[1::3, 1::3][: thirds.shape[0], : thirds.shape[1]], rtol=1e-5, atol=1e-6)
    with pytest.raises(ParameterError, match="sy"):
        camera.scaled(np.inf, 1)


@pytest.mark.parametrize("numbers", [(0, 1), (1, -1), (np.nan, 1), ("1", 1), (1, 1, np.inf), (True, 1)])
def test_a_scanner_without_pixels_is_refused(numbers):
    with pytest.raises(ParameterError, match="must be"):
        Orthographic(*numbers)


def test_a_scanner_is_no_pinhole_camera(tmp_path):
    path = tmp_path / "camera.json"
    path.write_text('{"pitch_x": 0.1, "pitch_y": 0.1}')
    assert read_camera(path) == Orthographic(0.1, 0.1, 0, 0)
    with pytest.raises(FileError, match=r"camera\.json: .*a pinhole camera is expected"):
        Intrinsics.from_json(path)


@pytest.mark.parametrize("camera", [Intrinsics(80, 90, 7.5, 5.5), Orthographic(0.1, 0.2)])
@pytest.mark.parametrize("slope", [(0, 0), (0.3, 0.2), (-0.4, 0.1)])
def test_normals_of_a_plane_face_the_camera(camera, slope):
    v, u = np.mgrid[:12, :16].astype(float)
    if isinstance(camera, Intrinsics):  # the depth at which the ray meets z = 5 + a x + b y
        x, y = camera.lift(u, v, np.ones_like(u))
        depth = 5 / (1 - slope[0] * x - slope[1] * y)
    else:
        x, y = camera.lift(u, v, np.ones_like(u))
        depth = 5 + slope[0] * x + slope[1] * y
    expected = np.array([*slope, -1.0]) / np.linalg.norm([*slope, -1.0])
    found = normals(depth_to_points(depth, camera))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, np.broadcast_to(expected, found.shape), atol=2e-4)


@settings(deadline=None, max_examples=60)
@given(shape=st.tuples(st.integers(1, 7), st.integers(1, 7)), seed=st.integers(0, 9999))
def test_normals_equal_the_naive_twin(shape, seed):
    rng = np.random.default_rng(seed)
    xyz = rng.uniform(0.5, 2, (*shape, 3)).astype(np.float32)
    xyz[rng.random(shape) < 0.3] = 0
    xyz[rng.random(shape) < 0.05] = np.nan
    before = xyz.tobytes()
    found = normals(xyz)
    assert xyz.tobytes() == before
    valid = np.isfinite(xyz).all(axis=2) & (xyz[:, :, 2] > 0)
    height, width = shape

    def slope(v, u, dv, du):
        steps = []
        for sign in (-1, 1):
            y, x = v + sign * dv, u + sign * du
            if 0 <= y < height and 0 <= x < width and valid[y, x]:
                steps.append(sign * (xyz[y, x].astype(float) - xyz[v, u]))
        return np.mean(steps, axis=0) if steps else None

    for v in range(height):
        for u in range(width):
            along = slope(v, u, 0, 1), slope(v, u, 1, 0)
            if not valid[v, u] or along[0] is None or along[1] is None:
                np.testing.assert_array_equal(found[v, u], 0)
            else:
                normal = -np.cross(*along)
                np.testing.assert_allclose(found[v, u], normal / np.linalg.norm(normal), atol=1e-5)


def test_units():
    assert to_unit(5.0, "mm", "m") == 0.005
    assert to_unit(0.3, "m", "cm") == 30.0
    assert to_unit(7, "raw", "raw") == 7
    depth = np.array([1500, 0], np.float32)
    np.testing.assert_array_equal(to_unit(depth, "mm", "m"), np.array([1.5, 0], np.float32))
    assert to_unit(depth, "mm", "um").dtype == np.float32
    with pytest.raises(ParameterError, match="'inch' cannot be converted to 'm'"):
        to_unit(1, "inch", "m")
