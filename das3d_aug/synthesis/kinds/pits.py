"""Pits: a cluster of small round holes or blisters, of pores or corrosion."""

from __future__ import annotations

import numpy as np

from das3d_aug.randomness import Stream
from das3d_aug.synthesis.kinds.base import Canvas, DefectKind, Values, step
from das3d_aug.synthesis.kinds.shapes import strokes

__all__ = ["pits"]


def draw(stream: Stream) -> dict[str, float]:
    """Draw how many, how large each over the cluster, and how dark."""
    return {
        "count": float(stream.integer(2, 18)),
        "width": stream.log_uniform(0.04, 0.16),
        "dark": stream.uniform(0.0, 0.6),
    }


def render(canvas: Canvas, values: Values) -> None:
    """Scatter bowls over the cluster, denser in its middle."""
    stream = Stream(canvas.seed)
    sine, cosine = canvas.along
    bowls = []
    for _ in range(int(values["count"])):
        along = canvas.radius * stream.uniform(-0.9, 0.9) * stream.uniform()
        across = canvas.radius * canvas.elongation * stream.uniform(-0.9, 0.9) * stream.uniform()
        y = canvas.centre[0] + along * sine + across * cosine
        x = canvas.centre[1] + along * cosine - across * sine
        half = max(0.8, canvas.radius * values["width"] * stream.uniform(0.5, 1.5))
        bowls.append((np.array([[y, x], [y, x]]), np.array([half, half])))
    deep, _ = strokes(canvas, bowls)
    canvas.lift[:] = step(deep * np.float32(1.6))
    canvas.shade[:] = np.float32(1) - np.float32(values["dark"]) * canvas.lift
    canvas.foot[:] = deep > 0


pits = DefectKind(
    name="pits",
    about="Pits, pores or blisters: a cluster of small round holes or bumps.",
    draw=draw,
    render=render,
    size=(0.05, 0.5),
    height=(0.02, 0.3),
)
