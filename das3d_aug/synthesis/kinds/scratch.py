"""Scratches and drags: material pushed aside along a line, with a burr beside it."""

from __future__ import annotations

import numpy as np

from das3d_aug.randomness import Stream
from das3d_aug.synthesis.kinds.base import Canvas, DefectKind, Values, unit
from das3d_aug.synthesis.kinds.shapes import path, strokes

__all__ = ["scratch"]


def draw(stream: Stream) -> dict[str, float]:
    """Draw half its width over its length, its bend, the burr, the tone of the bare groove, and parallel lines."""
    return {
        "width": stream.log_uniform(0.006, 0.04),
        "bend": stream.uniform(-0.4, 0.4),
        "burr": stream.uniform(0.0, 0.6),
        "tone": stream.uniform(-0.5, 0.6),
        "lines": float(stream.choice((1, 1, 1, 3, 6))),
    }


def render(canvas: Canvas, values: Values) -> None:
    """Sink grooves side by side, and raise what they displaced at their edges."""
    stream = Stream(canvas.seed)
    curve = path(canvas, bend=values["bend"], wander=0.01)
    half = max(values["width"] * canvas.radius, 0.7)
    sine, cosine = canvas.along
    taper = np.minimum(np.linspace(0.4, 3, len(curve)), np.linspace(2, 0.2, len(curve))).clip(0, 1)
    grooves = []
    for k in range(int(values["lines"])):
        aside = 0.0 if k == 0 else stream.uniform(-6, 6) * half
        grooves.append((curve + aside * np.array([cosine, -sine]), 2 * half * taper * stream.uniform(0.6, 1.0)))
    deep, _ = strokes(canvas, grooves)
    groove = unit(deep * np.float32(2) - np.float32(1))  # the inner half of the stroke; the burr has the outer one
    burr = unit(np.float32(1) - np.abs(deep - np.float32(0.3)) * np.float32(5))
    canvas.lift[:] = groove - np.float32(values["burr"]) * burr
    canvas.shade[:] = np.float32(1) + np.float32(values["tone"]) * groove
    canvas.foot[:] = deep > (0.1 if values["burr"] > 0.1 else 0.5)


scratch = DefectKind(
    name="scratch",
    about="A scratch or drag: one groove or several side by side, with a burr of what was pushed aside.",
    draw=draw,
    render=render,
    size=(0.08, 1.0),
    height=(0.02, 0.2),
    sign=1,
    follows=0.4,
)
