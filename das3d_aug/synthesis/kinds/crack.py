"""Cracks: thin, branching, tapering in width and depth, dark."""

from __future__ import annotations

import numpy as np

from das3d_aug.randomness import Stream
from das3d_aug.synthesis.kinds.base import Canvas, DefectKind, Values, unit
from das3d_aug.synthesis.kinds.shapes import path, strokes

__all__ = ["crack"]


def draw(stream: Stream) -> dict[str, float]:
    """Draw half its width over its length, how it wanders, its branches, and how dark it is."""
    return {
        "width": stream.log_uniform(0.004, 0.03),
        "wander": stream.uniform(0.02, 0.5),
        "bend": stream.uniform(-0.8, 0.8),
        "branches": float(stream.choice((0, 0, 0, 1, 2, 4))),
        "dark": stream.uniform(0.25, 0.85),
    }


def render(canvas: Canvas, values: Values) -> None:
    """Draw the stem from end to end, then branches that leave it at an angle, each thinner to its tip."""
    stream = Stream(canvas.seed)
    stem = path(canvas, bend=values["bend"], wander=values["wander"], points=32, label=1)
    half = max(values["width"] * canvas.radius, 0.6)
    curves = [(stem, half * (np.float64(1.1) - np.abs(np.linspace(-1, 1, len(stem)))))]
    for k in range(int(values["branches"])):
        start = stem[stream.integer(4, len(stem) - 5)]
        length = stream.uniform(0.2, 0.6)
        branch = path(
            canvas, bend=stream.uniform(-1.5, 1.5), wander=values["wander"], points=14, label=2 + k, half=True
        )
        turned = stream.choice((-1.0, 1.0)) * stream.uniform(0.4, 1.2)
        sine, cosine = np.sin(turned), np.cos(turned)
        dy, dx = ((branch - branch[0]) * length).T
        branch = start + np.stack([dy * cosine + dx * sine, dx * cosine - dy * sine], axis=1)
        curves.append((branch, half * np.linspace(0.7, 0.2, len(branch))))
    deep, width = strokes(canvas, curves)
    canvas.lift[:] = unit(deep * np.float32(2)) * unit(width / np.float32(half))
    canvas.shade[:] = np.float32(1) - np.float32(values["dark"]) * unit(deep * np.float32(3))
    canvas.foot[:] = deep > 0


crack = DefectKind(
    name="crack",
    about="A crack: a thin dark line that wanders and branches, wider and deeper in its middle.",
    draw=draw,
    render=render,
    size=(0.08, 1.0),
    height=(0.05, 0.5),
    sign=1,
    follows=0.4,
)
