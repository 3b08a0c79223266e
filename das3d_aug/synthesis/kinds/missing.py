"""Missing volume: material broken out or not filled, with a rough floor and a broken rim, up to half the part."""

from __future__ import annotations

import numpy as np

from das3d_aug.randomness import Stream
from das3d_aug.synthesis.kinds.base import Canvas, DefectKind, Values, unit
from das3d_aug.synthesis.kinds.shapes import blob, fractal

__all__ = ["missing"]


def draw(stream: Stream) -> dict[str, float]:
    """Draw how ragged the rim, how rough the floor, how steep the wall, and how much darker the floor is."""
    return {
        "ragged": stream.uniform(0.1, 0.7),
        "rough": stream.uniform(0.03, 0.25),
        "wall": stream.uniform(0.05, 0.6),
        "dark": stream.uniform(0.0, 0.45),
        "tilt": stream.uniform(-0.5, 0.5),
    }


def render(canvas: Canvas, values: Values) -> None:
    """Sink a tilted, rough floor behind a steep, ragged wall."""
    deep = blob(canvas, wobble=values["ragged"], octaves=3)
    wall = unit(deep / np.float32(values["wall"]))
    along, _ = canvas.grid()
    floor = np.float32(1) + np.float32(values["tilt"]) * along
    floor += np.float32(values["rough"]) * fractal(canvas, cell=0.6, label=5)
    canvas.lift[:] = wall * np.maximum(floor, np.float32(0.1))
    canvas.shade[:] = np.float32(1) - np.float32(values["dark"]) * wall
    canvas.foot[:] = deep > 0


missing = DefectKind(
    name="missing",
    about="Missing volume: a hollow with a broken floor and rim, as where material tore out or was never filled.",
    draw=draw,
    render=render,
    size=(0.05, 0.8),
    height=(0.08, 0.8),
    sign=1,
    elongation=(0.25, 1.0),
)
