"""Flawless parts of the demo set: a height field and an albedo for each of three families.

A part lies on a supporting plane at height 0.  All lengths are millimetres on a square view of `FIELD`
millimetres, so a part is the same object at every resolution; only its fine grain is drawn per pixel.
Variation inside a family is wide on purpose: a detector must learn what a part is, not where its edges are.
Parts are about 8 mm thick or more, so that the customary removal of all points within 5 mm of the plane
spares them.

* ``biscuit``: any rotation; round or scalloped, docking holes in rings, browning, sugar, natural small chips;
* ``flange``: round to square, bore and hub, bolt holes, turning and cast marks, scratches, patina;
* ``potato``: any pose; lumps, eyes, skin pores, russet and soil.

Textures are Gaussian random fields with a power-law spectrum, drawn by FFT.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from das3d_aug.randomness import Stream

__all__ = ["FAMILIES", "FIELD", "Surface", "build", "grid", "hat", "noise_source", "random_field", "wobble"]

Field = NDArray[np.floating[Any]]  # float32 on the way in and out

FIELD = 100.0  # side of the square view, mm


@dataclass(frozen=True)
class Surface:
    """A part on its supporting plane, before light and sensor.

    Attributes
    ----------
    height : float32 (S, S)
        Millimetres above the plane; 0 outside the part.
    albedo : float32 (S, S, 3)
        Linear RGB reflectance, 0 … 1; meaningless outside the part.
    footprint : bool (S, S)
        Where the part covers the plane.
    flesh : tuple of 3 floats
        Linear RGB of the material below the skin, which chips and cuts lay bare.
    gloss : float
        Strength of the specular reflection, 0 … 1.
    """

    height: Field
    albedo: Field
    footprint: NDArray[np.bool_]
    flesh: tuple[float, float, float]
    gloss: float


def build(family: str, stream: Stream, *, size: int) -> Surface:
    """Draw a flawless part of a family in a random pose on a ``size`` x ``size`` grid."""
    x, y = grid(size)
    turn = stream.uniform(0.0, 2.0 * math.pi)
    x, y = x - stream.uniform(-6.0, 6.0), y - stream.uniform(-6.0, 6.0)
    x, y = math.cos(turn) * x + math.sin(turn) * y, math.cos(turn) * y - math.sin(turn) * x
    return _BUILDERS[family](x, y, stream, noise_source(stream))


def grid(size: int) -> tuple[Field, Field]:
    """Return x (to the right) and y (down) of the pixel centres, in mm from the centre of the view."""
    ticks = (np.arange(size, dtype=np.float32) + 0.5) * (FIELD / size) - FIELD / 2
    x, y = np.meshgrid(ticks, ticks)
    return x, y


def noise_source(stream: Stream) -> np.random.Generator:
    """Seed a generator for image-sized noise from the next bits of a stream."""
    return np.random.Generator(np.random.Philox(key=stream.bits()))


def random_field(source: np.random.Generator, size: int, *, scale: float, falloff: float = 2.0) -> Field:
    """Draw a Gaussian random field of zero mean and unit variance with power-law spectrum.

    The amplitude at frequency f (1/mm) is ``(1 + (2 pi scale f)**2) ** (-falloff / 2)``: ``scale`` is the
    size of the largest structures in mm, a larger ``falloff`` makes them smoother.
    """
    rows, columns = np.fft.fftfreq(size, FIELD / size), np.fft.rfftfreq(size, FIELD / size)
    squared = (2.0 * math.pi * scale) ** 2 * (rows[:, None] ** 2 + columns[None] ** 2)
    amplitude = ((1.0 + squared) ** (-falloff / 2)).astype(np.float32)
    amplitude[0, 0] = 0.0
    white = source.standard_normal((size, size), dtype=np.float32)
    field = np.fft.irfft2(np.fft.rfft2(white) * amplitude, s=(size, size)).astype(np.float32)
    return np.asarray(field / field.std(), dtype=np.float32)


def wobble(angle: Field, stream: Stream, *, terms: int) -> Field:
    """Draw a smooth periodic function of the angle: harmonics 2 … terms + 1, amplitudes falling as 1/n."""
    total = np.zeros_like(angle)
    for n in range(2, terms + 2):
        amplitude, phase = stream.normal() / n, stream.uniform(0.0, 2.0 * math.pi)
        total += np.float32(amplitude) * np.cos(n * angle + np.float32(phase))
    return total


def hat(distance: Field, width: float) -> Field:
    """Return a smooth bump of height 1 that ends at ``|distance| = width``."""
    return np.asarray(np.clip(1.0 - (distance / width) ** 2, 0.0, 1.0) ** 2, dtype=np.float32)


def _biscuit(x: Field, y: Field, stream: Stream, source: np.random.Generator) -> Surface:
    size = len(x)
    coarse = random_field(source, size, scale=7.0)
    grain = random_field(source, size, scale=0.9, falloff=1.6)
    x, y = x + 0.35 * coarse, y - 0.35 * np.roll(coarse, size // 3, axis=0)  # dough is never quite regular
    r, angle = np.hypot(x, y), np.arctan2(y, x)

    petals = stream.choice((0, 22))
    radius = stream.uniform(30.0, 34.0) * (1.0 + 0.012 * wobble(angle, stream, terms=5))
    radius = radius + (stream.uniform(0.5, 0.9) * np.cos(petals * angle) if petals else 0.0)
    rim = inside = radius - r
    for _ in range(stream.integer(0, 3)):  # natural chips: small, and baked like the rest
        where, bite = stream.uniform(-math.pi, math.pi), stream.uniform(0.8, 1.6)
        along = 31.0 * (np.mod(angle - where + math.pi, 2.0 * math.pi) - math.pi)
        inside = np.minimum(inside, np.hypot(rim + 0.5, 0.7 * along) - bite + 0.4 * grain)

    top = stream.uniform(9.0, 12.0) + stream.uniform(-1.0, 1.6) * (1.0 - (r / 32.0) ** 2)
    top = top + stream.uniform(0.2, 0.7) * coarse + stream.uniform(0.08, 0.2) * grain
    height = top * _quarter_round(inside / stream.uniform(1.2, 3.0))
    if stream.chance(0.7):  # an embossed ring
        height = height + stream.uniform(-2.2, 2.2) * hat(r - stream.uniform(18.0, 25.0), 1.4)
    pricks = np.zeros_like(r)
    deep, wide = stream.uniform(1.2, 3.6), stream.uniform(1.0, 2.2)
    for ring in range(stream.integer(1, 3)):
        count, phase = stream.integer(3, 6) + 4 * ring, stream.uniform(0.0, 2.0 * math.pi)
        pricks = np.maximum(pricks, hat(_to_ring(r, angle + phase, 5.0 + 7.5 * ring, count), wide))
    bubbles = _sprinkle(source, size, stream.integer(0, 20), sigma=stream.uniform(0.7, 1.6))
    sugar = _sprinkle(source, size, stream.choice((0, 40, 80)), sigma=0.5)
    height = height - deep * pricks + bubbles + 0.3 * sugar

    blotches = random_field(source, size, scale=stream.uniform(4.0, 12.0))
    baked = stream.uniform(0.15, 0.6) + 0.13 * blotches + 0.05 * grain + 0.2 * bubbles
    baked = baked + stream.uniform(0.1, 0.5) * np.exp(-np.maximum(inside, 0.0) / 3.0)
    albedo = _mix((0.72, 0.50, 0.24), (0.30, 0.13, 0.045), baked)
    albedo = albedo * (1.0 - 0.3 * pricks[..., None])
    albedo = albedo + (0.9 - albedo) * np.clip(sugar, 0.0, 1.0)[..., None] * 0.8
    return _surface(height, albedo, inside > 0.0, flesh=(0.70, 0.54, 0.31), gloss=0.04)


def _flange(x: Field, y: Field, stream: Stream, source: np.random.Generator) -> Surface:
    size = len(x)
    cast = random_field(source, size, scale=0.8, falloff=1.7)
    r, angle = np.hypot(x, y), np.arctan2(y, x)
    outer = stream.uniform(32.0, 36.0)
    bore, hub = stream.uniform(7.0, 10.0), stream.uniform(14.5, 17.5)
    circle, bolt = stream.uniform(24.0, 25.6), stream.uniform(2.1, 3.1)
    count, phase = stream.choice((4, 5, 6, 8)), stream.uniform(0.0, 2.0 * math.pi)
    to_bolt = _to_ring(r, angle + phase, circle, count)

    inside = np.minimum(np.minimum(outer - r, r - bore), to_bolt - bolt)
    plate, rise = stream.uniform(8.5, 11.5), stream.uniform(2.0, 7.0)
    height = plate + rise * _step((hub - r) / stream.uniform(1.2, 2.0))
    seat = stream.choice((-0.9, 0.0, 0.8))  # counterbored, plain or raised bolt seats
    height = height + seat * _step((bolt + 1.8 - to_bolt) / 0.4)
    height = height - stream.uniform(0.6, 1.0) * hat(r - 20.2, 0.9)  # sealing groove
    height = height + stream.uniform(0.5, 1.0) * _cast_marks(x, y, stream)
    skin = stream.uniform(0.02, 0.07)
    pits = _sprinkle(source, size, stream.integer(0, 20), sigma=0.6)
    height = height + skin * cast - 0.5 * pits
    height = height * _quarter_round(inside / stream.uniform(0.5, 1.6))

    metal = stream.choice(((0.42, 0.43, 0.45), (0.30, 0.31, 0.33), (0.46, 0.38, 0.22), (0.36, 0.27, 0.22)))
    turning = np.sin(r * stream.uniform(3.0, 7.0) + 0.6 * cast) * _step((hub - r) / 0.5)
    patina = random_field(source, size, scale=stream.uniform(3.0, 10.0))
    tone = 1.0 + 0.05 * turning + stream.uniform(0.08, 0.28) * patina + 0.05 * cast - 0.4 * pits
    for _ in range(stream.integer(0, 6)):  # hairline scratches from handling: colour only
        tone = tone + stream.uniform(0.1, 0.35) * _hairline(x, y, stream)
    rust = stream.uniform(0.1, 0.8) * np.clip(np.roll(patina, size // 2, axis=0) - 0.9, 0.0, 1.0)
    albedo = np.asarray(metal, dtype=np.float32) * np.clip(tone, 0.2, 2.0)[..., None]
    albedo = albedo + (np.asarray((0.30, 0.13, 0.05), dtype=np.float32) - albedo) * rust[..., None]
    return _surface(height, albedo, inside > 0.0, flesh=(0.58, 0.58, 0.58), gloss=stream.uniform(0.2, 0.5))


def _potato(x: Field, y: Field, stream: Stream, source: np.random.Generator) -> Surface:
    size = len(x)
    skin = random_field(source, size, scale=0.8, falloff=1.5)
    lumps = random_field(source, size, scale=6.0, falloff=3.0)
    x = x + stream.uniform(-0.006, 0.006) * y * y  # a bent axis
    long, short = stream.uniform(28.0, 38.0), stream.uniform(20.0, 28.0)
    stretched = np.hypot(x / long, y / short)
    around = np.arctan2(y / short, x / long)
    reach = stretched / (1.0 + 0.045 * wobble(around, stream, terms=5))
    crown, waist = stream.uniform(9.0, 18.0), stream.uniform(8.0, 13.0)
    height = waist + crown * np.sqrt(np.clip(1.0 - reach**2, 0.0, 1.0)) + stream.uniform(0.3, 0.9) * lumps
    height = height + stream.uniform(0.02, 0.08) * skin

    shade = np.zeros_like(x)
    for _ in range(stream.integer(3, 10)):  # eyes: a pit below a brow
        span, deep = stream.uniform(1.2, 2.4), stream.uniform(0.3, 0.9)
        where, out = stream.uniform(0.0, 2.0 * math.pi), math.sqrt(stream.uniform(0.0, 0.75))
        u, v = x - out * long * math.cos(where), y - out * short * math.sin(where)
        pit = np.exp(-((u / (1.6 * span)) ** 2 + (v / (0.7 * span)) ** 2))
        brow = np.exp(-((u / (1.8 * span)) ** 2 + ((v - 1.2 * span) / (0.6 * span)) ** 2))
        height = height - deep * pit + stream.uniform(0.2, 0.6) * deep * brow
        shade = np.maximum(shade, pit)
    pores = _sprinkle(source, size, stream.integer(20, 200), sigma=stream.uniform(0.4, 0.7))
    height = height - 0.15 * pores

    russet = random_field(source, size, scale=stream.uniform(2.0, 6.0))
    tan = stream.choice(((0.52, 0.35, 0.16), (0.60, 0.44, 0.20), (0.42, 0.26, 0.13), (0.45, 0.19, 0.15)))
    albedo = _mix(tan, (0.25, 0.14, 0.07), 0.2 + stream.uniform(0.05, 0.2) * russet + 0.06 * skin)
    soil = np.clip(random_field(source, size, scale=5.0) - stream.uniform(1.5, 3.0), 0.0, 1.0)
    albedo = albedo * (1.0 - 0.45 * np.maximum(shade, np.clip(pores, 0.0, 1.0)))[..., None]
    albedo = albedo + (np.asarray((0.10, 0.065, 0.04), dtype=np.float32) - albedo) * 0.8 * soil[..., None]
    return _surface(height, albedo, reach < 1.0, flesh=(0.80, 0.73, 0.46), gloss=0.06)


_BUILDERS: dict[str, Callable[[Field, Field, Stream, np.random.Generator], Surface]] = {
    "biscuit": _biscuit,
    "flange": _flange,
    "potato": _potato,
}

FAMILIES = tuple(_BUILDERS)


def _surface(
    height: Field,
    albedo: Field,
    footprint: NDArray[np.bool_],
    *,
    flesh: tuple[float, float, float],
    gloss: float,
) -> Surface:
    height = np.where(footprint, np.maximum(height, 0.5), 0.0).astype(np.float32)
    return Surface(height, np.clip(albedo, 0.01, 0.95).astype(np.float32), footprint, flesh, gloss)


def _mix(light: tuple[float, float, float], dark: tuple[float, float, float], share: Field) -> Field:
    """Blend two colours pixel by pixel; ``share`` of the dark one is cut to 0 … 1."""
    a, b = np.asarray(light, dtype=np.float32), np.asarray(dark, dtype=np.float32)
    return a + (b - a) * np.clip(share, 0.0, 1.0)[..., None]


def _quarter_round(depth: Field) -> Field:
    """Round an edge: 0 at the rim, 1 from one edge radius inwards."""
    t = 1.0 - np.clip(depth, 0.0, 1.0)
    return np.sqrt(1.0 - t * t)


def _step(t: Field) -> Field:
    """Return a smooth step from 0 (t <= 0) to 1 (t >= 1)."""
    t = np.clip(t, 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def _to_ring(r: Field, angle: Field, radius: float, count: int) -> Field:
    """Return the distance to the nearest of ``count`` points spread evenly on a circle."""
    sector = 2.0 * math.pi / count
    folded = np.mod(angle, sector) - sector / 2.0
    return np.asarray(np.hypot(r * np.cos(folded) - radius, r * np.sin(folded)), dtype=np.float32)


def _sprinkle(source: np.random.Generator, size: int, count: int, *, sigma: float) -> Field:
    """Scatter ``count`` Gaussian grains of height up to 1 over the view."""
    grains = np.zeros((size, size), dtype=np.float32)
    rows, columns = source.integers(0, size, count), source.integers(0, size, count)
    pixels = sigma * size / FIELD
    grains[rows, columns] = source.uniform(0.3, 1.0, count) * (2.0 * math.pi * pixels**2)
    return np.asarray(cv2.GaussianBlur(grains, (0, 0), pixels), dtype=np.float32)


def _cast_marks(x: Field, y: Field, stream: Stream) -> Field:
    """Draw a row of raised strokes along the rim, as a foundry's mark."""
    where = stream.uniform(0.0, 2.0 * math.pi)
    marks = np.zeros_like(x)
    for place in range(stream.integer(2, 6)):
        at = where + 0.11 * place
        u = math.cos(at) * x + math.sin(at) * y - 27.5
        v = math.cos(at) * y - math.sin(at) * x
        lean = stream.uniform(-0.5, 0.5)
        stroke = _step((1.9 - np.abs(u)) / 0.3) * _step((0.8 - np.abs(v - lean * u)) / 0.4)
        marks = np.maximum(marks, stroke)
    return marks


def _hairline(x: Field, y: Field, stream: Stream) -> Field:
    """Draw a thin straight line of finite length: 1 on the line, 0 away from it."""
    at, span = stream.uniform(0.0, 2.0 * math.pi), stream.uniform(4.0, 14.0)
    u = math.cos(at) * x + math.sin(at) * y - stream.uniform(-25.0, 25.0)
    v = math.cos(at) * y - math.sin(at) * x - stream.uniform(-25.0, 25.0)
    return hat(v, 0.45) * _step((span - np.abs(u)) / 2.0)
