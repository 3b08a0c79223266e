"""Points to images: a z-buffer against its obvious twin, splats without holes, grids found and refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from das3d_aug.errors import ParameterError
from das3d_aug.geometry import Intrinsics, Orthographic, depth_to_points, project_points, sort_into_grid
from das3d_aug.geometry.projection import splat_nearest

RNG = np.random.default_rng(8)
CAMERA = Intrinsics(90.0, 80.0, 20.0, 15.0)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), half=st.integers(0, 3))
def test_the_nearest_point_wins_as_in_the_twin(seed, half):
    rng = np.random.default_rng(seed)
    u, v = rng.integers(-5, 15, 30), rng.integers(-5, 13, 30)
    z = rng.choice([1.0, 2.0, 3.0], 30)
    index, nearest = np.full((8, 10), -1, np.int32), np.full((8, 10), np.inf)
    splat_nearest(u, v, z, half, nearest, index)
    for row in range(8):
        for column in range(10):
            over = [k for k in range(30) if abs(u[k] - column) <= half and abs(v[k] - row) <= half]
            assert index[row, column] == min(over, key=lambda k: (z[k], k), default=-1)


@pytest.mark.parametrize("camera", [CAMERA, Orthographic(0.02, 0.03, 20, 15)])
def test_the_points_of_an_image_fall_on_their_pixels_in_any_order(camera):
    depth = RNG.uniform(1, 1.2, (30, 40)).astype(np.float32)
    depth[3, 4] = 0
    points = depth_to_points(depth, camera).reshape(-1, 3)
    order = RNG.permutation(len(points))
    index = project_points(points[order], camera, depth.shape)
    assert index[3, 4] == -1
    assert np.array_equal(np.where(index < 0, 0, points[order][index][:, :, 2]), depth)


@pytest.mark.parametrize("spacing", [2, 3, 5])
def test_sparse_points_make_a_surface_without_holes_and_hide_what_is_behind(spacing):
    v, u = np.mgrid[0:120:spacing, 0:160:spacing]
    camera = Intrinsics(100.0, 100.0, 80.0, 60.0)
    near = np.stack([(u - 80) / 100 * 1.0, (v - 60) / 100 * 1.0, np.ones(u.shape)], -1).reshape(-1, 3)
    far = near * 1.5
    index = project_points(np.vstack([far, near]), camera, (120, 160))
    inner = index[spacing:-spacing, spacing:-spacing]
    assert (inner >= len(far)).all()


def test_what_is_behind_the_camera_beside_the_image_or_not_finite_is_not_seen():
    points = [[0, 0, -1], [0, 0, 0], [np.nan, 0, 1], [0, np.inf, 1], [1e30, 0, 1], [-1e3, 0, 1], [0, 0, 1e-300]]
    assert (project_points(np.array(points[:6]), CAMERA, (30, 40)) == -1).all()
    assert project_points(np.array(points), CAMERA, (30, 40))[15, 20] == 6
    with pytest.raises(ParameterError, match=r"points must be N x 3, got the shape \(3,\)"):
        project_points(np.zeros(3), CAMERA, (3, 3))


@pytest.mark.parametrize(("pitch_x", "pitch_y"), [(0.5, 0.5), (0.02, 0.1), (7.0, 0.001)])
def test_points_on_a_grid_are_found_whatever_is_missing(pitch_x, pitch_y):
    v, u = np.mgrid[:30, :40]
    jitter = RNG.uniform(-0.05, 0.05, (2, 30, 40))
    points = np.stack([-3 + (u + jitter[0]) * pitch_x, 9 + (v + jitter[1]) * pitch_y, 1 + u + 100.0 * v], -1)
    kept = RNG.random((30, 40)) > 0.3
    kept[0, 0] = kept[-1, -1] = True
    flat = points[kept].astype(np.float32)
    order = RNG.permutation(len(flat))
    index, camera = sort_into_grid(flat[order])
    assert np.array_equal(np.where(index < 0, 0, flat[order][index][:, :, 2]), np.where(kept, points[:, :, 2], 0))
    x, y = camera.lift(u, v, np.ones((30, 40)))
    np.testing.assert_allclose(x, points[:, :, 0], atol=0.2 * pitch_x)
    np.testing.assert_allclose(y, points[:, :, 1], atol=0.2 * pitch_y)


@pytest.mark.parametrize(
    "points",
    [
        RNG.uniform(0, 1, (500, 3)),
        depth_to_points(RNG.uniform(1, 1.4, (30, 40)), CAMERA).reshape(-1, 3),
        np.stack([np.arange(50.0), np.zeros(50), np.ones(50)], -1),
        np.stack([np.arange(50.0), np.arange(50.0), np.ones(50)], -1),
        np.ones((4, 3)),
        np.zeros((4, 3)),
        np.tile([[0.0, 0, 1], [1, 0, 1], [0, 1, 1], [1, 1, 1]], (2, 1)),
    ],
    ids=["scattered", "seen by a camera", "a line", "a diagonal", "one place", "nothing", "two at a place"],
)
def test_what_is_no_grid_is_none(points):
    assert sort_into_grid(points) is None
