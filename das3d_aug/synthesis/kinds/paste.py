"""A patch of the part, or of another good one, pasted where it does not belong: structure broken, no foreign look."""

from __future__ import annotations

import math

import numpy as np

from das3d_aug.randomness import Stream
from das3d_aug.synthesis.kinds.base import Canvas, DefectKind, Values
from das3d_aug.synthesis.kinds.shapes import blob

__all__ = ["paste"]


def draw(stream: Stream) -> dict[str, float]:
    """Draw from how far it comes, how it is turned and mirrored, and how sharp its edge is."""
    return {
        "away": stream.uniform(0.6, 3.0),
        "from": stream.uniform(0.0, 6.283185307179586),
        "turn": stream.choice(
            (0.0, 1.5707963267948966, 3.141592653589793, 4.71238898038469, stream.uniform(0.0, 6.28))
        ),
        "mirror": float(stream.chance(0.5)),
        "box": float(stream.chance(0.4)),
    }


def render(canvas: Canvas, values: Values) -> None:
    """Take every pixel of the footprint from a turned, mirrored patch elsewhere on the part."""
    along, across = canvas.grid()
    if values["box"]:
        wide = np.float32(canvas.elongation)
        inside = (np.abs(along) < 0.7) & (np.abs(across) < np.float32(0.7) * wide)
    else:
        inside = blob(canvas, wobble=0.3) > 0
    row, column = canvas.centre
    y = np.arange(inside.shape[0], dtype=np.float32)[:, None] - np.float32(row)
    x = np.arange(inside.shape[1], dtype=np.float32)[None] - np.float32(column)
    if values["mirror"]:
        x = -x
    sine, cosine = np.float32(math.sin(values["turn"])), np.float32(math.cos(values["turn"]))
    far = values["away"] * canvas.radius
    canvas.rows = np.float32(row + far * math.sin(values["from"])) + y * cosine + x * sine
    canvas.columns = np.float32(column + far * math.cos(values["from"])) + x * cosine - y * sine
    canvas.foot[:] = inside


paste = DefectKind(
    name="paste",
    about="A pasted patch: a piece of the part, turned or mirrored, with its height, where another belongs.",
    draw=draw,
    render=render,
    size=(0.05, 0.5),
    height=(0.0, 0.0),
    moves=True,
    donor=True,
)
