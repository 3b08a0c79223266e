"""Oblique craters: a bowl whose deepest point lies to one side, with a raised rim."""

from __future__ import annotations

import numpy as np

from das3d_aug.randomness import Stream
from das3d_aug.synthesis.kinds.base import Canvas, DefectKind, Values, step, unit
from das3d_aug.synthesis.kinds.shapes import blob

__all__ = ["crater"]


def draw(stream: Stream) -> dict[str, float]:
    """Draw how far the bottom lies from the middle, and the height of the rim."""
    return {"oblique": stream.uniform(0.1, 0.7), "rim": stream.uniform(0.05, 0.4)}


def render(canvas: Canvas, values: Values) -> None:
    """Skew a bowl along the defect's length; pile its rim up on the far side."""
    deep = blob(canvas, wobble=0.12)
    along, _ = canvas.grid()
    slant = np.float32(1) + np.float32(values["oblique"]) * along
    around = unit(np.float32(1) - np.abs(deep) * np.float32(6))
    canvas.lift[:] = step(deep * np.float32(1.5)) * slant
    canvas.lift -= np.float32(values["rim"]) * around * np.maximum(slant - np.float32(0.3), np.float32(0))
    canvas.foot[:] = deep > -0.16


crater = DefectKind(
    name="crater",
    about="A crater: struck at an angle, deeper on one side, material piled up at the rim.",
    draw=draw,
    render=render,
    size=(0.02, 0.3),
    height=(0.03, 0.4),
    sign=1,
)
