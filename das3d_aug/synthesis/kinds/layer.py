"""Steps and delamination: a layer that stands higher or lower on one side of a line."""

from __future__ import annotations

import numpy as np

from das3d_aug.randomness import Stream
from das3d_aug.synthesis.kinds.base import Canvas, DefectKind, Values, step, unit
from das3d_aug.synthesis.kinds.shapes import blob, grain

__all__ = ["layer"]


def draw(stream: Stream) -> dict[str, float]:
    """Draw how sharp the step is, and how the layer falls off behind it."""
    return {"sharp": stream.log_uniform(0.02, 0.15), "fall": stream.uniform(0.0, 1.0)}


def render(canvas: Canvas, values: Values) -> None:
    """Lift one side of a wandering line; the lift falls off to the edge of the footprint."""
    deep = blob(canvas, wobble=0.2)
    _, across = canvas.grid()
    line = across + np.float32(0.25) * grain(canvas, cell=0.5, label=3)
    side = step(line / np.float32(values["sharp"]) + np.float32(0.5))
    fade = unit(deep * np.float32(3)) * (np.float32(1) - np.float32(values["fall"]) * unit(across))
    canvas.lift[:] = side * fade
    canvas.foot[:] = (deep > 0) & (side > 0)


layer = DefectKind(
    name="layer",
    about="A step or delamination: a layer lifted or sunken on one side of a line.",
    draw=draw,
    render=render,
    size=(0.1, 0.8),
    height=(0.03, 0.3),
)
