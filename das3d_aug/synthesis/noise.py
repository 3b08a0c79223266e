"""Perlin gradient noise of any size, resolution and rotation (3.2, "following a random mask generation method").

The noise lives on an endless lattice of unit gradients, and the image samples it through a rotated grid:
nothing has to be cropped or filled.  An image of ``rows x columns`` cells spans them edge to edge whatever
its size in pixels, so the same noise drawn at 256² and at 512² shows the same pattern.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from das3d_aug._jit import kernel
from das3d_aug.errors import ParameterError

__all__ = ["perlin_noise"]

_DIRECTIONS = 256
_COSINE = np.array([math.cos(2 * math.pi * k / _DIRECTIONS) for k in range(_DIRECTIONS)], np.float32)
_SINE = np.array([math.sin(2 * math.pi * k / _DIRECTIONS) for k in range(_DIRECTIONS)], np.float32)
_LARGEST_RESOLUTION = 4096
LANES = 8  # pixels that are computed together


def perlin_noise(
    shape: tuple[int, int], resolution: tuple[int, int], *, rng: np.random.Generator, rotation: float = 0.0
) -> NDArray[np.float32]:
    """Draw 2-D Perlin noise (Perlin 1985; quintic fade of Perlin 2002).

    Parameters
    ----------
    shape : (int, int)
        Height and width in pixels, each >= 1.
    resolution : (int, int)
        Lattice cells over the height and over the width, each 1 … 4096.
    rng : numpy.random.Generator
        Gives one 64-bit number, the key of the lattice's gradients.
    rotation : float
        Angle of the lattice about the image's centre in degrees; from the row axis towards the column axis.

    Returns
    -------
    ndarray of float32, H x W
        Noise in [-1, 1], zero on every lattice point; scaled by sqrt(2) as in DRAEM.

    Raises
    ------
    ParameterError
        If the shape, resolution or rotation cannot be used.
    """
    height, width = _pair("shape", shape)
    cells = _pair("resolution", resolution)
    if max(cells) > _LARGEST_RESOLUTION:
        raise ParameterError(f"resolution must be at most {_LARGEST_RESOLUTION} cells per axis, got {resolution!r}")
    if not math.isfinite(rotation):
        raise ParameterError(f"rotation must be a finite angle in degrees, got {rotation!r}")
    seed = int(rng.integers(0, 2**64, dtype=np.uint64))
    out = noise_buffer((height, width))
    first, last = np.zeros(height, np.int32), np.full(height, width, np.int32)
    fill_noise(out, first, last, np.uint64(seed), *lattice_grid((height, width), cells, rotation))
    return out[:, :width].copy()


def noise_buffer(shape: tuple[int, int]) -> NDArray[np.float32]:
    """Allocate what `fill_noise` writes to: rows with room for the last vector of pixels."""
    return np.empty((shape[0], shape[1] + LANES - 1), np.float32)


def lattice_grid(
    shape: tuple[int, int], resolution: tuple[int, int], rotation: float
) -> tuple[int, int, int, int, float, float, float, float, float, float]:
    """Map pixels to the lattice: its first row and column, size, and the affine map of pixel (y, x).

    Returns
    -------
    tuple
        ``row0, column0, rows, columns, u0, uy, ux, v0, vy, vx``: pixel (y, x) lies at lattice row
        ``row0 + u0 + uy y + ux x`` and lattice column ``column0 + v0 + vy y + vx x``.
    """
    (height, width), (cells_y, cells_x) = shape, resolution
    angle = math.radians(rotation)
    cosine, sine = math.cos(angle), math.sin(angle)
    uy, ux = cosine * cells_y / height, -sine * cells_y / height
    vy, vx = sine * cells_x / width, cosine * cells_x / width
    u0 = cells_y / 2 - uy * (height - 1) / 2 - ux * (width - 1) / 2
    v0 = cells_x / 2 - vy * (height - 1) / 2 - vx * (width - 1) / 2
    reach_u = (abs(uy) * (height - 1) + abs(ux) * (width - 1)) / 2
    reach_v = (abs(vy) * (height - 1) + abs(vx) * (width - 1)) / 2
    row0, column0 = math.floor(cells_y / 2 - reach_u) - 1, math.floor(cells_x / 2 - reach_v) - 1
    rows = math.floor(cells_y / 2 + reach_u) - row0 + 3
    columns = math.floor(cells_x / 2 + reach_v) - column0 + 3
    return row0, column0, rows, columns, u0 - row0, uy, ux, v0 - column0, vy, vx


@kernel
def fill_noise(out, first, last, seed, row0, column0, rows, columns, u0, uy, ux, v0, vy, vx):
    """Write noise to the columns first[y] … last[y] - 1 of every row y, and anything to those behind."""
    per_u, per_v = _pixels_per_cell(ux), _pixels_per_cell(vx)
    gradient_y, gradient_x = _gradients(seed, row0, column0, rows, columns)
    for y in range(out.shape[0]):
        x, end = first[y], last[y]
        while x < end:
            u = u0 + uy * y + ux * x
            v = v0 + vy * y + vx * x
            i, j = int(u), int(v)
            a, b = u - i, v - j
            steps = min(end - x, _steps_to_border(a, per_u), _steps_to_border(b, per_v))
            k = i * columns + j
            _fill_cell(
                out[y, x : x + LANES * ((steps + LANES - 1) // LANES)],
                np.float32(a), np.float32(ux), np.float32(b), np.float32(vx),
                gradient_y[k], gradient_x[k], gradient_y[k + 1], gradient_x[k + 1],
                gradient_y[k + columns], gradient_x[k + columns],
                gradient_y[k + columns + 1], gradient_x[k + columns + 1],
            )  # fmt: skip
            x += steps


@kernel
def _gradients(seed, row0, column0, rows, columns):
    """Compute the lattice's unit gradients, row by row; each depends on the key and its place alone."""
    y, x = np.empty(rows * columns, np.float32), np.empty(rows * columns, np.float32)
    for i in range(rows):
        row_key = _mix(seed + np.uint64(row0 + i))
        for j in range(columns):
            k = _mix(row_key + np.uint64(column0 + j)) >> np.uint64(56)
            y[i * columns + j] = _SINE[k]
            x[i * columns + j] = _COSINE[k]
    return y, x


