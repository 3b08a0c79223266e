"""Contamination: something that lies on the part, with its own height and its own look."""

from __future__ import annotations

import numpy as np

from das3d_aug.randomness import Stream
from das3d_aug.synthesis.kinds.base import Canvas, DefectKind, Values, unit
from das3d_aug.synthesis.kinds.shapes import blob, fractal

__all__ = ["contamination"]


def draw(stream: Stream) -> dict[str, float]:
    """Draw how soft its outline, how granular it is, how much it covers."""
    return {
        "soft": stream.log_uniform(0.05, 0.8),
        "granular": stream.uniform(0.0, 0.6),
        "cover": stream.uniform(0.4, 1.0),
        "wobble": stream.uniform(0.2, 0.6),
    }


def render(canvas: Canvas, values: Values) -> None:
    """Heap foreign matter up; where it is thin, the part shines through."""
    deep = blob(canvas, wobble=values["wobble"], octaves=3)
    thick = unit(deep / np.float32(values["soft"]))
    grains = fractal(canvas, cell=0.2, label=7)
    canvas.lift[:] = thick * np.maximum(np.float32(1) + np.float32(values["granular"]) * grains, np.float32(0.05))
    canvas.cover[:] = np.float32(values["cover"]) * unit(thick * np.float32(2))
    canvas.foot[:] = deep > 0


contamination = DefectKind(
    name="contamination",
    about="Contamination: dirt, glue, chips or powder on the part, with height and look of its own.",
    draw=draw,
    render=render,
    size=(0.02, 0.4),
    height=(0.02, 0.3),
    sign=-1,
    texture=True,
)
