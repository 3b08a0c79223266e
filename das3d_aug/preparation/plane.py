"""The plane that a part lies on: RANSAC (Fischler & Bolles 1981) over the points of the image's border.

A plane is (a, b, c, d) with a² + b² + c² = 1; a point on it has a x + b y + c z + d = 0, and the camera at the
origin is on its positive side, so what stands on the plane has a positive signed distance.

The trials are drawn from a stream of their own and stop early only at a plane that no other can beat, so the result
depends on the points and the seed alone.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from das3d_aug._jit import kernel
from das3d_aug.randomness import Stream

__all__ = ["Plane", "find_plane", "within"]

Plane = tuple[float, float, float, float]

_JUDGES = 4096  # border points that take part in the trials
_FITTED = 2**16  # points of the image that take part in the last fit
_ROUNDS = 20  # fits to the points within reach, until these stay the same
_TOGETHER = 100  # trials that are fitted at a time


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
    """Return the plane of the trial with the most votes, of several the first; all zero if no trial gave a plane."""
    stream, columns = Stream(seed), np.ascontiguousarray(found.T)
    best, most = np.zeros(4), 0
    for first in range(0, trials, _TOGETHER):
        count = min(_TOGETHER, trials - first)
        planes = _fit(found[[_some(stream, points, len(found)) for _ in range(count)]])
        votes = np.empty(count, np.int64)
        _votes(*columns, planes, distance, votes)
        if votes.max() > most:
            best, most = planes[votes.argmax()], int(votes.max())
        if most == len(found):
            break
    return best


def _some(stream: Stream, count: int, among: int) -> list[int]:
    """Draw different numbers below ``among``."""
    drawn: dict[int, None] = {}  # in the order in which they were drawn, unlike a set
    while len(drawn) < count:
        drawn[stream.integer(0, among - 1)] = None
    return list(drawn)


@kernel
def _votes(x, y, z, planes, distance, votes):
    """Count the points within reach of each plane; none are of one that is all zero."""
    for trial in range(len(planes)):
        a, b, c, d = planes[trial, 0], planes[trial, 1], planes[trial, 2], planes[trial, 3]
        near = 0
        if a != 0 or b != 0 or c != 0:
            for k in range(x.size):
                near += abs(a * x[k] + b * y[k] + c * z[k] + d) < distance
        votes[trial] = near


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
    """Fit planes to sets of points, ... x N x 3, by least squares; all zero where these lie on a line.

    The normal is the direction in which the points vary least.
    """
    planes = np.zeros((*points.shape[:-2], 4))
    if points.shape[-2] >= 3:
        middle = points.mean(axis=-2, keepdims=True)
        spread = points - middle
        variances, directions = np.linalg.eigh(spread.swapaxes(-1, -2) @ spread)
        flat = variances[..., 1:2] > 1e-12 * variances[..., 2:]
        normal = np.where(flat, directions[..., 0], 0)
        planes[..., :3] = normal
        planes[..., 3] = -(normal * middle[..., 0, :]).sum(axis=-1)
    return planes
