"""The shapes that kinds are made of: blobs, strokes, and noise at a scale of pixels.

All are relative to the defect's centre and radius, so the same defect at twice the resolution has the same shape.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from das3d_aug._jit import kernel
from das3d_aug.randomness import Stream
from das3d_aug.synthesis.kinds.base import Canvas, Field
from das3d_aug.synthesis.noise import fill_noise, noise_buffer

__all__ = ["blob", "fractal", "grain", "path", "smooth", "strokes"]

_FAR = -1e3
_LOBE = 0.8  # of a radius: the lobes of a blob's edge


def grain(canvas: Canvas, *, cell: float, label: int = 0, stretch: float = 1.0) -> Field:
    """Return Perlin noise, about -1 … 1, with lattice cells of ``cell`` radii.

    ``label`` gives independent noise of the same defect; ``stretch`` makes cells longer along the defect's length.
    """
    height, width = canvas.inside.shape
    row, column = canvas.centre
    sine, cosine = canvas.along
    pixels = max(cell * canvas.radius, 1.0)
    uy, ux = cosine / pixels, -sine / pixels  # across
    vy, vx = sine / (pixels * stretch), cosine / (pixels * stretch)  # along
    u, v = -uy * row - ux * column, -vy * row - vx * column
    corners = [(y, x) for y in (0, height - 1) for x in (0, width - 1)]
    low_u, high_u = (f(u + uy * y + ux * x for y, x in corners) for f in (min, max))
    low_v, high_v = (f(v + vy * y + vx * x for y, x in corners) for f in (min, max))
    row0, column0 = math.floor(low_u) - 1, math.floor(low_v) - 1
    out = noise_buffer((height, width))
    fill_noise(
        out, np.zeros(height, np.int32), np.full(height, width, np.int32), np.uint64(_seed(canvas.seed, label)),
        row0, column0, math.floor(high_u) - row0 + 3, math.floor(high_v) - column0 + 3,
        u - row0, uy, ux, v - column0, vy, vx,
    )  # fmt: skip
    return np.ascontiguousarray(out[:, :width])


def fractal(canvas: Canvas, *, cell: float, octaves: int = 3, label: int = 0, gain: float = 0.5) -> Field:
    """Return a sum of `grain`, each octave of half the cells and ``gain`` the weight; none finer than two pixels."""
    total, weight = grain(canvas, cell=cell, label=label), 1.0
    for k in range(1, octaves):
        cell, weight = cell / 2, weight * gain
        if cell * canvas.radius < 2:
            break
        total += np.float32(weight) * grain(canvas, cell=cell, label=label + k)
    return total


def blob(canvas: Canvas, *, wobble: float = 0.25, octaves: int = 1) -> Field:
    """Return how deep each pixel lies in an irregular ellipse: 1 in the middle, 0 at its edge, negative outside.

    ``wobble`` is how irregular it is, in radii; with several octaves its edge is ragged.
    """
    along, across = canvas.grid()
    across = across / np.float32(canvas.elongation)
    field = np.float32(1) - np.sqrt(along * along + across * across)
    if wobble and canvas.radius >= 3:
        cell = _LOBE * math.sqrt(canvas.elongation)
        field = field - np.float32(wobble) * fractal(canvas, cell=cell, octaves=octaves)
    return field


def path(
    canvas: Canvas, *, bend: float, wander: float, points: int = 24, label: int = 0, half: bool = False
) -> NDArray[np.float64]:
    """Return a curve through the window as rows and columns, N x 2: from end to end of the defect's length.

    It turns by ``bend`` radians in all and by a random walk of ``wander`` radians a step; ``half`` starts it at the
    centre.
    """
    stream = Stream(_seed(canvas.seed, label))
    angle = canvas.angle - bend / 2
    length = canvas.radius * (1 if half else 2) / (points - 1)
    steps = []
    for _ in range(points - 1):
        steps.append((length * math.sin(angle), length * math.cos(angle)))
        angle += bend / (points - 1) + stream.uniform(-wander, wander)
    curve = np.cumsum([(0.0, 0.0), *steps], axis=0)
    middle = curve[0] if half else (curve[0] + curve[-1]) / 2
    return np.asarray(curve - middle + canvas.centre)


def strokes(canvas: Canvas, curves: Sequence[tuple[NDArray[np.float64], NDArray[np.float64]]]) -> tuple[Field, Field]:
    """Return how deep each pixel lies in strokes, and half the width there in pixels.

    A stroke is a curve (N x 2, rows and columns) with half a width in pixels at each point.  The depth is 1 on the
    curve, 0 at its edge and negative outside; where strokes cross, the deepest counts.
    """
    depth = np.full(canvas.inside.shape, _FAR, np.float32)
    width = np.zeros(canvas.inside.shape, np.float32)
    for curve, half in curves:
        _stroke(depth, width, curve, np.maximum(half, 0.5))
    return depth, width


def _seed(seed: int, label: int) -> int:
    return Stream(seed).spawn(label).bits()


@kernel
def _stroke(depth, width, curve, half):
    height, columns = depth.shape
    for k in range(curve.shape[0] - 1):
        y0, x0, y1, x1 = curve[k, 0], curve[k, 1], curve[k + 1, 0], curve[k + 1, 1]
        dy, dx = y1 - y0, x1 - x0
        length = dy * dy + dx * dx
        reach = 2.0 * max(half[k], half[k + 1]) + 1.0
        top, bottom = max(0, int(min(y0, y1) - reach)), min(height, int(max(y0, y1) + reach) + 2)
        left, right = max(0, int(min(x0, x1) - reach)), min(columns, int(max(x0, x1) + reach) + 2)
        for y in range(top, bottom):
            for x in range(left, right):
                t = 0.0
                if length > 0.0:
                    t = min(max(((y - y0) * dy + (x - x0) * dx) / length, 0.0), 1.0)
                ey, ex = y - y0 - t * dy, x - x0 - t * dx
                here = half[k] + t * (half[k + 1] - half[k])
                deep = np.float32(1.0 - math.sqrt(ey * ey + ex * ex) / here)
                if deep > depth[y, x]:
                    depth[y, x] = deep
                    width[y, x] = here


@kernel
def smooth(field, times):
    """Smooth a field of float32 by (1 2 1) / 4 along rows and columns, so many times; its edge repeats itself."""
    height, width = field.shape
    half, quarter = np.float32(0.5), np.float32(0.25)
    above = np.empty(width, np.float32)
    for _ in range(times):
        for y in range(height):
            row = field[y]
            before = row[0]
            for x in range(width):
                here, after = row[x], row[min(x + 1, width - 1)]
                row[x] = half * here + quarter * (before + after)
                before = here
        for x in range(width):
            above[x] = field[0, x]
        for y in range(height):
            row, below = field[y], field[min(y + 1, height - 1)]
            for x in range(width):
                here = row[x]
                row[x] = half * here + quarter * (above[x] + below[x])
                above[x] = here
