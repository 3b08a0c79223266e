"""How colour follows shape: brightness by Lambert's law from the change of slopes, and where the light comes from.

For a surface Z(rows, columns) away from the camera the normal towards it is (dZ/dy, dZ/dx, 1) / n with n its length, in
units of a pixel's width; L is the unit vector to the light (rows, columns, towards the camera).  On a surface that
faces the camera, of which only a defect's change is known, brightness changes by the factor

    (L_y dZ/dy + L_x dZ/dx + L_z) / (L_z n)
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from das3d_aug._jit import kernel

__all__ = ["brightness", "estimate_light", "smooth_surface", "smooth_window"]

_DARKEST, _BRIGHTEST = np.float32(0.25), np.float32(1.9)
_OCCLUSION = 0.6
_CELL, _CELLS = 4, 4096  # least side in pixels, and about how many, of the squares whose slopes tell the light
_GENTLE = 9.0  # squared slope; what is steeper is an edge
_STEEPEST = 60.0  # degrees of the light from the camera's axis


def brightness(lift: NDArray[np.float32], light: tuple[float, float, float], radius: float) -> NDArray[np.float32]:
    """Return the factor on the colour of a change of depth, H x W.

    Parameters
    ----------
    lift : ndarray of float32, H x W
        The change, away from the camera, in widths of a pixel.
    light : (float, float, float)
        Unit vector to the light.
    radius : float
        Half the defect's size in pixels: what is deep and narrow gets less light.
    """
    out = np.empty(lift.shape, np.float32)
    _brightness(
        np.ascontiguousarray(lift, np.float32),
        out,
        *(np.float32(part) for part in light),
        np.float32(_OCCLUSION / radius),
    )
    return out


@kernel
def _brightness(lift, out, ly, lx, lz, occlusion):
    height, width = lift.shape
    one, half = np.float32(1.0), np.float32(0.5)
    for y in range(height):
        above, below = lift[max(y - 1, 0)], lift[min(y + 1, height - 1)]
        row = lift[y]
        for x in range(width):
            dy = (below[x] - above[x]) * half
            dx = (row[min(x + 1, width - 1)] - row[max(x - 1, 0)]) * half
            factor = (ly * dy + lx * dx + lz) / (lz * np.float32(math.sqrt(dy * dy + dx * dx + one)))
            factor /= one + occlusion * max(row[x], np.float32(0.0))
            out[y, x] = min(max(factor, _DARKEST), _BRIGHTEST)


@kernel
def smooth_surface(depth, inside, radius):
    """Return the mean of the part's measured depth over squares of 2 radius + 1 pixels; 0 where there is none."""
    height, width = depth.shape
    sums, counts = np.zeros((height, width)), np.zeros((height, width), np.int32)
    for y in range(height):
        total, count = 0.0, 0
        for x in range(-radius, width):
            new, old = x + radius, x - radius - 1
            if new < width and inside[y, new] and depth[y, new] > 0:
                total += depth[y, new]
                count += 1
            if old >= 0 and inside[y, old] and depth[y, old] > 0:
                total -= depth[y, old]
                count -= 1
            if x >= 0:
                sums[y, x], counts[y, x] = total, count
    out = np.zeros((height, width), np.float32)
    totals, numbers = np.zeros(width), np.zeros(width, np.int32)
    for y in range(-radius, height):
        new, old = y + radius, y - radius - 1
        if new < height:
            totals += sums[new]
            numbers += counts[new]
        if old >= 0:
            totals -= sums[old]
            numbers -= counts[old]
        if y >= 0:
            for x in range(width):
                if numbers[x] > 0:
                    out[y, x] = totals[x] / numbers[x]
    return out


def smooth_window(
    depth: NDArray[np.float32], inside: NDArray[np.bool_], radius: int, window: tuple[slice, slice]
) -> NDArray[np.float32]:
    """Return `smooth_surface` in a window, from the pixels that it needs alone."""
    wide = tuple(slice(max(0, side.start - radius), side.stop + radius) for side in window)
    some = smooth_surface(np.ascontiguousarray(depth[wide]), np.ascontiguousarray(inside[wide]), radius)
    rows, columns = (
        slice(side.start - outer.start, side.stop - outer.start) for side, outer in zip(window, wide, strict=True)
    )
    return np.asarray(some[rows, columns])


