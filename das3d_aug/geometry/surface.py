"""The loops over pixels of `das3d_aug.geometry.move_along_rays` and `normals`."""

from __future__ import annotations

import math

import numpy as np

from das3d_aug._jit import kernel

__all__ = ["move_points", "unit_normals"]


@kernel
def move_points(points, target):
    """Move the valid points, in place, along their rays to the depth ``target``, 0 where it was lost."""
    for v in range(target.shape[0]):
        for u in range(target.shape[1]):
            x, y, z = np.float64(points[v, u, 0]), np.float64(points[v, u, 1]), np.float64(points[v, u, 2])
            if math.isfinite(x) and math.isfinite(y) and 0.0 < z < np.inf and target[v, u] != z:
                scale = target[v, u] / z
                points[v, u, 0], points[v, u, 1], points[v, u, 2] = x * scale, y * scale, target[v, u]


@kernel
def unit_normals(points, valid, unit):
    """Write the unit normals of the valid points into ``unit``, which is zero."""
    height, width = valid.shape
    for v in range(height):
        for u in range(width):
            if valid[v, u]:
                ax, ay, az = _slope(points, valid, v, u, 1, 0)
                bx, by, bz = _slope(points, valid, v, u, 0, 1)
                nx, ny, nz = ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx
                length = math.sqrt(nx * nx + ny * ny + nz * nz)
                if length > 0.0:
                    unit[v, u, 0], unit[v, u, 1], unit[v, u, 2] = nx / length, ny / length, nz / length


@kernel
def _slope(points, valid, v, u, dv, du):
    """Mean of the differences to the neighbours before and behind, of those that are valid."""
    x = y = z = 0.0
    count = 0
    for sign in (-1, 1):
        row, column = v + sign * dv, u + sign * du
        if 0 <= row < valid.shape[0] and 0 <= column < valid.shape[1] and valid[row, column]:
            x += sign * (np.float64(points[row, column, 0]) - np.float64(points[v, u, 0]))
            y += sign * (np.float64(points[row, column, 1]) - np.float64(points[v, u, 1]))
            z += sign * (np.float64(points[row, column, 2]) - np.float64(points[v, u, 2]))
            count += 1
    return x / max(count, 1), y / max(count, 1), z / max(count, 1)
