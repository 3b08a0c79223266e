"""The ternary mask of one plan, noise and threshold included (eqs 1 and 2): the noise only where it may pass.

A plan covers a few per cent of the part, so its threshold lies far above most of the noise.  Some rows are computed in
full; they also give the threshold.  Noise is smooth: between two such rows it differs from what lies on the straight
line between them by at most ``span² / 8`` times its second derivative, where ``span`` is their distance in cells.  So
where both are far enough below the threshold, the rows between them are, too.
"""

from __future__ import annotations

import math

import numpy as np

from das3d_aug._jit import kernel
from das3d_aug.synthesis.noise import LANES, fill_row, gradients
from das3d_aug.synthesis.nonzero import ends, padded

__all__ = ["ternarise"]

CURVATURE = 13.07
"""At most that is the second derivative of noise, per cell², in any direction and for any gradients."""
_ROUNDING = 1e-4  # of noise in float32
_BINS = 1024  # of |noise|, to find the threshold that leaves the planned area
_SAMPLES = 2**12


@kernel
def ternarise(mask, first, last, seed, threshold, area, row0, column0, rows, columns, u0, uy, ux, v0, vy, vx):
    """Eqs 1 and 2 in place: the foreground (0 or 1) becomes M_t (-1, 0 or 1, as bytes).

    ``first`` and ``last`` bound the foreground in each row.  ``area`` is the share of it that M_t shall cover, or NaN
    where ``threshold`` is given.  Returns the rows and columns that hold anything, as half-open ranges.
    """
    height, width = mask.shape
    gradient_y, gradient_x = gradients(seed, row0, column0, rows, columns)
    marked = padded(width + LANES)
    blocks = marked.view(np.int64)
    for n in range(blocks.size):
        blocks[n] = -1
    step = max(1, int(math.sqrt(mask.size // _SAMPLES)))
    count = (height + step - 1) // step
    noise = np.empty((count + 1, width + LANES), np.float32)
    for m in range(count):
        y = m * step
        low, high = _extent(first, last, y - step + 1, y + step)
        # In three parts: the noise's last bit depends on where a row begins, which is at the foreground.
        edges = low, np.int64(first[y]), np.int64(last[y]), high
        for k in range(3):
            fill_row(
                noise[m], edges[k], edges[k + 1], blocks, gradient_y, gradient_x, columns, u0 + uy * y, ux,
                v0 + vy * y, vx,
            )  # fmt: skip
    limit = np.float32(_quantile(noise, mask, first, last, step, area) if area >= 0 else threshold)
    sure = limit - np.float32(CURVATURE / 8 * step * step * (uy * uy + vy * vy) + _ROUNDING)
    y0, y1, x0, x1 = height, 0, width, 0
    reach = 0
    for y in range(height):
        m, begin, end = y // step, np.int64(first[y]), np.int64(last[y])
        row = mask[y, begin:end]
        if y == m * step:
            _threshold(row, noise[m, begin:end], limit)
            reach = _near(marked, blocks, noise[m], noise[m + 1], sure, first, last, y, step)
        else:
            middle = max(begin, min(end, reach))
            _fill(row[middle - begin :], 0)
            if middle == begin:
                continue
            values = noise[count]
            fill_row(
                values, begin, middle, blocks, gradient_y, gradient_x, columns, u0 + uy * y, ux, v0 + vy * y, vx
            )  # fmt: skip
            _ternary(row[: middle - begin], values[begin:middle], marked[begin:middle], limit)
        start, stop = ends(row)
        if stop > 0:
            y0, y1, x0, x1 = min(y0, y), y + 1, min(x0, begin + start), max(x1, begin + stop)
    return y0, y1, x0, x1


@kernel
def _threshold(row, values, limit):
    for x in range(row.size):
        row[x] *= np.uint8(values[x] > limit) - np.uint8(values[x] < -limit)


@kernel
def _ternary(row, values, marked, limit):
    for x in range(row.size):
        row[x] *= np.uint8(values[x] > limit) - np.uint8(values[x] < -limit)
        row[x] &= np.uint8(marked[x])


@kernel
def _extent(first, last, begin, end):
    """Return the columns, first and one past last, of the foreground in some rows."""
    low, high = 2**30, 0
    for y in range(max(begin, 0), min(end, first.size)):
        if last[y] > 0:
            low, high = min(low, np.int64(first[y])), max(high, np.int64(last[y]))
    return low, high


@kernel
def _near(marked, blocks, above, below, sure, first, last, y, step):
    """Mark all bytes of the blocks of columns where the rows between two computed ones may pass.

    Returns one past the last column that is marked, 0 if none is.
    """
    for n in range(blocks.size):
        blocks[n] = 0
    low, high = _extent(first, last, y + 1, y + step)
    if low < high:
        if y + step < first.size:
            _beyond(marked[low:high], above[low:high], below[low:high], sure)
        else:
            _fill(marked[low:high], 1)
    reach = 0
    for n in range(blocks.size):
        if blocks[n] != 0:
            blocks[n] = -1
            reach = LANES * (n + 1)
    return reach


@kernel
def _fill(row, value):
    for x in range(row.size):
        row[x] = value


@kernel
def _beyond(marked, above, below, sure):
    for x in range(marked.size):
        marked[x] = max(abs(above[x]), abs(below[x])) > sure


@kernel
def _quantile(noise, inside, first, last, step, area):
    """Threshold on |noise| that leaves about ``area`` of the foreground (a few samples of it)."""
    counts = np.zeros(_BINS, np.int64)
    total = 0
    for k in range(noise.shape[0] - 1):
        y = k * step
        row, values = inside[y], noise[k]
        for x in range((first[y] + step - 1) // step * step, last[y], step):
            place = np.uint64(x)
            if row[place]:
                counts[np.uint64(min(abs(values[place]) * np.float32(_BINS), np.float32(_BINS - 1)))] += 1
                total += 1
    above = 0
    for k in range(_BINS - 1, -1, -1):
        above += counts[k]
        if above > area * total:
            # Keep the bin that crosses the limit only if nothing lies above it.
            return (k if above == counts[k] else k + 1) / _BINS
    return 0.0