@kernel
def _mix(z):
    """SplitMix64's mixing function, as in `das3d_aug.randomness`."""
    z += np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@kernel
def _pixels_per_cell(step):
    """Invert a step along a row, in cells per pixel; a step of next to nothing never leaves its cell."""
    return 1.0 / step if abs(step) > 1e-9 else 1e9


@kernel
def _steps_to_border(a, per_cell):
    """Count the pixels that, from offset ``a`` in [0, 1) on, stay in the cell."""
    return int((1.0 - a) * per_cell) + 1 if per_cell > 0 else int(-a * per_cell) + 1


@kernel
def _fill_cell(row, a0, a_step, b0, b_step, y00, x00, y01, x01, y10, x10, y11, x11):
    """Fill one run of pixels inside one cell.

    The corners' dot products are linear along it, so this vectorises. Whole vectors are written: what reaches
    over the border of the cell is overwritten by the next one.
    """
    one, six, ten, fifteen = np.float32(1.0), np.float32(6.0), np.float32(10.0), np.float32(15.0)
    scale = np.float32(math.sqrt(2.0))
    for start in range(0, row.size, LANES):
        for lane in range(LANES):
            n = np.float32(np.int32(start + lane))
            a = a0 + a_step * n
            b = b0 + b_step * n
            fade_a = a * a * a * (a * (a * six - fifteen) + ten)
            fade_b = b * b * b * (b * (b * six - fifteen) + ten)
            near, far = a - one, b - one
            upper = y00 * a + x00 * b
            upper += fade_b * (y01 * a + x01 * far - upper)
            lower = y10 * near + x10 * b
            lower += fade_b * (y11 * near + x11 * far - lower)
            row[np.uint64(start + lane)] = scale * (upper + fade_a * (lower - upper))


def _pair(name: str, value: tuple[int, int]) -> tuple[int, int]:
    try:
        first, second = (number.__index__() for number in value)
    except (AttributeError, TypeError, ValueError):
        raise ParameterError(f"{name} must be two integers, got {value!r}") from None
    if first < 1 or second < 1:
        raise ParameterError(f"{name} must be two integers >= 1, got {value!r}")
    return first, second
