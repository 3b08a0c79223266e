"""Holes through the part, and chunks missing at its edge: what lies behind is seen, or nothing is measured."""

from __future__ import annotations

import numpy as np

from das3d_aug.randomness import Stream
from das3d_aug.synthesis.kinds.base import Canvas, DefectKind, Values, unit
from das3d_aug.synthesis.kinds.shapes import blob, fractal

__all__ = ["chunk", "hole"]

_ADDED = {"shadow": 0.0}


def draw(stream: Stream) -> dict[str, float]:
    """Draw how ragged its edge is, how wide the rim that falls off towards it, and the shadow in it."""
    return {"ragged": stream.uniform(0.05, 0.6), "rim": stream.uniform(0.0, 0.3), "shadow": stream.uniform(0.0, 0.9)}


def render(canvas: Canvas, values: Values) -> None:
    """Take the part away; the rim sinks towards the edge of what is gone, and throws its shadow into it."""
    deep = blob(canvas, wobble=values["ragged"], octaves=3)
    canvas.lost[:] = deep > 0
    canvas.foot[:] = deep > 0
    along, _ = canvas.grid()
    uneven = np.float32(0.3) * fractal(canvas, cell=0.3, label=7)
    shadow = np.float32(values["shadow"]) * unit(np.float32(0.5) + np.float32(0.7) * (along + uneven))
    canvas.shade[canvas.lost] = np.float32(1) - shadow[canvas.lost]
    if rim := values["rim"]:
        near = unit((deep + np.float32(rim)) / np.float32(rim))
        canvas.lift[:] = near * near * np.float32(0.3)
        canvas.foot[:] = deep > -rim * 0.7


hole = DefectKind(
    name="hole",
    about="A hole: through the part, so that what lies behind is seen or nothing is measured.",
    draw=draw,
    render=render,
    size=(0.02, 0.3),
    height=(0.05, 0.2),
    sign=1,
    elongation=(0.25, 1.0),
    added=_ADDED,
)

chunk = DefectKind(
    name="chunk",
    about="A missing chunk: broken off at the part's edge, so that the background is seen.",
    draw=draw,
    render=render,
    size=(0.05, 0.5),
    height=(0.05, 0.2),
    sign=1,
    place="edge",
    added=_ADDED,
)
