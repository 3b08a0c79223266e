"""The part's range of depth, to which magnitudes are relative: largest minus smallest, but for stray pixels.

A flying pixel or a sensor's outlier would make every defect too deep.  Where the extremes lie more than four times as
far apart as the 0.5 % and 99.5 % quantiles, only what lies within one distance of these quantiles beyond them counts.
Elsewhere, and that is on all clean data but a flat part with a pin, the range is that of all pixels.  The quantiles
are those of about 4096 pixels of the image, on a grid; where fewer than 256 of these are foreground, all count.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from das3d_aug._jit import kernel

__all__ = ["part_range"]

_TAIL = 0.005  # of the pixels, at either end
_EVIDENT = 4  # times the distance of the quantiles
_BINS = 1024
_SAMPLES = 2**12
_FEWEST = 256  # samples: fewer say nothing of the tails


def part_range(
    depth: NDArray[Any], found: tuple[NDArray[np.uint8], NDArray[np.int32], NDArray[np.int32], float, float]
) -> tuple[float, float]:
    """Return the smallest and largest depth of a foreground, as `locate` finds it, without stray pixels."""
    inside, first, last, low, high = found
    mask = inside.view(np.bool_)
    if high <= low or not _has_outliers(depth, mask, first, last, low, high):
        return low, high
    step = _step(depth.size)
    values = np.sort(depth[::step, ::step][mask[::step, ::step]].astype(np.float64))
    tail = int(_TAIL * values.size)
    near, far = float(values[tail]), float(values[-1 - tail])
    if near == far:  # flat, but for a few: whether these are stray cannot be told
        return low, high
    every = depth[mask].astype(np.float64)
    kept = every[(every >= near - (far - near)) & (every <= far + (far - near))]
    return float(kept.min()), float(kept.max())


@kernel
def _step(pixels):
    return max(1, int(math.sqrt(pixels // _SAMPLES)))


@kernel
def _has_outliers(depth, mask, first, last, low, high):
    """Whether the extremes lie more than `_EVIDENT` times as far apart as the quantiles, to a bin."""
    step = _step(depth.size)
    counts = np.zeros(_BINS, np.int64)
    total = 0
    scale = (_BINS - 1) / (high - low)
    for y in range(0, mask.shape[0], step):
        for x in range((first[y] + step - 1) // step * step, last[y], step):
            if mask[y, x]:
                counts[int((float(depth[y, x]) - low) * scale)] += 1
                total += 1
    tail = int(_TAIL * total)
    below, above, near, far = 0, 0, 0, _BINS - 1
    while near < _BINS - 1 and below + counts[near] <= tail:
        below += counts[near]
        near += 1
    while far > 0 and above + counts[far] <= tail:
        above += counts[far]
        far -= 1
    return total >= _FEWEST and (far - near + 1) * _EVIDENT < _BINS
