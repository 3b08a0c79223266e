"""Ripples and orange peel: a patch of waves where the surface should be smooth."""

from __future__ import annotations

import numpy as np

from das3d_aug.randomness import Stream
from das3d_aug.synthesis.kinds.base import Canvas, DefectKind, Values, step
from das3d_aug.synthesis.kinds.shapes import blob, grain

__all__ = ["ripple"]

_SHORTEST = 4.0  # pixels of a wave


def draw(stream: Stream) -> dict[str, float]:
    """Draw the length of a wave over the radius, and how stretched the waves are (1: orange peel)."""
    return {"wave": stream.log_uniform(0.06, 0.3), "stretch": stream.choice((1.0, 1.0, 4.0, 12.0))}


def render(canvas: Canvas, values: Values) -> None:
    """Fade noise of one scale in from the edge of a soft patch."""
    deep = blob(canvas, wobble=0.3)
    inside = step(deep * np.float32(3))
    cell = max(values["wave"], _SHORTEST / canvas.radius)
    canvas.lift[:] = inside * grain(canvas, cell=cell, stretch=values["stretch"], label=3)
    canvas.foot[:] = deep > 0


ripple = DefectKind(
    name="ripple",
    about="Ripples or orange peel: a wavy patch on a smooth surface.",
    draw=draw,
    render=render,
    size=(0.1, 0.8),
    height=(0.02, 0.15),
    reach=1.5,
)
