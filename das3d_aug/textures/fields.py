"""What procedural textures are made of: random fields on a square, noise, waves and scattered cells.

Only IEEE basic operations, floor and square root are used, whose results are the same on every CPU: no sine, no
power, no sum whose order depends on the vector width.  Lengths are fractions of the texture's side.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from das3d_aug.randomness import Stream

__all__ = [
    "Field",
    "centres",
    "fractal",
    "is_odd",
    "scattered_cells",
    "smear",
    "smooth_step",
    "soft_wave",
    "stretch",
    "turned_axes",
    "value_noise",
    "white",
]

Field = NDArray[np.floating[Any]]  # float32 throughout


def white(stream: Stream, height: int, width: int | None = None) -> Field:
    """Independent U(0, 1) numbers: `Stream`'s mixing function on an array of counters."""
    width = height if width is None else width
    z = np.arange(1, height * width + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    z += np.uint64(stream.bits())
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    return ((z >> np.uint64(40)).astype(np.float32) * 2.0**-24).reshape(height, width)


def centres(size: int, length: float) -> Field:
    """Pixel centres along a side of the given length."""
    return ((np.arange(size) + 0.5) * (length / size)).astype(np.float32)


def value_noise(stream: Stream, size: int, cells: tuple[int, int]) -> Field:
    """Smoothly interpolated random numbers on a lattice of ``cells`` (rows, columns)."""
    rows, columns = (min(n, size) for n in cells)
    lattice = white(stream, rows + 1, columns + 1)
    for axis, n in ((0, rows), (1, columns)):
        at = centres(size, n)
        first = at.astype(np.intp)
        weight = _smooth(at - np.floor(at))
        weight = weight[:, None] if axis == 0 else weight
        low, high = lattice.take(first, axis), lattice.take(first + 1, axis)
        lattice = low + (high - low) * weight
    return lattice


def fractal(stream: Stream, size: int, cells: tuple[int, int], octaves: int) -> Field:
    """Value noise plus ever finer octaves of half the height, stretched over [0, 1]."""
    total = value_noise(stream, size, cells)
    for octave in range(1, octaves):
        finer = (cells[0] << octave, cells[1] << octave)
        total += value_noise(stream, size, finer) * 0.5**octave
    return stretch(total)


def stretch(value: Field) -> Field:
    """Stretch linearly over [0, 1]."""
    low, high = float(value.min()), float(value.max())
    return (value - low) / max(high - low, 1e-9)


def _smooth(t: Field) -> Field:
    return t * t * (3.0 - 2.0 * t)


def smooth_step(value: Field, edge: float, width: float) -> Field:
    """0 below ``edge - width``, 1 above ``edge + width``, smooth between."""
    return _smooth(np.clip((value - edge) / (2.0 * width) + 0.5, 0.0, 1.0))


def is_odd(t: Field) -> Field:
    """1 where the floor is odd, else 0."""
    half: Field = np.floor(t) * 0.5
    return (half - np.floor(half)) * 2.0


def soft_wave(t: Field) -> Field:
    """Return a sine-like wave of period 1 in [0, 1], made of a polynomial."""
    return _smooth(np.abs((t - np.floor(t)) * 2.0 - 1.0))


def turned_axes(stream: Stream, size: int, *, turn: float = 1.0) -> tuple[Field, Field]:
    """Coordinates along two perpendicular axes turned by up to ``turn`` × 90 degrees either way."""
    t = stream.uniform(-turn, turn)  # the tangent of half the angle: a rotation without sine or cosine
    cosine, sine = (1.0 - t * t) / (1.0 + t * t), 2.0 * t / (1.0 + t * t)
    y, x = centres(size, 1.0)[:, None], centres(size, 1.0)[None, :]
    return cosine * y - sine * x, sine * y + cosine * x


def smear(value: Field, length: float) -> Field:
    """Mean over ``length`` to the right, with wrap-around."""
    n = max(1, int(length * value.shape[1]))
    total = np.cumsum(np.concatenate((value, value[:, :n]), axis=1), axis=1)
    return (total[:, n:] - total[:, :-n]) / n


def scattered_cells(stream: Stream, size: int, count: int) -> tuple[Field, Field, Field]:
    """Distances to the nearest and second nearest of ``count``² scattered points, and the nearest's number.

    One point lies in each square of a lattice (Worley 1996); distances are in sides of a square.
    """
    lattice = count + 2
    corner = np.arange(-1, count + 1, dtype=np.float32)
    rows = white(stream, lattice) + corner[:, None]
    columns = white(stream, lattice) + corner[None, :]
    numbers = white(stream, lattice)
    at = centres(size, count)
    square = at.astype(np.intp)
    nearest = np.full((size, size), 9.0, np.float32)
    second = nearest.copy()
    number = np.zeros_like(nearest)
    for i in range(3):
        for j in range(3):
            y, x, candidate = (a.take(square + i, 0).take(square + j, 1) for a in (rows, columns, numbers))
            distance = np.square(y - at[:, None]) + np.square(x - at[None, :])
            number = np.where(distance < nearest, candidate, number)
            second = np.minimum(second, np.maximum(distance, nearest))
            nearest = np.minimum(nearest, distance)
    return np.sqrt(nearest), np.sqrt(second), number
