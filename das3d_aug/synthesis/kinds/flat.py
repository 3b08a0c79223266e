"""Flat spots and abrasion: the part's own relief worn away."""

from __future__ import annotations

import numpy as np

from das3d_aug.randomness import Stream
from das3d_aug.synthesis.kinds.base import Canvas, DefectKind, Values, step
from das3d_aug.synthesis.kinds.shapes import blob, grain

__all__ = ["flat"]


def draw(stream: Stream) -> dict[str, float]:
    """Draw how much is worn off beside the relief, how much of it goes, and how the worn place looks."""
    return {
        "worn": stream.uniform(0.5, 1.0),
        "level": stream.uniform(0.0, 0.5),
        "bright": stream.uniform(-0.25, 0.35),
        "streaks": stream.uniform(0.0, 0.2),
    }


def render(canvas: Canvas, values: Values) -> None:
    """Take the relief away and a little more; leave streaks along the motion that wore it."""
    deep = blob(canvas, wobble=0.3)
    inside = step(deep * np.float32(4))
    canvas.lift[:] = inside * (np.float32(values["worn"]) * canvas.relief + np.float32(values["level"]))
    streaks = grain(canvas, cell=0.06, stretch=20.0, label=4)
    canvas.shade[:] = np.float32(1) + inside * (np.float32(values["bright"]) + np.float32(values["streaks"]) * streaks)
    canvas.foot[:] = deep > 0


flat = DefectKind(
    name="flat",
    about="A flat spot or abrasion: relief worn away, shiny or dull, with streaks.",
    draw=draw,
    render=render,
    size=(0.05, 0.5),
    height=(0.01, 0.1),
    sign=1,
    relief=True,
)