def estimate_light(
    rgb: NDArray[np.float32], depth: NDArray[np.float32], inside: NDArray[np.bool_], pitch: float
) -> tuple[float, float, float] | None:
    """Estimate the light from how brightness goes with the part's slopes; None where they tell nothing.

    Least squares of the luminance over a + b dZ/dy + c dZ/dx of small squares on the part: the light is (b, c, a) / its
    length.

    Parameters
    ----------
    rgb : ndarray of float32, H x W x 3
        In 0 … 1.
    depth : ndarray of float32, H x W
        0 where nothing was measured.
    inside : ndarray of bool, H x W
        The part.
    pitch : float
        Width of a pixel on the part, in the unit of the depth.
    """
    cell = max(_CELL, math.isqrt(np.count_nonzero(inside) // _CELLS))
    count, bright, dy, dx, yy, xy, xx, by, bx, bb = _moments(*_cells(rgb, depth, inside, cell), 2 * cell * pitch)
    if count < 64:
        return None
    # The line through the mean: a plane b dZ/dy + c dZ/dx, whose normal equations are two.
    trace, det = yy + xx, yy * xx - xy * xy
    if det > 1e-9 * trace * trace:
        b, c = (xx * by - xy * bx) / det, (yy * bx - xy * by) / det
    elif trace > 0:  # all slopes point one way: nothing is known of the other
        b, c = by / trace, bx / trace
    else:
        return None
    a = bright - b * dy - c * dx
    explained = (b * by + c * bx) / max(bb, 1e-12)
    side, limit = math.hypot(b, c), math.tan(math.radians(_STEEPEST))
    if a <= 0 or side < 1e-9 or explained < 0.05:
        return None
    side = min(side / a, limit) / side
    length = math.sqrt(1 + (b * side) ** 2 + (c * side) ** 2)
    return b * side / length, c * side / length, 1 / length


@kernel
def _cells(rgb, depth, inside, side):
    """Return the mean depth and luminance of squares that are measured throughout; depth 0 of the others."""
    rows, columns = depth.shape[0] // side, depth.shape[1] // side
    z, bright = np.zeros((rows, columns)), np.zeros((rows, columns))
    whole = side * side
    for row in range(rows):
        for column in range(columns):
            far, light, count = 0.0, 0.0, 0
            for y in range(row * side, (row + 1) * side):
                for x in range(column * side, (column + 1) * side):
                    if inside[y, x] and depth[y, x] > 0:
                        count += 1
                        far += depth[y, x]
                        light += 0.299 * rgb[y, x, 0] + 0.587 * rgb[y, x, 1] + 0.114 * rgb[y, x, 2]
            if count == whole:
                z[row, column], bright[row, column] = far / whole, light / whole
    return z, bright


@kernel
def _moments(z, bright, run):
    """Return how many slopes of cells there are, the means of luminance and slopes, and their centred moments.

    ``run`` is twice a cell's side; slopes that are steep, or beside what was not measured, do not count.
    """
    sums = np.zeros(9)
    count = 0
    for row in range(1, z.shape[0] - 1):
        for column in range(1, z.shape[1] - 1):
            above, below, left, right = z[row - 1, column], z[row + 1, column], z[row, column - 1], z[row, column + 1]
            if min(z[row, column], above, below, left, right) <= 0:
                continue
            dy, dx = (below - above) / run, (right - left) / run
            if dy * dy + dx * dx >= _GENTLE:
                continue
            b = bright[row, column]
            count += 1
            sums[0] += b
            sums[1] += dy
            sums[2] += dx
            sums[3] += dy * dy
            sums[4] += dy * dx
            sums[5] += dx * dx
            sums[6] += b * dy
            sums[7] += b * dx
            sums[8] += b * b
    n = max(count, 1)
    b, y, x = sums[0] / n, sums[1] / n, sums[2] / n
    return (
        count, b, y, x,
        sums[3] - n * y * y, sums[4] - n * y * x, sums[5] - n * x * x,
        sums[6] - n * b * y, sums[7] - n * b * x, sums[8] - n * b * b,
    )  # fmt: skip
