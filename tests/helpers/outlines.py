"""The slow, obvious ways back from polygons and runs to a mask."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray


def filled(rings: Iterable[NDArray[np.float64] | NDArray[np.int64]], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Mark the pixels from whose centre a ray to the right meets the rings an odd number of times."""
    out = np.zeros(shape, bool)
    rows, columns = np.indices(shape) + 0.5
    for ring in rings:
        for (x0, y0), (x1, y1) in zip(ring, np.roll(ring, -1, axis=0), strict=True):
            if y0 != y1:
                meets = x0 + (rows - y0) * (x1 - x0) / (y1 - y0)
                out ^= ((y0 <= rows) != (y1 <= rows)) & (columns < meets)
    return out


def unrun(counts: Sequence[int], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    flat = [bool(number % 2) for number, count in enumerate(counts) for _ in range(count)]
    return np.array(flat).reshape(shape[::-1]).T
