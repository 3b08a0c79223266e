"""Dents and bulges: smooth, irregular, from a few pixels to half the part; with a flat floor and a lip, or none."""

from __future__ import annotations

import numpy as np

from das3d_aug.randomness import Stream
from das3d_aug.synthesis.kinds.base import Canvas, DefectKind, Values, step, unit
from das3d_aug.synthesis.kinds.shapes import blob

__all__ = ["dent"]


def draw(stream: Stream) -> dict[str, float]:
    """Draw how irregular it is, how much of it is floor, and how high the lip."""
    return {
        "wobble": stream.uniform(0.0, 0.35),
        "wall": stream.uniform(0.25, 1.0),
        "lip": stream.uniform(0.0, 0.25) * stream.chance(0.4),
    }


def render(canvas: Canvas, values: Values) -> None:
    """Let the wall rise over a share of the radius; the lip is outside it."""
    deep = blob(canvas, wobble=values["wobble"])
    canvas.lift[:] = step(deep / np.float32(values["wall"]))
    if lip := values["lip"]:
        around = unit(np.float32(1) - np.abs(deep + np.float32(0.12)) * np.float32(8))
        canvas.lift -= np.float32(lip) * around
        canvas.foot[:] = deep > -0.2
    else:
        canvas.foot[:] = deep > 0


dent = DefectKind(
    name="dent",
    about="A dent or bulge: pressed in or out, smooth, with or without a raised rim.",
    draw=draw,
    render=render,
    size=(0.02, 0.6),
    height=(0.02, 0.5),
)
