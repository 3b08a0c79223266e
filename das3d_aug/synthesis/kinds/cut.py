"""Cuts: clean, straight or slightly bent, deep, closed at both ends."""

from __future__ import annotations

import numpy as np

from das3d_aug.randomness import Stream
from das3d_aug.synthesis.kinds.base import Canvas, DefectKind, Values, unit
from das3d_aug.synthesis.kinds.shapes import path, strokes

__all__ = ["cut"]


def draw(stream: Stream) -> dict[str, float]:
    """Draw half its width over its length, its bend, how far it gapes, and how dark it is inside."""
    return {
        "width": stream.log_uniform(0.01, 0.08),
        "bend": stream.uniform(-0.3, 0.3),
        "dark": stream.uniform(0.0, 0.8),
        "edge": stream.uniform(-0.2, 0.3),
    }


def render(canvas: Canvas, values: Values) -> None:
    """Sink a V whose width is that of a lens; its lips catch the light."""
    curve = path(canvas, bend=values["bend"], wander=0.02)
    half = max(values["width"] * canvas.radius, 0.8)
    t = np.linspace(-1, 1, len(curve))
    deep, width = strokes(canvas, [(curve, half * (1.05 - t * t))])
    canvas.lift[:] = unit(deep) * unit(width / np.float32(half))
    lips = unit(np.float32(1) - np.abs(deep - np.float32(0.15)) * np.float32(6))
    dark = np.float32(values["dark"]) * unit(deep * np.float32(1.5))
    canvas.shade[:] = np.float32(1) - dark + np.float32(values["edge"]) * lips
    canvas.foot[:] = deep > 0


cut = DefectKind(
    name="cut",
    about="A cut: a clean, narrow, deep slit, as of a blade.",
    draw=draw,
    render=render,
    size=(0.06, 0.7),
    height=(0.08, 0.6),
    sign=1,
    follows=0.3,
)
