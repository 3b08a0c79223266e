"""Breaks and spalls: a rough fracture surface with its own normals, brighter or darker than the skin."""

from __future__ import annotations

import numpy as np

from das3d_aug.randomness import Stream
from das3d_aug.synthesis.kinds.base import Canvas, DefectKind, Values, unit
from das3d_aug.synthesis.kinds.shapes import blob, fractal

__all__ = ["spall"]


def draw(stream: Stream) -> dict[str, float]:
    """Draw how rough and how tilted the fracture is, its tone, and how steep its edge."""
    return {
        "rough": stream.uniform(0.02, 0.3),
        "tilt": stream.uniform(-0.8, 0.8),
        "tone": stream.uniform(-0.4, 0.4),
        "grain": stream.uniform(0.02, 0.15),
        "wall": stream.uniform(1.0, 8.0),
    }


def render(canvas: Canvas, values: Values) -> None:
    """Replace the skin by a fractal surface that starts at a ragged line."""
    deep = blob(canvas, wobble=0.6, octaves=3)
    inside = unit(deep * np.float32(values["wall"]))
    along, _ = canvas.grid()
    fracture = fractal(canvas, cell=0.9, octaves=4, label=6, gain=0.45)
    surface = np.float32(0.7) + np.float32(values["tilt"]) * along + np.float32(values["rough"]) * fracture
    canvas.lift[:] = inside * (np.maximum(surface, np.float32(0)) + np.float32(0.5) * canvas.relief)
    speckle = fractal(canvas, cell=0.08, octaves=2, label=11)
    tone = np.float32(values["tone"]) + np.float32(values["grain"]) * speckle
    canvas.shade[:] = np.float32(1) + inside * tone
    canvas.foot[:] = deep > 0


spall = DefectKind(
    name="spall",
    about="A break or spall: the skin is gone and a rough fracture surface is seen.",
    draw=draw,
    render=render,
    size=(0.06, 0.8),
    height=(0.05, 0.4),
    sign=1,
    elongation=(0.25, 1.0),
    relief=True,
    added={"wall": 8.0},
)
