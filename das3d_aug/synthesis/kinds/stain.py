"""Stains and discolouration: colour alone, soft or with a dried edge."""

from __future__ import annotations

import numpy as np

from das3d_aug.randomness import Stream
from das3d_aug.synthesis.kinds.base import Canvas, DefectKind, Values, step, unit
from das3d_aug.synthesis.kinds.shapes import blob, fractal

__all__ = ["stain"]


def draw(stream: Stream) -> dict[str, float]:
    """Draw how soft it is, how much it covers, how much darker or brighter it is, and its dried edge."""
    return {
        "soft": stream.log_uniform(0.1, 1.0),
        "cover": stream.uniform(0.0, 0.7) * stream.chance(0.6),
        "tone": stream.choice((-1.0, 1.0)) * stream.uniform(0.1, 0.5),
        "edge": stream.uniform(0.0, 0.3) * stream.chance(0.4),
    }


def render(canvas: Canvas, values: Values) -> None:
    """Change the tone, unevenly; mix a foreign colour in; darken the edge."""
    deep = blob(canvas, wobble=0.5, octaves=3)
    inside = step(deep / np.float32(values["soft"]))
    uneven = np.float32(1) + np.float32(0.4) * fractal(canvas, cell=0.5, label=8)
    canvas.cover[:] = unit(np.float32(values["cover"]) * inside * uneven)
    edge = unit(np.float32(1) - np.abs(deep - np.float32(0.06)) * np.float32(12))
    canvas.shade[:] = np.float32(1) + np.float32(values["tone"]) * inside * uneven - np.float32(values["edge"]) * edge
    canvas.foot[:] = deep > 0.1 * min(values["soft"], 0.5)


stain = DefectKind(
    name="stain",
    about="A stain or discolouration: the surface has another colour or brightness, and the same shape.",
    draw=draw,
    render=render,
    size=(0.03, 0.7),
    height=(0.0, 0.0),
    texture=True,
)
