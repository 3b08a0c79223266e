"""Structure in the wrong place: sheared, stretched, bent, or shifted; the part's own colour and height, elsewhere."""

from __future__ import annotations

import numpy as np

from das3d_aug.randomness import Stream
from das3d_aug.synthesis.kinds.base import Canvas, DefectKind, Field, Values, step, unit
from das3d_aug.synthesis.kinds.shapes import blob, grain

__all__ = ["bend", "shear", "shift", "stretch"]


def draw(stream: Stream) -> dict[str, float]:
    """Draw how far structure is moved, over the radius, and in which direction."""
    return {"far": stream.uniform(0.15, 0.6), "turn": stream.uniform(-1.0, 1.0)}


def _moved(canvas: Canvas, along: Field, across: Field, inside: Field) -> None:
    """Take every pixel from so many radii away along and across the defect, fading out to the edge."""
    sine, cosine = canvas.along
    radius = np.float32(canvas.radius)
    y = np.arange(inside.shape[0], dtype=np.float32)[:, None]
    x = np.arange(inside.shape[1], dtype=np.float32)[None]
    canvas.rows = y + radius * inside * (along * np.float32(sine) + across * np.float32(cosine))
    canvas.columns = x + radius * inside * (along * np.float32(cosine) - across * np.float32(sine))
    canvas.foot[:] = inside > 0


def render_shear(canvas: Canvas, values: Values) -> None:
    """Move the two sides of the defect's length against each other."""
    _, across = canvas.grid()
    inside = step(blob(canvas, wobble=0.2) * np.float32(2.5))
    _moved(
        canvas, np.float32(values["far"]) * unit(across * 4 + 0.5) - np.float32(values["far"] / 2), across * 0, inside
    )


def render_stretch(canvas: Canvas, values: Values) -> None:
    """Pull structure towards the middle, or push it away."""
    along, across = canvas.grid()
    inside = step(blob(canvas, wobble=0.2) * np.float32(2))
    factor = np.float32(values["far"] * (1 if values["turn"] > 0 else -1))
    _moved(canvas, along * factor, across * factor * np.float32(0.3), inside)


def render_bend(canvas: Canvas, values: Values) -> None:
    """Let straight lines wander by smooth noise."""
    inside = step(blob(canvas, wobble=0.2) * np.float32(2))
    far = np.float32(values["far"])
    _moved(canvas, far * grain(canvas, cell=0.5, label=9), far * grain(canvas, cell=0.5, label=10), inside)


def render_shift(canvas: Canvas, values: Values) -> None:
    """Put a piece of the part in the wrong place, with a sharp edge."""
    inside = (blob(canvas, wobble=0.1) > 0).astype(np.float32)
    side = np.float32(values["turn"]) * np.float32(values["far"])
    _moved(canvas, np.full_like(inside, values["far"]), np.full_like(inside, side), inside)


shear = DefectKind(
    name="shear",
    about="Shear: two sides of a line displaced against each other.",
    draw=draw,
    render=render_shear,
    size=(0.1, 0.6),
    height=(0.0, 0.0),
    moves=True,
)
stretch = DefectKind(
    name="stretch",
    about="Stretch: structure pulled apart or pressed together.",
    draw=draw,
    render=render_stretch,
    size=(0.1, 0.6),
    height=(0.0, 0.0),
    moves=True,
)
bend = DefectKind(
    name="bend",
    about="Bend: straight structure that wanders.",
    draw=draw,
    render=render_bend,
    size=(0.1, 0.6),
    height=(0.0, 0.0),
    moves=True,
)
shift = DefectKind(
    name="shift",
    about="Misplacement: a piece of the part beside where it belongs.",
    draw=draw,
    render=render_shift,
    size=(0.05, 0.4),
    height=(0.0, 0.0),
    moves=True,
)
