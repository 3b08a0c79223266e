"""The plane that a part lies on: RANSAC (Fischler & Bolles 1981) over the points of the image's border.

A plane is (a, b, c, d) with a² + b² + c² = 1; a point on it has a x + b y + c z + d = 0, and the camera at the
origin is on its positive side, so what stands on the plane has a positive signed distance.

The trials are Open3D's ``segment_plane``.  It draws from one generator for the whole process, which is seeded here
before each search, and is only reproducible on several threads if no trial is left out (probability 1).
"""

from __future__ import annotations

import threading
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from das3d_aug._jit import kernel
from das3d_aug.errors import Das3dError

__all__ = ["Plane", "find_plane", "within"]

Plane = tuple[float, float, float, float]

_JUDGES = 4096  # border points that take part in the trials
_FITTED = 2**16  # points of the image that take part in the last fit
_ROUNDS = 20  # fits to the points within reach, until these stay the same
_generator = threading.Lock()


def find_plane(
    xyz: NDArray[np.float32],
    valid: NDArray[np.bool_],
    *,
    border: int,
    distance: float,
    points: int,
    trials: int,
    refit: Literal["border", "image"],
    seed: int,
) -> tuple[Plane | None, float]:
    """Find the main plane of the valid points in the outermost ``border`` rows and columns.

    Each of ``trials`` planes is fitted to ``points`` of them; the one with the most points within ``distance``
    wins.  It is fitted again to these and, with "image", to all of the image's points within ``distance``: a
    border alone is a weak lever where the table is tilted, not quite flat or only partly in view.

    Returns the plane and the share of the border's points that are on it; None and 0 where there are fewer than
    ``points``, or they lie on one line.
    """
    ring = valid.copy()
    ring[border:-border, border:-border] = False
    found = xyz[ring].astype(np.float64)
    if len(found) < points:
        return None, 0.0
    centre = found.mean(axis=0)
    found -= centre
    trial = _ransac(_thinned(found, _JUDGES), distance=distance, points=points, trials=trials, seed=seed)
    plane, share = _refit(found, trial, distance)
    if refit == "image":
        plane, _ = _refit(_thinned(xyz[valid], _FITTED) - centre, plane, distance)
    if not plane.any():
        return None, 0.0
    plane[3] -= plane[:3] @ centre
    a, b, c, d = (plane if plane[3] >= 0 else -plane).tolist()
    return (a, b, c, d), share


def within(xyz: NDArray[np.float32], plane: Plane, distance: float) -> NDArray[np.bool_]:
    """Return where points are nearer to the plane than ``distance``, on either side; H x W."""
    near = np.empty(xyz.shape[:2], np.bool_)
    _within(xyz.reshape(-1, 3), *plane, distance, near.reshape(-1))
    return near


@kernel
def _within(points, a, b, c, d, distance, near):
    for k in range(near.size):
        near[k] = abs(a * points[k, 0] + b * points[k, 1] + c * points[k, 2] + d) < distance


def _ransac(found: NDArray[np.float64], *, distance: float, points: int, trials: int, seed: int) -> NDArray[np.float64]:
    try:
        import open3d  # lazily: it is an extra, and takes a second to load
    except (ImportError, OSError) as error:
        raise Das3dError(
            f"finding the plane needs Open3D, which does not load ({str(error).splitlines()[0]}): "
            "pip install open3d; das3d-aug doctor says more"
        ) from error
    cloud = open3d.geometry.PointCloud(open3d.utility.Vector3dVector(found))
    quiet = open3d.utility.VerbosityContextManager(open3d.utility.VerbosityLevel.Error)
    with _generator, quiet:
        open3d.utility.random.seed(seed % 2**31)
        plane, _ = cloud.segment_plane(distance, points, trials, 1.0)
    return np.asarray(plane, np.float64)


def _thinned(points: NDArray[Any], most: int) -> NDArray[Any]:
    """Return every n-th point, so that at most ``most`` are left."""
    return np.ascontiguousarray(points[:: -(-len(points) // most)])


def _refit(points: NDArray[Any], plane: NDArray[np.float64], distance: float) -> tuple[NDArray[np.float64], float]:
    """Fit the plane to all points within reach until these no longer change; all zero if they lie on a line."""
    kept = np.zeros(len(points), np.bool_)
    for _ in range(_ROUNDS):
        near = np.abs(points @ plane[:3] + plane[3]) < distance
        if not plane.any() or np.array_equal(near, kept):
            break
        kept = near
        plane = _fit(points[kept])
    return plane, float(kept.mean())


def _fit(points: NDArray[Any]) -> NDArray[np.float64]:
    """Least squares: the normal is the direction in which the points vary least."""
    plane = np.zeros(4)
    if len(points) >= 3:
        middle = points.mean(axis=0)
        spread = points - middle
        variances, directions = np.linalg.eigh(spread.T @ spread)
        if variances[1] > 1e-12 * variances[2]:
            plane[:3] = directions[:, 0]
            plane[3] = -directions[:, 0] @ middle
    return plane
