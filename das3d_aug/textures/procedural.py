"""Textures made from a number: a scalar field in [0, 1] sent through a colour ramp.

Texture k is a pure function of k and the size.  `_MATERIALS` names twenty kinds of surface and the colour
ramps that suit them; k chooses the kind in turn, and the stream of k everything else.  The fields
use only IEEE basic operations, floor and square root, whose results are the same on every CPU: no sine, no
power, no sum whose order depends on the vector width.  Lengths are fractions of the texture's side.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from das3d_aug.randomness import Stream

__all__ = ["make_texture"]

Field = NDArray[np.floating[Any]]  # float32 throughout

_SEED = 0x7E87  # any number: it only sets these streams apart from those of the samples


def make_texture(k: int, size: int) -> NDArray[np.uint8]:
    """Make texture number ``k``.

    Parameters
    ----------
    k : int
        Which texture, >= 0.
    size : int
        Height and width in pixels, >= 8.

    Returns
    -------
    uint8, shape (size, size, 3)
        RGB, read-only.
    """
    stream = Stream(_SEED, index=k)
    field, ramps = _MATERIALS[k % len(_MATERIALS)]
    value = field(stream, size)
    value = value + (_fractal(stream, size, (2, 2), 2) - 0.5) * 0.12  # uneven light
    value = value + (_white(stream, size) - 0.5) * 0.05  # grain
    level = np.rint(np.clip(value, 0.0, 1.0) * 255.0).astype(np.intp)
    texture: NDArray[np.uint8] = _ramp(stream, stream.choice(ramps))[level]
    texture.setflags(write=False)
    return texture


# Building blocks


def _white(stream: Stream, height: int, width: int | None = None) -> Field:
    """Independent U(0, 1) numbers: `Stream`'s mixing function on an array of counters."""
    width = height if width is None else width
    z = np.arange(1, height * width + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    z += np.uint64(stream.bits())
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    return ((z >> np.uint64(40)).astype(np.float32) * 2.0**-24).reshape(height, width)


def _centres(size: int, length: float) -> Field:
    """Pixel centres along a side of the given length."""
    return ((np.arange(size) + 0.5) * (length / size)).astype(np.float32)


def _value_noise(stream: Stream, size: int, cells: tuple[int, int]) -> Field:
    """Smoothly interpolated random numbers on a lattice of ``cells`` (rows, columns)."""
    rows, columns = (min(n, size) for n in cells)
    lattice = _white(stream, rows + 1, columns + 1)
    for axis, n in ((0, rows), (1, columns)):
        at = _centres(size, n)
        first = at.astype(np.intp)
        weight = _smooth(at - np.floor(at))
        weight = weight[:, None] if axis == 0 else weight
        low, high = lattice.take(first, axis), lattice.take(first + 1, axis)
        lattice = low + (high - low) * weight
    return lattice


def _fractal(stream: Stream, size: int, cells: tuple[int, int], octaves: int) -> Field:
    """Value noise plus ever finer octaves of half the height, stretched over [0, 1]."""
    total = _value_noise(stream, size, cells)
    for octave in range(1, octaves):
        finer = (cells[0] << octave, cells[1] << octave)
        total += _value_noise(stream, size, finer) * 0.5**octave
    return _stretch(total)


def _stretch(value: Field) -> Field:
    low, high = float(value.min()), float(value.max())
    return (value - low) / max(high - low, 1e-9)


def _smooth(t: Field) -> Field:
    return t * t * (3.0 - 2.0 * t)


def _step(value: Field, edge: float, width: float) -> Field:
    """0 below ``edge - width``, 1 above ``edge + width``, smooth between."""
    return _smooth(np.clip((value - edge) / (2.0 * width) + 0.5, 0.0, 1.0))


def _odd(t: Field) -> Field:
    """1 where the floor is odd, else 0."""
    half: Field = np.floor(t) * 0.5
    return (half - np.floor(half)) * 2.0


def _wave(t: Field) -> Field:
    """Return a sine-like wave of period 1 in [0, 1], made of a polynomial."""
    return _smooth(np.abs((t - np.floor(t)) * 2.0 - 1.0))


def _axes(stream: Stream, size: int, *, turn: float = 1.0) -> tuple[Field, Field]:
    """Coordinates along two perpendicular axes turned by up to ``turn`` × 90 degrees either way."""
    t = stream.uniform(-turn, turn)  # the tangent of half the angle: a rotation without sine or cosine
    cosine, sine = (1.0 - t * t) / (1.0 + t * t), 2.0 * t / (1.0 + t * t)
    y, x = _centres(size, 1.0)[:, None], _centres(size, 1.0)[None, :]
    return cosine * y - sine * x, sine * y + cosine * x


def _smear(value: Field, length: float) -> Field:
    """Mean over ``length`` to the right, with wrap-around."""
    n = max(1, int(length * value.shape[1]))
    total = np.cumsum(np.concatenate((value, value[:, :n]), axis=1), axis=1)
    return (total[:, n:] - total[:, :-n]) / n


def _cells(stream: Stream, size: int, count: int) -> tuple[Field, Field, Field]:
    """Distances to the nearest and second nearest of ``count``² scattered points, and the nearest's number.

    One point lies in each square of a lattice (Worley 1996); distances are in sides of a square.
    """
    lattice = count + 2
    corner = np.arange(-1, count + 1, dtype=np.float32)
    rows = _white(stream, lattice) + corner[:, None]
    columns = _white(stream, lattice) + corner[None, :]
    numbers = _white(stream, lattice)
    at = _centres(size, count)
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


# Materials: each gives a field of about [0, 1]


def _stripes(stream: Stream, size: int) -> Field:
    across, _ = _axes(stream, size)
    warped = across + (_fractal(stream, size, (3, 3), 2) - 0.5) * stream.uniform(0.0, 0.12)
    wave = _wave(warped * stream.uniform(5.0, 24.0))
    return 0.75 * _step(wave, stream.uniform(0.3, 0.7), stream.uniform(0.1, 0.5)) + 0.25 * wave


def _weave(stream: Stream, size: int) -> Field:
    y, x = _axes(stream, size, turn=0.4)
    n = stream.uniform(8.0, 22.0)
    y, x = y * n, x * n
    over = _odd(np.floor(y) + np.floor(x))
    along, across = np.where(over > 0.5, y, x), np.where(over > 0.5, x, y)
    thread = (1.0 - _wave(across)) * (0.6 + 0.4 * (1.0 - _wave(along)))
    fibre = _fractal(stream, size, (24, 24), 3)
    return 0.15 * over + 0.65 * thread + 0.25 * fibre


def _checker(stream: Stream, size: int) -> Field:
    y, x = _axes(stream, size)
    n = stream.uniform(4.0, 14.0)
    ragged = (_fractal(stream, size, (12, 12), 3) - 0.5) * 0.25
    odd = _odd(np.floor(y * n + ragged) + np.floor(x * n - ragged))
    return 0.1 + 0.6 * odd + 0.25 * _fractal(stream, size, (8, 8), 4)


def _crackle(stream: Stream, size: int) -> Field:
    first, second, number = _cells(stream, size, stream.integer(5, 11))
    return _step(second - first, 0.06, 0.05) * (0.45 + 0.5 * number - 0.15 * first)


def _pebbles(stream: Stream, size: int) -> Field:
    first, second, number = _cells(stream, size, stream.integer(8, 20))
    dome = 1.0 - np.minimum(first * first * 1.6, 1.0)
    return dome * _step(second - first, 0.1, 0.1) * (0.6 + 0.4 * number)


def _leather(stream: Stream, size: int) -> Field:
    first, second, _ = _cells(stream, size, stream.integer(18, 34))
    fold = _step(_fractal(stream, size, (4, 4), 4), 0.45, 0.4)
    return 0.2 + 0.5 * _step(second - first, 0.15, 0.2) + 0.25 * fold


def _speckle(stream: Stream, size: int) -> Field:
    first, _, number = _cells(stream, size, stream.integer(14, 34))
    radius = 0.1 + 0.35 * number
    dot = 1.0 - np.clip((first - radius) * 8.0, 0.0, 1.0)
    tone = _odd(number * 37.0) * 0.3 + _odd(number * 53.0) * 0.2 + 0.45
    return 0.15 + 0.15 * _fractal(stream, size, (6, 6), 4) + dot * (tone - 0.15)


def _clouds(stream: Stream, size: int) -> Field:
    n = stream.integer(2, 6)
    return _fractal(stream, size, (n, n * stream.integer(1, 3)), 6)


def _scratches(stream: Stream, size: int) -> Field:
    value = 0.35 + 0.25 * _fractal(stream, size, (3, 3), 5)
    for _ in range(stream.integer(12, 28)):
        across, along = _axes(stream, size)
        bend = across + np.square(along - 0.5) * stream.uniform(-0.15, 0.15) - stream.uniform(-0.7, 0.7)
        profile = 1.0 - np.abs(bend) / stream.uniform(0.003, 0.01)
        start = stream.uniform(-0.4, 0.6)
        reach = (along > start) & (along < start + stream.uniform(0.2, 0.9))
        value += np.maximum(profile, 0.0) * reach * stream.uniform(-0.4, 0.5)
    return value


def _rust(stream: Stream, size: int) -> Field:
    n = stream.integer(3, 6)
    spread = _fractal(stream, size, (n, n), 6)
    eaten = _step(spread, stream.uniform(0.4, 0.6), 0.07)
    return 0.1 + 0.15 * _fractal(stream, size, (2, 24), 4) + eaten * (0.2 + 0.7 * _fractal(stream, size, (12, 12), 5))


def _wood(stream: Stream, size: int) -> Field:
    y, x = _axes(stream, size)
    y, x = y - stream.uniform(-1.0, 0.4), (x - stream.uniform(0.0, 1.0)) * stream.uniform(0.12, 1.0)
    radius = np.sqrt(y * y + x * x) + (_fractal(stream, size, (3, 3), 3) - 0.5) * 0.14
    ring = radius * stream.uniform(9.0, 24.0)
    tooth: Field = ring - np.floor(ring)  # early wood darkens slowly, then breaks off
    grain = _fractal(stream, size, (60, 4), 3)
    return 0.15 + 0.55 * tooth * tooth * (1.0 - _step(tooth, 0.93, 0.07)) + 0.35 * grain


def _planks(stream: Stream, size: int) -> Field:
    count = stream.integer(3, 8)
    y = _centres(size, count)
    board = y.astype(np.intp)
    tone = _white(stream, count, 1)[board]
    shift = (_white(stream, count, 1)[board] * size).astype(np.intp)
    grain = _fractal(stream, size, (count * 10, 3), 4)
    grain = np.take_along_axis(grain, (np.arange(size)[None, :] + shift) % size, axis=1)
    joint = _step(np.abs(y - np.floor(y) - 0.5), 0.475, 0.02)[:, None]
    value: Field = (0.2 + 0.35 * tone + 0.45 * grain) * (1.0 - 0.85 * joint)
    return value


def _gradient(stream: Stream, size: int) -> Field:
    across, along = _axes(stream, size)
    bow = across + np.square(along - 0.5) * stream.uniform(-1.0, 1.0)
    return 0.9 * _stretch(bow) + 0.1 * _fractal(stream, size, (40, 40), 2)


def _brushed(stream: Stream, size: int) -> Field:
    fine = _stretch(_smear(_white(stream, size), stream.uniform(0.1, 0.4)))
    _, sheen = _axes(stream, size, turn=0.3)
    value = 0.55 * fine + 0.4 * _wave(sheen * stream.uniform(0.6, 1.6) + stream.uniform())
    return value.T if stream.chance(0.5) else value


def _granite(stream: Stream, size: int) -> Field:
    _, _, coarse = _cells(stream, size, stream.integer(22, 44))
    mica = _step(_fractal(stream, size, (48, 48), 2), 0.72, 0.05)
    body = np.floor(coarse * 4.0) * 0.25
    value: Field = (0.15 + 0.6 * body + 0.2 * _fractal(stream, size, (8, 8), 4)) * (1.0 - 0.8 * mica)
    return value


def _marble(stream: Stream, size: int) -> Field:
    across, _ = _axes(stream, size)
    n = stream.integer(2, 4)
    warped = across * stream.uniform(1.5, 4.0) + _fractal(stream, size, (n, n), 6) * stream.uniform(1.0, 2.5)
    vein = np.abs((warped - np.floor(warped)) * 2.0 - 1.0)
    return 0.1 + 0.65 * np.sqrt(vein) + 0.25 * _fractal(stream, size, (4, 4), 5)


def _perforated(stream: Stream, size: int) -> Field:
    y, x = _axes(stream, size)
    n = stream.uniform(6.0, 18.0)
    y, x = y * n, x * n
    x = x + _odd(y) * 0.5
    distance = np.sqrt(np.square(y - np.floor(y) - 0.5) + np.square(x - np.floor(x) - 0.5))
    hole = 1.0 - _step(distance, stream.uniform(0.22, 0.36), 0.04)
    return (0.55 + 0.4 * _fractal(stream, size, (2, 2), 5)) * (1.0 - 0.9 * hole)


def _bricks(stream: Stream, size: int) -> Field:
    y, x = _axes(stream, size, turn=0.15)
    n = stream.integer(5, 12)
    ragged = (_fractal(stream, size, (16, 16), 3) - 0.5) * 0.12
    y, x = (y + 1.0) * n + ragged, (x + 1.0) * (n * stream.uniform(0.35, 0.6)) + ragged
    row = np.floor(y)
    x = x + _odd(row) * 0.5
    column = np.floor(x)
    tones = _white(stream, 4 * n)
    tone = tones[row.astype(np.intp), column.astype(np.intp)]
    edge = np.minimum(0.5 - np.abs(y - row - 0.5), (0.5 - np.abs(x - column - 0.5)) * 2.0)
    return 0.05 + _step(edge, 0.08, 0.03) * (0.25 + 0.4 * tone + 0.3 * _fractal(stream, size, (20, 20), 4))


def _camouflage(stream: Stream, size: int) -> Field:
    n = stream.integer(3, 7)
    tones = stream.integer(3, 5)
    patch: Field = np.floor(_fractal(stream, size, (n, n), 4) * (tones - 1e-4)) / (tones - 1)
    return 0.9 * patch + 0.1 * _fractal(stream, size, (32, 32), 2)


def _fur(stream: Stream, size: int) -> Field:
    noise = _fractal(stream, size, (4, 90), 3)
    bend = _value_noise(stream, size, (3, 1)) + 0.6 * _value_noise(stream, size, (9, 2))
    shift = (bend * (stream.uniform(0.1, 0.35) * size)).astype(np.intp)
    return np.take_along_axis(noise, (np.arange(size)[None, :] + shift) % size, axis=1)


# Colour ramps, dark to light or worn to whole


def _ramp(stream: Stream, stops: tuple[int, ...]) -> NDArray[np.uint8]:
    """256 colours through the stops 0xRRGGBB, each jittered, the whole reversed half of the time."""
    jitter = [[stream.uniform(-24.0, 24.0) for _ in range(3)] for _ in stops]
    rgb = [[stop >> 16, stop >> 8 & 255, stop & 255] for stop in stops]
    colours = np.array(rgb, float) + np.array(jitter)
    if stream.chance(0.5):
        colours = colours[::-1]
    at = np.arange(256) * ((len(stops) - 1) / 255.0)
    first = np.minimum(at.astype(np.intp), len(stops) - 2)
    weight = (at - first)[:, None]
    ramp = colours[first] + (colours[first + 1] - colours[first]) * weight
    table: NDArray[np.uint8] = np.rint(np.clip(ramp, 0.0, 255.0)).astype(np.uint8)
    return table


_METAL = ((0x3A3D42, 0x8E949B, 0xD9DEE2), (0x4A3B28, 0xB08D4F, 0xF0DBA6), (0x4B2A1E, 0xB4693F, 0xF2BE9A))
_STONE = ((0x2E2D2B, 0x85807A, 0xD8D3CB), (0x1F2A30, 0x55707A, 0xC3D2D6), (0x5A3A34, 0xB98878, 0xEBD6C8))
_WOODS = ((0xD9B07A, 0xA8703C, 0x4F2C16), (0xE8CFA3, 0xC79A5E, 0x8A5A2B), (0x6B3F2A, 0x47261A, 0x1E0F0A))
_RUSTY = (
    (0x8F979C, 0xA39A8E, 0x8A3F18, 0xC86A26, 0x3E1A0E),
    (0x3F7F8C, 0x6FA5A0, 0x9A4A20, 0xD27C33, 0x4A1F10),
)
_CLOTH = ((0x1B2550, 0x3F62A8, 0xA9C3E6), (0x5C1020, 0xB3344A, 0xF0B9AE), (0x3B3A2A, 0x94905F, 0xE6E0BC))
_EARTH = ((0x2C1D12, 0x7A5534, 0xC9A878), (0x1E2A14, 0x5D7A34, 0xB9C77E), (0x4A1E14, 0xA5482C, 0xDFA07A))
_PAINT = (
    (0x101820, 0xF2AA4C, 0xF6F1E4),
    (0x0B6E6E, 0xF4E8C1, 0xD1495B),
    (0x2D1E5F, 0x8C52C7, 0xF3C6E9),
    (0x064E3B, 0x34A56F, 0xF5F3C8),
    (0xE63946, 0xF1FAEE, 0x1D3557),
    (0xFFD23F, 0xEE4266, 0x3B1C50),
)
_INK = ((0x0A0A0C, 0x707070, 0xF4F4F0), (0x101010, 0x3C3C3E, 0x8A8A8E), (0x9C9C98, 0xD8D6D0, 0xFFFFFC))

_MATERIALS: tuple[tuple[Callable[[Stream, int], Field], tuple[tuple[int, ...], ...]], ...] = (
    (_stripes, _PAINT + _CLOTH + _INK),
    (_weave, _CLOTH + _EARTH + _PAINT),
    (_wood, _WOODS),
    (_crackle, _EARTH + _STONE + _PAINT),
    (_brushed, _METAL),
    (_clouds, _PAINT + _STONE + _EARTH),
    (_rust, _RUSTY),
    (_checker, _PAINT + _INK + _STONE),
    (_granite, _STONE + _INK),
    (_scratches, _METAL + _INK + _PAINT),
    (_speckle, _PAINT + _STONE + _EARTH),
    (_marble, _STONE + _INK + _PAINT),
    (_leather, _EARTH + _CLOTH + _WOODS),
    (_perforated, _METAL + _INK + _PAINT),
    (_pebbles, _STONE + _EARTH),
    (_gradient, _PAINT + _METAL + _CLOTH),
    (_bricks, _EARTH + _STONE),
    (_camouflage, _EARTH + _PAINT + _CLOTH),
    (_planks, _WOODS + _EARTH),
    (_fur, _EARTH + _INK + _CLOTH),
)
