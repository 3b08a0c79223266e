"""Fraying and fibres: many thin, curled strands on the surface or out of a seam."""

from __future__ import annotations

import numpy as np

from das3d_aug.randomness import Stream
from das3d_aug.synthesis.kinds.base import Canvas, DefectKind, Values, unit
from das3d_aug.synthesis.kinds.shapes import path, strokes

__all__ = ["fray"]


def draw(stream: Stream) -> dict[str, float]:
    """Draw how many strands, how thin, how curled, and how much they cover."""
    return {
        "count": float(stream.choice((1, 3, 8, 16))),
        "width": stream.log_uniform(0.006, 0.02),
        "curl": stream.uniform(0.5, 3.0),
        "cover": stream.uniform(0.4, 1.0),
    }


def render(canvas: Canvas, values: Values) -> None:
    """Lay strands from one spot in all directions about the defect's length."""
    stream = Stream(canvas.seed)
    half = max(values["width"] * canvas.radius, 0.6)
    curves = []
    for k in range(int(values["count"])):
        curve = path(canvas, bend=stream.uniform(-1, 1) * values["curl"], wander=0.2, points=16, label=k)
        length, shift = stream.uniform(0.3, 1.0), stream.uniform(-0.3, 0.3) * canvas.radius
        sine, cosine = canvas.along
        curve = np.asarray(canvas.centre) + (curve - canvas.centre) * length + shift * np.array([cosine, -sine])
        curves.append((curve, np.full(len(curve), half)))
    deep, _ = strokes(canvas, curves)
    canvas.lift[:] = unit(deep * np.float32(2))
    canvas.cover[:] = np.float32(values["cover"]) * unit(deep * np.float32(3))
    canvas.foot[:] = deep > 0


fray = DefectKind(
    name="fray",
    about="Fraying or fibres: thin curled strands on the part, one or many.",
    draw=draw,
    render=render,
    size=(0.06, 0.5),
    height=(0.01, 0.1),
    sign=-1,
    texture=True,
)
