"""Textures made from a number: a scalar field in [0, 1] sent through a colour ramp.

Texture k is a pure function of k and the size.  `_MATERIALS` names twenty kinds of surface and the colour
ramps that suit them; k chooses the kind in turn, and the stream of k everything else.  The fields are made of
those in `das3d_aug.textures.fields` by the same few operations, so their bytes are the same on every CPU.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from das3d_aug.randomness import Stream
from das3d_aug.textures.fields import (
    Field,
    centres,
    fractal,
    is_odd,
    scattered_cells,
    smear,
    smooth_step,
    soft_wave,
    stretch,
    turned_axes,
    value_noise,
    white,
)

__all__ = ["make_texture"]

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
    value = value + (fractal(stream, size, (2, 2), 2) - 0.5) * 0.12  # uneven light
    value = value + (white(stream, size) - 0.5) * 0.05  # grain
    level = np.rint(np.clip(value, 0.0, 1.0) * 255.0).astype(np.intp)
    texture: NDArray[np.uint8] = _ramp(stream, stream.choice(ramps))[level]
    texture.setflags(write=False)
    return texture


# Materials: each gives a field of about [0, 1]


def _stripes(stream: Stream, size: int) -> Field:
    across, _ = turned_axes(stream, size)
    warped = across + (fractal(stream, size, (3, 3), 2) - 0.5) * stream.uniform(0.0, 0.12)
    wave = soft_wave(warped * stream.uniform(5.0, 24.0))
    return 0.75 * smooth_step(wave, stream.uniform(0.3, 0.7), stream.uniform(0.1, 0.5)) + 0.25 * wave


def _weave(stream: Stream, size: int) -> Field:
    y, x = turned_axes(stream, size, turn=0.4)
    n = stream.uniform(8.0, 22.0)
    y, x = y * n, x * n
    over = is_odd(np.floor(y) + np.floor(x))
    along, across = np.where(over > 0.5, y, x), np.where(over > 0.5, x, y)
    thread = (1.0 - soft_wave(across)) * (0.6 + 0.4 * (1.0 - soft_wave(along)))
    fibre = fractal(stream, size, (24, 24), 3)
    return 0.15 * over + 0.65 * thread + 0.25 * fibre


def _checker(stream: Stream, size: int) -> Field:
    y, x = turned_axes(stream, size)
    n = stream.uniform(4.0, 14.0)
    ragged = (fractal(stream, size, (12, 12), 3) - 0.5) * 0.25
    odd = is_odd(np.floor(y * n + ragged) + np.floor(x * n - ragged))
    return 0.1 + 0.6 * odd + 0.25 * fractal(stream, size, (8, 8), 4)


def _crackle(stream: Stream, size: int) -> Field:
    first, second, number = scattered_cells(stream, size, stream.integer(5, 11))
    return smooth_step(second - first, 0.06, 0.05) * (0.45 + 0.5 * number - 0.15 * first)


def _pebbles(stream: Stream, size: int) -> Field:
    first, second, number = scattered_cells(stream, size, stream.integer(8, 20))
    dome = 1.0 - np.minimum(first * first * 1.6, 1.0)
    return dome * smooth_step(second - first, 0.1, 0.1) * (0.6 + 0.4 * number)


def _leather(stream: Stream, size: int) -> Field:
    first, second, _ = scattered_cells(stream, size, stream.integer(18, 34))
    fold = smooth_step(fractal(stream, size, (4, 4), 4), 0.45, 0.4)
    return 0.2 + 0.5 * smooth_step(second - first, 0.15, 0.2) + 0.25 * fold


def _speckle(stream: Stream, size: int) -> Field:
    first, _, number = scattered_cells(stream, size, stream.integer(14, 34))
    radius = 0.1 + 0.35 * number
    dot = 1.0 - np.clip((first - radius) * 8.0, 0.0, 1.0)
    tone = is_odd(number * 37.0) * 0.3 + is_odd(number * 53.0) * 0.2 + 0.45
    return 0.15 + 0.15 * fractal(stream, size, (6, 6), 4) + dot * (tone - 0.15)


def _clouds(stream: Stream, size: int) -> Field:
    n = stream.integer(2, 6)
    return fractal(stream, size, (n, n * stream.integer(1, 3)), 6)


def _scratches(stream: Stream, size: int) -> Field:
    value = 0.35 + 0.25 * fractal(stream, size, (3, 3), 5)
    for _ in range(stream.integer(12, 28)):
        across, along = turned_axes(stream, size)
        bend = across + np.square(along - 0.5) * stream.uniform(-0.15, 0.15) - stream.uniform(-0.7, 0.7)
        profile = 1.0 - np.abs(bend) / stream.uniform(0.003, 0.01)
        start = stream.uniform(-0.4, 0.6)
        reach = (along > start) & (along < start + stream.uniform(0.2, 0.9))
        value += np.maximum(profile, 0.0) * reach * stream.uniform(-0.4, 0.5)
    return value


def _rust(stream: Stream, size: int) -> Field:
    n = stream.integer(3, 6)
    spread = fractal(stream, size, (n, n), 6)
    eaten = smooth_step(spread, stream.uniform(0.4, 0.6), 0.07)
    return 0.1 + 0.15 * fractal(stream, size, (2, 24), 4) + eaten * (0.2 + 0.7 * fractal(stream, size, (12, 12), 5))


def _wood(stream: Stream, size: int) -> Field:
    y, x = turned_axes(stream, size)
    y, x = y - stream.uniform(-1.0, 0.4), (x - stream.uniform(0.0, 1.0)) * stream.uniform(0.12, 1.0)
    radius = np.sqrt(y * y + x * x) + (fractal(stream, size, (3, 3), 3) - 0.5) * 0.14
    ring = radius * stream.uniform(9.0, 24.0)
    tooth: Field = ring - np.floor(ring)  # early wood darkens slowly, then breaks off
    grain = fractal(stream, size, (60, 4), 3)
    return 0.15 + 0.55 * tooth * tooth * (1.0 - smooth_step(tooth, 0.93, 0.07)) + 0.35 * grain


def _planks(stream: Stream, size: int) -> Field:
    count = stream.integer(3, 8)
    y = centres(size, count)
    board = y.astype(np.intp)
    tone = white(stream, count, 1)[board]
    shift = (white(stream, count, 1)[board] * size).astype(np.intp)
    grain = fractal(stream, size, (count * 10, 3), 4)
    grain = np.take_along_axis(grain, (np.arange(size)[None, :] + shift) % size, axis=1)
    joint = smooth_step(np.abs(y - np.floor(y) - 0.5), 0.475, 0.02)[:, None]
    value: Field = (0.2 + 0.35 * tone + 0.45 * grain) * (1.0 - 0.85 * joint)
    return value


def _gradient(stream: Stream, size: int) -> Field:
    across, along = turned_axes(stream, size)
    bow = across + np.square(along - 0.5) * stream.uniform(-1.0, 1.0)
    return 0.9 * stretch(bow) + 0.1 * fractal(stream, size, (40, 40), 2)


def _brushed(stream: Stream, size: int) -> Field:
    fine = stretch(smear(white(stream, size), stream.uniform(0.1, 0.4)))
    _, sheen = turned_axes(stream, size, turn=0.3)
    value = 0.55 * fine + 0.4 * soft_wave(sheen * stream.uniform(0.6, 1.6) + stream.uniform())
    return value.T if stream.chance(0.5) else value


def _granite(stream: Stream, size: int) -> Field:
    _, _, coarse = scattered_cells(stream, size, stream.integer(22, 44))
    mica = smooth_step(fractal(stream, size, (48, 48), 2), 0.72, 0.05)
    body = np.floor(coarse * 4.0) * 0.25
    value: Field = (0.15 + 0.6 * body + 0.2 * fractal(stream, size, (8, 8), 4)) * (1.0 - 0.8 * mica)
    return value


def _marble(stream: Stream, size: int) -> Field:
    across, _ = turned_axes(stream, size)
    n = stream.integer(2, 4)
    warped = across * stream.uniform(1.5, 4.0) + fractal(stream, size, (n, n), 6) * stream.uniform(1.0, 2.5)
    vein = np.abs((warped - np.floor(warped)) * 2.0 - 1.0)
    return 0.1 + 0.65 * np.sqrt(vein) + 0.25 * fractal(stream, size, (4, 4), 5)


def _perforated(stream: Stream, size: int) -> Field:
    y, x = turned_axes(stream, size)
    n = stream.uniform(6.0, 18.0)
    y, x = y * n, x * n
    x = x + is_odd(y) * 0.5
    distance = np.sqrt(np.square(y - np.floor(y) - 0.5) + np.square(x - np.floor(x) - 0.5))
    hole = 1.0 - smooth_step(distance, stream.uniform(0.22, 0.36), 0.04)
    return (0.55 + 0.4 * fractal(stream, size, (2, 2), 5)) * (1.0 - 0.9 * hole)


def _bricks(stream: Stream, size: int) -> Field:
    y, x = turned_axes(stream, size, turn=0.15)
    n = stream.integer(5, 12)
    ragged = (fractal(stream, size, (16, 16), 3) - 0.5) * 0.12
    y, x = (y + 1.0) * n + ragged, (x + 1.0) * (n * stream.uniform(0.35, 0.6)) + ragged
    row = np.floor(y)
    x = x + is_odd(row) * 0.5
    column = np.floor(x)
    tones = white(stream, 4 * n)
    tone = tones[row.astype(np.intp), column.astype(np.intp)]
    edge = np.minimum(0.5 - np.abs(y - row - 0.5), (0.5 - np.abs(x - column - 0.5)) * 2.0)
    return 0.05 + smooth_step(edge, 0.08, 0.03) * (0.25 + 0.4 * tone + 0.3 * fractal(stream, size, (20, 20), 4))


def _camouflage(stream: Stream, size: int) -> Field:
    n = stream.integer(3, 7)
    tones = stream.integer(3, 5)
    patch: Field = np.floor(fractal(stream, size, (n, n), 4) * (tones - 1e-4)) / (tones - 1)
    return 0.9 * patch + 0.1 * fractal(stream, size, (32, 32), 2)


def _fur(stream: Stream, size: int) -> Field:
    noise = fractal(stream, size, (4, 90), 3)
    bend = value_noise(stream, size, (3, 1)) + 0.6 * value_noise(stream, size, (9, 2))
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
