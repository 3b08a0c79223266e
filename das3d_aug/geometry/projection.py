"""Unorganised points to an image: seen by a camera through a z-buffer, or sorted into a regular grid.

The result is an image of indices: which point a pixel shows, −1 for none.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from das3d_aug._arguments import frozen
from das3d_aug._jit import kernel
from das3d_aug.errors import ParameterError
from das3d_aug.geometry.cameras import Camera, Orthographic

__all__ = ["project_points", "sort_into_grid"]

_CELL = 16  # pixels: the side of the squares in which points are counted
_FAR_OUT = 2**30  # pixels: beyond any image, and a safe integer
_CLOSE = 1.1  # pixels between points: up to this every pixel gets one
_OFF_GRID = 0.2  # pitches by which a point of a grid may lie beside its place
_MOST_CELLS_PER_POINT = 4


def project_points(points: NDArray[Any], camera: Camera, shape: tuple[int, int]) -> NDArray[np.int32]:
    """Return which point each pixel of a camera shows: of those that fall on it, the nearest.

    A point covers the pixel that it falls on if the points lie as densely as pixels.  Else it covers a square of
    1.5 times the spacing s, rounded up to an odd number of pixels, so that a surface has no holes.  s is √(pixels /
    points) in squares of 16 x 16 pixels, the median of those that hold a point; at most 16 pixels.

    Parameters
    ----------
    points : numpy.ndarray
        N x 3, in the frame of the camera; points with z <= 0, or a number that is not finite, are not seen.
    camera : Camera
        The camera, for an image of this shape.
    shape : tuple of int
        Height and width.

    Returns
    -------
    numpy.ndarray
        int32, H x W; −1 where no point falls.

    Raises
    ------
    ParameterError
        If ``points`` is not N x 3.
    """
    points = _checked(points)
    seen = np.flatnonzero(np.isfinite(points).all(axis=1) & (points[:, 2] > 0))
    x, y, z = points[seen].T
    if isinstance(camera, Orthographic):
        columns, rows = x / camera.pitch_x + camera.cx, y / camera.pitch_y + camera.cy
    else:
        columns, rows = camera.fx * x / z + camera.cx, camera.fy * y / z + camera.cy
    u, v = (np.clip(np.rint(axis), -_FAR_OUT, _FAR_OUT).astype(np.int64) for axis in (columns, rows))
    index = np.full(shape, -1, np.int32)
    nearest = np.full(shape, np.inf)
    splat_nearest(frozen(u), frozen(v), frozen(z), _half_splat(u, v, shape), nearest, index)
    return np.where(index < 0, np.int32(-1), seen.astype(np.int32)[index]) if seen.size else index


def sort_into_grid(points: NDArray[Any]) -> tuple[NDArray[np.int32], Orthographic] | None:
    """Return which point lies at each place of a grid in x and y, and the camera that sees it; None if there is none.

    It is a grid if the points lie at one pitch in x (columns) and one in y (rows) up to a fifth of it, no two at a
    place, and fill a quarter of the places.

    Parameters
    ----------
    points : numpy.ndarray
        N x 3; points with z <= 0, or a number that is not finite, are left out.

    Raises
    ------
    ParameterError
        If ``points`` is not N x 3.
    """
    points = _checked(points)
    seen = np.flatnonzero(np.isfinite(points).all(axis=1) & (points[:, 2] > 0))
    if not seen.size:
        return None
    across, down = (_places(axis, most=_MOST_CELLS_PER_POINT * seen.size) for axis in points[seen, :2].T)
    if across is None or down is None:
        return None
    (u, x0, pitch_x), (v, y0, pitch_y) = across, down
    height, width = int(v.max()) + 1, int(u.max()) + 1
    if height * width > _MOST_CELLS_PER_POINT * seen.size:
        return None
    index = np.full((height, width), -1, np.int32)
    index[v, u] = seen
    if np.count_nonzero(index >= 0) < seen.size:
        return None
    return index, Orthographic(pitch_x, pitch_y, -x0 / pitch_x, -y0 / pitch_y)


def _checked(points: NDArray[Any]) -> NDArray[np.float64]:
    points = np.asarray(points, np.float64)
    if points.ndim != 2 or points.shape[1] != 3:
        raise ParameterError(f"points must be N x 3, got the shape {points.shape}")
    return points


def _places(values: NDArray[np.float64], *, most: int) -> tuple[NDArray[np.int64], float, float] | None:
    """Return the place of each value on an axis of equal steps, where it starts, and the step."""
    ordered = np.sort(values)
    steps = np.diff(ordered)
    if not steps.any():
        return None
    starts = np.append(0, np.flatnonzero(steps > _OFF_GRID * steps.max()) + 1)  # of the points of one place each
    middles = np.add.reduceat(ordered, starts) / np.diff(np.append(starts, ordered.size))
    low, high = float(middles[0]), float(middles[-1])
    count = round((high - low) / float(np.median(np.diff(middles))))
    if not count < most:
        return None
    pitch = (high - low) / count
    places = (values - low) / pitch
    if np.abs(places - np.rint(places)).max() > _OFF_GRID:
        return None
    return np.rint(places).astype(np.int64), low, pitch


def _half_splat(u: NDArray[np.int64], v: NDArray[np.int64], shape: tuple[int, int]) -> int:
    """Return by how many pixels a point reaches to each side."""
    height, width = shape
    inside = (u >= 0) & (u < width) & (v >= 0) & (v < height)
    if not inside.any():
        return 0
    tall, wide = (np.diff(np.append(np.arange(0, length, _CELL), length)) for length in shape)
    counts = np.zeros((tall.size, wide.size))
    np.add.at(counts, (v[inside] // _CELL, u[inside] // _CELL), 1)
    density = counts / np.outer(tall, wide)
    spacing = 1 / float(np.sqrt(np.median(density[counts > 0])))
    return 0 if spacing <= _CLOSE else int(np.ceil((1.5 * spacing - 1) / 2))


@kernel
def splat_nearest(
    u: NDArray[np.int64],
    v: NDArray[np.int64],
    z: NDArray[np.float64],
    half: int,
    nearest: NDArray[np.float64],
    index: NDArray[np.int32],
) -> None:
    """Write into ``index`` which point covers each pixel, and into ``nearest``, which is infinite, its z."""
    height, width = index.shape
    for k in range(u.size):
        for row in range(max(0, v[k] - half), min(height, v[k] + half + 1)):
            for column in range(max(0, u[k] - half), min(width, u[k] + half + 1)):
                if z[k] < nearest[row, column]:
                    nearest[row, column] = z[k]
                    index[row, column] = k
