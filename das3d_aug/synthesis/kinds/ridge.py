"""Ridges and trenches: a long raised or sunken line with a round profile."""

from __future__ import annotations

import numpy as np

from das3d_aug.randomness import Stream
from das3d_aug.synthesis.kinds.base import Canvas, DefectKind, Values, step
from das3d_aug.synthesis.kinds.shapes import path, strokes

__all__ = ["ridge"]


def draw(stream: Stream) -> dict[str, float]:
    """Draw its width over its length, and how it bends."""
    return {"width": stream.log_uniform(0.03, 0.2), "bend": stream.uniform(-1.0, 1.0)}


def render(canvas: Canvas, values: Values) -> None:
    """Give a stroke, thinner at its ends, a round profile."""
    curve = path(canvas, bend=values["bend"], wander=0.05)
    ends = np.minimum(np.linspace(0.3, 2.3, len(curve)), np.linspace(2.3, 0.3, len(curve))).clip(0, 1)
    deep, _ = strokes(canvas, [(curve, values["width"] * canvas.radius * ends)])
    canvas.lift[:] = step(deep)
    canvas.foot[:] = deep > 0


ridge = DefectKind(
    name="ridge",
    about="A ridge or trench: a long raised or sunken line, as from a burr, a fold or a tool.",
    draw=draw,
    render=render,
    size=(0.05, 0.8),
    height=(0.02, 0.25),
    follows=0.3,
)
