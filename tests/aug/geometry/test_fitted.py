"""The camera of organised points: found again from the points that a camera makes."""

import numpy as np
import pytest

from das3d_aug.errors import ParameterError
from das3d_aug.geometry import Intrinsics, Orthographic, camera_of_points, depth_to_points

RNG = np.random.default_rng(0)


def surface(height, width):
    y, x = np.mgrid[:height, :width]
    depth = 500 + 0.2 * y - 0.1 * x + RNG.normal(size=(height, width))
    depth[RNG.random(depth.shape) < 0.2] = 0
    return depth.astype(np.float32)


@pytest.mark.parametrize("shape", [(48, 64), (300, 500), (5, 7)])
@pytest.mark.parametrize("camera", [Intrinsics(700, 650, 30.5, 24), Orthographic(0.2, 0.3, 12, 8)])
def test_the_camera_is_found_again(shape, camera):
    found = camera_of_points(depth_to_points(surface(*shape), camera))
    assert type(found) is type(camera)
    for name, value in camera.to_dict().items():
        assert getattr(found, name) == pytest.approx(value, rel=1e-4)


def test_a_lens_that_bends_a_little_is_still_a_camera():
    depth, camera = surface(240, 320), Intrinsics(300, 300, 160, 120)
    points = depth_to_points(depth, camera).astype(float)
    reach = np.hypot(points[..., 0], points[..., 1])[..., None] / 500
    points[..., :2] *= 1 + 0.02 * reach**2
    assert camera_of_points(points).fx == pytest.approx(300, rel=0.02)


def test_points_of_no_camera_have_none():
    points = depth_to_points(surface(60, 80), Intrinsics(100, 100, 40, 30))
    turned = points @ np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    mirrored = points * (-1, 1, 1)
    few = np.where(RNG.random((60, 80, 1)) < 0.003, points, 0)
    for xyz in (turned, mirrored, few, np.zeros_like(points), RNG.normal(size=(9, 9, 3))):
        assert camera_of_points(xyz) is None


def test_only_organised_points_are_looked_at():
    with pytest.raises(ParameterError, match="H x W x 3"):
        camera_of_points(np.zeros((10, 3)))


@pytest.mark.parametrize("odd", [np.full((20, 20, 3), "a"), np.ones((20, 20, 3), bool), np.ones((20, 20, 3), complex)])
def test_points_are_numbers(odd):
    with pytest.raises(ParameterError, match="xyz must be numbers, got"):
        camera_of_points(odd)


def test_points_that_float32_cannot_hold_are_invalid():
    points = depth_to_points(surface(60, 80), Intrinsics(fx=600, fy=600, cx=40, cy=30)).astype(np.float64)
    assert camera_of_points(points * 1e200) is None
    points[::7] *= 1e200
    assert camera_of_points(points) == camera_of_points(np.where(points > 1e100, np.nan, points))


def test_a_centre_of_0_has_no_digits_that_differ_from_machine_to_machine():
    rows, columns = np.mgrid[:60, :80].astype(float)
    camera = camera_of_points(np.dstack([columns * 0.1, rows * 0.2, 500 + 5 * np.sin(columns / 9)]))
    assert camera == Orthographic(pitch_x=0.1, pitch_y=0.2, cx=0.0, cy=0.0)
