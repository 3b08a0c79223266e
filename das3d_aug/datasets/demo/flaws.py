"""Defects of the demo set, made on the part itself before light and sensor see it.

Each function takes a flawless `Surface` and returns the damaged one with the footprint of the damage.
Lengths are millimetres.  The shapes are those of the workshop (pressed, struck, torn, drilled, soiled) and
share nothing with the synthesis that is trained against them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from das3d_aug.datasets.demo.families import FIELD, Field, Surface, grid, hat, noise_source, random_field, wobble
from das3d_aug.randomness import Stream

__all__ = ["DEFECTS", "damage"]

Mask = NDArray[np.bool_]

_FOREIGN = (
    (0.05, 0.12, 0.45),  # blue plastic
    (0.03, 0.03, 0.03),  # rubber
    (0.75, 0.75, 0.72),  # plaster
    (0.08, 0.28, 0.09),  # moss, green film
    (0.45, 0.05, 0.04),  # red wax
    (0.70, 0.22, 0.03),  # sealant
)
_LIQUIDS = (
    (0.25, 0.22, 0.18),  # oil
    (0.25, 0.35, 0.85),  # ink
    (0.75, 0.30, 0.12),  # rust water
    (0.30, 0.55, 0.28),  # mould
    (0.80, 0.18, 0.30),  # dye
)


def damage(defect: str, surface: Surface, stream: Stream) -> tuple[Surface, Mask]:
    """Make one defect on a part; the mask covers what it changed of the part, also where nothing is left."""
    damaged, touched = _MAKERS[defect](surface, stream)
    return damaged, touched & surface.footprint


def _dent(surface: Surface, stream: Stream) -> tuple[Surface, Mask]:
    q = _blob(surface, _site(surface, stream), stream, radius=(3.0, 6.0), ragged=0.08)
    depth = stream.uniform(1.4, 3.0)
    rim = stream.uniform(0.05, 0.2) * hat(q - 1.05, 0.25)
    height = surface.height - depth * (hat(q, 1.0) - rim)
    albedo = surface.albedo * (1.0 - stream.uniform(0.0, 0.2) * hat(q, 1.0))[..., None]
    return _changed(surface, height, albedo), q < 1.0


def _bump(surface: Surface, stream: Stream) -> tuple[Surface, Mask]:
    q = _blob(surface, _site(surface, stream), stream, radius=(2.5, 5.5), ragged=0.1)
    return _changed(surface, surface.height + stream.uniform(1.6, 3.2) * hat(q, 1.0), surface.albedo), q < 1.0


def _crack(surface: Surface, stream: Stream) -> tuple[Surface, Mask]:
    start, heading = _site(surface, stream), stream.uniform(0.0, 2.0 * math.pi)
    length, width = stream.uniform(16.0, 34.0), stream.uniform(0.6, 1.1)
    path = _walk(start, heading, length, stream, turn=0.12, jag=0.5)
    reach = _to_path(path, surface, taper=True) / width
    if stream.chance(0.5):
        fork = path[len(path) // 2]
        side = heading + stream.choice((-1.0, 1.0)) * stream.uniform(0.5, 1.1)
        branch = _walk(fork, side, 0.4 * length, stream, turn=0.12, jag=0.5)
        reach = np.minimum(reach, _to_path(branch, surface, taper=True) / width)
    gap = np.clip(1.4 - reach, 0.0, 1.0)
    height = surface.height - stream.uniform(1.2, 3.0) * gap
    return _changed(surface, height, surface.albedo * (1.0 - 0.75 * gap)[..., None]), reach < 1.4


def _cut(surface: Surface, stream: Stream) -> tuple[Surface, Mask]:
    length, width = stream.uniform(14.0, 30.0), stream.uniform(1.0, 1.8)
    path = _walk(_site(surface, stream), stream.uniform(0.0, 2.0 * math.pi), length, stream, turn=0.03)
    reach = _to_path(path, surface, taper=True) / width
    groove = np.clip(1.0 - reach, 0.0, 1.0)
    lips = stream.uniform(0.1, 0.25) * hat(reach - 1.25, 0.5)
    height = surface.height - stream.uniform(1.8, 3.6) * (groove - lips)
    return _changed(surface, height, _bared(surface, 0.8 * np.sqrt(groove))), reach < 1.2


def _hole(surface: Surface, stream: Stream) -> tuple[Surface, Mask]:
    q = _blob(surface, _site(surface, stream), stream, radius=(2.4, 4.6), ragged=0.2, aspect=1.8)
    wall = np.clip((1.0 - q) / 0.15, 0.0, 1.0)
    height = surface.height - stream.uniform(2.5, 5.5) * wall
    return _changed(surface, height, _bared(surface, 0.5 * wall)), q < 1.0


def _chip(surface: Surface, stream: Stream) -> tuple[Surface, Mask]:
    grain = random_field(noise_source(stream), len(surface.height), scale=1.5)
    q = _blob(surface, _rim(surface, stream), stream, radius=(5.0, 9.0), ragged=0.18) + 0.06 * grain
    gone = stream.uniform(0.2, 0.7)  # up to here nothing is left; a hollow slope leads up to the old surface
    left = np.clip((q - gone) / (1.0 - gone), 0.0, 1.0) ** 0.7
    broken = np.minimum(surface.height, surface.height * left + 0.3 * grain * (q < 1.0))
    height = np.where(q < 1.0, broken, surface.height)
    return _changed(surface, height, _bared(surface, np.clip((1.0 - q) * 8.0, 0.0, 1.0))), q < 1.0


def _contamination(surface: Surface, stream: Stream) -> tuple[Surface, Mask]:
    colour, site = stream.choice(_FOREIGN), _site(surface, stream)
    if stream.chance(0.3):  # a fibre
        path = _walk(site, stream.uniform(0.0, 2.0 * math.pi), stream.uniform(14.0, 30.0), stream, turn=0.25)
        cover = np.clip(1.5 - _to_path(path, surface, taper=False) / stream.uniform(0.35, 0.6), 0.0, 1.0)
        thick = np.float32(stream.uniform(0.4, 0.9)) * np.sqrt(cover)
    else:
        grain = random_field(noise_source(stream), len(surface.height), scale=1.2)
        q = np.full_like(surface.height, np.inf)
        for around in (0.0, 4.0, 4.0, 4.0)[: stream.integer(1, 4)]:  # the first one lies on the part for certain
            spot = (site[0] + around * stream.normal(), site[1] + around * stream.normal())
            q = np.minimum(q, _blob(surface, spot, stream, radius=(1.5, 3.5), ragged=0.2))
        cover = np.clip((1.0 - q) * 6.0, 0.0, 1.0)
        lump = np.sqrt(np.clip(1.0 - q * q, 0.0, 1.0))
        thick = np.maximum(stream.uniform(0.7, 2.4) * lump + 0.15 * grain * cover, 0.0)
    paint = np.asarray(colour, dtype=np.float32) * np.float32(stream.uniform(0.8, 1.2))
    albedo = surface.albedo + (paint - surface.albedo) * cover[..., None]
    return _changed(surface, surface.height + thick, albedo), cover > 0.3


def _stain(surface: Surface, stream: Stream) -> tuple[Surface, Mask]:
    edge = random_field(noise_source(stream), len(surface.height), scale=3.0)
    q = _blob(surface, _site(surface, stream), stream, radius=(3.0, 7.0), ragged=0.2) + 0.1 * edge
    soaked = np.clip((1.0 - q) * 4.0, 0.0, 1.0) * (0.85 + 0.15 * hat(q - 0.9, 0.3))  # dries to a darker rim
    tint = np.asarray(stream.choice(_LIQUIDS), dtype=np.float32) * np.float32(stream.uniform(0.8, 1.1))
    albedo = surface.albedo * (1.0 + (tint - 1.0) * soaked[..., None])
    return replace(surface, albedo=albedo.astype(np.float32)), q < 0.95


_MAKERS: dict[str, Callable[[Surface, Stream], tuple[Surface, Mask]]] = {
    "dent": _dent,
    "bump": _bump,
    "crack": _crack,
    "cut": _cut,
    "hole": _hole,
    "chip": _chip,
    "contamination": _contamination,
    "stain": _stain,
}

DEFECTS = tuple(_MAKERS)


def _changed(surface: Surface, height: Field, albedo: Field) -> Surface:
    """Return the surface with new height and colour; what has lost its height is no longer part."""
    footprint = surface.footprint & (height > 0.25)
    height = np.where(footprint, height, 0.0).astype(np.float32)
    return replace(surface, height=height, albedo=albedo.astype(np.float32), footprint=footprint)


def _bared(surface: Surface, share: Field) -> Field:
    """Return the albedo with the flesh showing by ``share``."""
    flesh = np.asarray(surface.flesh, dtype=np.float32)
    return surface.albedo + (flesh - surface.albedo) * share[..., None]


def _site(surface: Surface, stream: Stream) -> tuple[float, float]:
    """Draw a point of the part that is at least 3.5 mm from its edges."""
    size = len(surface.height)
    inset = cv2.distanceTransform(surface.footprint.astype(np.uint8), cv2.DIST_L2, 5) * (FIELD / size)
    spots = np.flatnonzero(inset >= min(3.5, 0.8 * float(inset.max())))
    row, column = divmod(int(spots[stream.integer(0, len(spots) - 1)]), size)
    x, y = grid(size)
    return float(x[row, column]), float(y[row, column])


def _rim(surface: Surface, stream: Stream) -> tuple[float, float]:
    """Draw a point of the outer edge: the farthest part of the footprint in a random direction."""
    x, y = grid(len(surface.height))
    x, y = x[surface.footprint], y[surface.footprint]
    along = stream.uniform(0.0, 2.0 * math.pi)
    u, v = x - x.mean(), y - y.mean()
    ahead, aside = math.cos(along) * u + math.sin(along) * v, math.cos(along) * v - math.sin(along) * u
    best = int(np.argmax(np.where(np.abs(aside) < 1.5, ahead, -np.inf)))
    return float(x[best]), float(y[best])


def _blob(
    surface: Surface,
    centre: tuple[float, float],
    stream: Stream,
    *,
    radius: tuple[float, float],
    ragged: float,
    aspect: float = 1.6,
) -> Field:
    """Return a radial coordinate of an irregular oval: 0 in its centre, 1 on its outline."""
    x, y = grid(len(surface.height))
    x, y = x - centre[0], y - centre[1]
    turn, stretch = stream.uniform(0.0, math.pi), math.sqrt(stream.uniform(1.0, aspect))
    u = (math.cos(turn) * x + math.sin(turn) * y) / stretch
    v = (math.cos(turn) * y - math.sin(turn) * x) * stretch
    outline = stream.log_uniform(*radius) * (1.0 + ragged * wobble(np.arctan2(v, u), stream, terms=6))
    return np.asarray(np.hypot(u, v) / np.maximum(outline, 0.3 * radius[0]), dtype=np.float32)


def _walk(
    middle: tuple[float, float],
    heading: float,
    length: float,
    stream: Stream,
    *,
    turn: float,
    jag: float = 0.0,
) -> NDArray[np.float64]:
    """Return a path through ``middle`` in steps of about 1.5 mm.

    Every step the heading drifts by N(0, turn) radians and swerves for that step alone by N(0, jag).
    """
    steps = max(4, round(length / 1.5))
    headings = heading + turn * np.cumsum([stream.normal() for _ in range(steps)])
    headings = headings + jag * np.asarray([stream.normal() for _ in range(steps)])
    moves = np.stack([np.cos(headings), np.sin(headings)], axis=1) * (length / steps)
    path = np.vstack([np.zeros((1, 2)), np.cumsum(moves, axis=0)])
    return np.asarray(path - path[len(path) // 2] + np.asarray(middle), dtype=np.float64)


def _to_path(path: NDArray[np.float64], surface: Surface, *, taper: bool) -> Field:
    """Return the distance to a path in mm; with ``taper`` it grows towards the ends, which thins the line."""
    x, y = grid(len(surface.height))
    nearest = np.full_like(x, np.inf)
    last = len(path) - 1
    for step, ((ax, ay), (bx, by)) in enumerate(zip(path[:-1].tolist(), path[1:].tolist(), strict=True)):
        dx, dy = bx - ax, by - ay
        t = np.clip(((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy), 0.0, 1.0)
        distance = np.hypot(x - ax - t * dx, y - ay - t * dy)
        if taper:
            distance = distance / (1.0 - 0.7 * abs(2.0 * (step + 0.5) / last - 1.0) ** 3)
        nearest = np.minimum(nearest, distance)
    return nearest
