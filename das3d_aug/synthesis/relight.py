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

__all__ = ["brightness", "estimate_light", "smooth_surface"]

_DARKEST, _BRIGHTEST = np.float32(0.25), np.float32(1.9)
_OCCLUSION = 0.6
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


def estimate_light(
    rgb: NDArray[np.float32], depth: NDArray[np.float32], inside: NDArray[np.bool_], pitch: float
) -> tuple[float, float, float] | None:
    """Estimate the light from how brightness goes with the part's slopes; None where they tell nothing.

    Least squares of the luminance over a + b dZ/dy + c dZ/dx on the part: the light is (b, c, a) / its length.

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
    smooth = smooth_surface(depth, inside, 2)
    measured = inside & (smooth > 0)
    core = measured[1:-1, 1:-1] & measured[:-2, 1:-1] & measured[2:, 1:-1] & measured[1:-1, :-2] & measured[1:-1, 2:]
    some = np.flatnonzero(core)
    rows, columns = np.divmod(some[:: max(1, some.size // 4096)], core.shape[1])
    rows, columns = rows + 1, columns + 1
    dy = ((smooth[rows + 1, columns] - smooth[rows - 1, columns]) / (2 * pitch)).astype(np.float64)
    dx = ((smooth[rows, columns + 1] - smooth[rows, columns - 1]) / (2 * pitch)).astype(np.float64)
    bright = (rgb[rows, columns] @ np.array([0.299, 0.587, 0.114], np.float32)).astype(np.float64)
    flat = np.hypot(dy, dx) < 3
    if flat.sum() < 64:
        return None
    design = np.stack([np.ones(int(flat.sum())), dy[flat], dx[flat]], axis=1)
    found, *_ = np.linalg.lstsq(design, bright[flat], rcond=None)
    explained = 1 - ((bright[flat] - design @ found) ** 2).sum() / max(
        ((bright[flat] - bright[flat].mean()) ** 2).sum(), 1e-12
    )
    a, b, c = found
    side, limit = math.hypot(b, c), math.tan(math.radians(_STEEPEST))
    if a <= 0 or side < 1e-9 or explained < 0.05:
        return None
    side = min(side / a, limit) / side
    length = math.sqrt(1 + (b * side) ** 2 + (c * side) ** 2)
    return b * side / length, c * side / length, 1 / length
