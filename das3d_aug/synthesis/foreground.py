"""Where the part is: the foreground ``M_f``, valid depth in front of the background (3.2).

Depth that is zero, negative, NaN or infinite is invalid: never foreground, never changed.
"""

from __future__ import annotations

import math
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from das3d_aug._arguments import as_depth
from das3d_aug._jit import kernel
from das3d_aug.errors import ParameterError
from das3d_aug.synthesis.nonzero import ends

__all__ = ["DepthAxis", "foreground_mask"]

DepthAxis: TypeAlias = Literal["away", "towards"]


# The background estimate; ours, checked on real frames of tilted tables.
_BORDER = 16  # the border is 1/16 of the shorter side wide
_SAMPLES = 256
_ROUNDS = 5
_STRIDE = 7919  # a prime: three samples of a trial lie far apart
_TRIALS = 48  # planes through three samples
_INLIER = 0.003  # of the distance
_TRIM = 2.5  # standard deviations kept in the next round
_MARGIN = 5.0  # standard deviations in front of the background
_SMALLEST_MARGIN = 1e-5  # of the distance: rounding of a background that is exactly flat


def foreground_mask(
    depth: NDArray[Any], *, threshold: float | None = None, depth_axis: DepthAxis = "away"
) -> NDArray[np.bool_]:
    """Find the object: valid depth in front of the background (``M_f``).

    Parameters
    ----------
    depth : ndarray of float32, float64 or uint16, H x W
        Any unit.
    threshold : float, optional
        ``t_f``: what is nearer than this distance is foreground.  By default the background is estimated from
        the image's border.  The paper averages the background's depth; here the border's main plane is fitted
        (affine in 1/z, which is exact for a pinhole camera), so a tilted table is background too, and what lies more
        than five standard deviations in front of it is foreground.  For a flat, frontal background the two
        agree.  Give ``threshold=numpy.inf`` where the object fills the image.
    depth_axis : {"away", "towards"}
        "away": depth is the distance from the camera.  "towards": it is a height, and the object is higher.

    Returns
    -------
    ndarray of bool, H x W
        Empty where nothing stands out.  Where the border has no valid depth, all valid depth is foreground.

    Raises
    ------
    ParameterError
        If ``depth`` or an option cannot be used.
    """
    z = as_depth(depth)
    sign = axis_sign(depth_axis)
    plane = None
    if threshold is not None:
        if isinstance(threshold, bool) or not isinstance(threshold, (int, float, np.number)) or threshold != threshold:
            raise ParameterError(f"threshold must be a number, got {threshold!r}")
        limit = float(threshold)
        plane = (0.0, 0.0, limit if sign < 0 else (1.0 / limit if limit > 0 else math.inf))
    return scan(z, sign, plane=plane)[0].view(np.bool_)


def axis_sign(depth_axis: DepthAxis) -> float:
    """+1 for a distance from the camera, -1 for a height towards it."""
    if depth_axis not in ("away", "towards"):
        raise ParameterError(f"depth_axis must be 'away' or 'towards', got {depth_axis!r}")
    return 1.0 if depth_axis == "away" else -1.0


@kernel
def fit_background(depth, sign):
    """Fit the border's main plane, margin included: what is on its near side is foreground.

    RANSAC finds the plane among whatever else crosses the border, trimmed least squares make it exact.

    Returns (by, bx, c): foreground is ``1/z > by y + bx x + c`` for distances and ``z > …`` for heights.
    """
    height, width = depth.shape
    border = max(1, min(height, width) // _BORDER)
    step = max(1, int(math.sqrt((2 * border * (height + width)) / _SAMPLES)))
    ys, xs, qs = np.empty(0), np.empty(0), np.empty(0)
    for fill in range(2):
        n = 0
        for y in range(0, height, step):
            for x in range(0, width, step):
                if border <= y < height - border and border <= x < width - border:
                    continue
                z = float(depth[y, x])
                if 0.0 < z < np.inf:
                    if fill == 1:
                        ys[n], xs[n], qs[n] = y, x, (1.0 / z if sign > 0 else z)
                    n += 1
        if fill == 0:
            ys, xs, qs = np.empty(n), np.empty(n), np.empty(n)
    if qs.size == 0:
        return 0.0, 0.0, (0.0 if sign > 0 else -np.inf)
    kept = _consensus(ys, xs, qs)
    by = bx = c = deviation = 0.0
    for _ in range(_ROUNDS):
        by, bx, c = _plane(ys, xs, qs, kept)
        total, count = 0.0, 0
        for k in range(qs.size):
            if kept[k]:
                r = qs[k] - by * ys[k] - bx * xs[k] - c
                total += r * r
                count += 1
        deviation = math.sqrt(total / count)
        limit = _TRIM * deviation + _SMALLEST_MARGIN * 0.01 * abs(c)
        left = 0
        for k in range(qs.size):
            kept[k] = abs(qs[k] - by * ys[k] - bx * xs[k] - c) <= limit
            left += kept[k]
        if left < 16 or left == count:
            break
    middle = by * (height - 1) / 2 + bx * (width - 1) / 2 + c
    return by, bx, c + max(_MARGIN * deviation, _SMALLEST_MARGIN * abs(middle))


@kernel
def _consensus(ys, xs, qs):
    """RANSAC: the samples near the plane through three of them that most others lie near; the same at each call."""
    best = np.ones(qs.size, np.bool_)
    most = 0
    near = np.empty(qs.size, np.bool_)
    for trial in range(_TRIALS):
        i = 3 * trial * _STRIDE % qs.size
        j, k = (i + _STRIDE) % qs.size, (i + 2 * _STRIDE) % qs.size
        y1, x1, q1 = ys[j] - ys[i], xs[j] - xs[i], qs[j] - qs[i]
        y2, x2, q2 = ys[k] - ys[i], xs[k] - xs[i], qs[k] - qs[i]
        determinant = y1 * x2 - y2 * x1
        if abs(determinant) < 1.0:
            continue
        by, bx = (q1 * x2 - q2 * x1) / determinant, (y1 * q2 - y2 * q1) / determinant
        count = 0
        for n in range(qs.size):
            near[n] = abs(qs[n] - qs[i] - by * (ys[n] - ys[i]) - bx * (xs[n] - xs[i])) <= _INLIER * qs[n]
            count += near[n]
        if count > most:
            most = count
            best[:] = near
            if most > 0.95 * qs.size:
                break
    return best


@kernel
def _plane(ys, xs, qs, kept):
    """Least squares q = by y + bx x + c over the kept samples; flat where they do not span a plane."""
    n, my, mx, mq = 0, 0.0, 0.0, 0.0
    for k in range(qs.size):
        if kept[k]:
            n += 1
            my += ys[k]
            mx += xs[k]
            mq += qs[k]
    my, mx, mq = my / n, mx / n, mq / n
    yy = yx = xx = yq = xq = 0.0
    for k in range(qs.size):
        if kept[k]:
            dy, dx, dq = ys[k] - my, xs[k] - mx, qs[k] - mq
            yy += dy * dy
            yx += dy * dx
            xx += dx * dx
            yq += dy * dq
            xq += dx * dq
    determinant = yy * xx - yx * yx
    if n < 16 or determinant <= 1e-6 * yy * xx:
        return 0.0, 0.0, mq
    by = (xx * yq - yx * xq) / determinant
    bx = (yy * xq - yx * yq) / determinant
    return by, bx, mq - by * my - bx * mx


def scan(
    depth: NDArray[Any],
    sign: float,
    *,
    given: NDArray[np.bool_] | None = None,
    plane: tuple[float, float, float] | None = None,
) -> tuple[NDArray[np.uint8], NDArray[np.int32], NDArray[np.int32], float, float]:
    """One pass over the depth: where the foreground is, and what the synthesis has to know of it.

    Foreground is valid depth within ``given``, or in front of ``plane``, or else of the estimated background.
    Returned are it (uint8), its first and one-past-last column in each row, and its smallest and largest depth
    (0 if there is no foreground).
    """
    # The bits of positive floats sort as the floats do; as integers, validity and range take one vector loop.
    kind, largest = _BITS[depth.dtype.type]
    *found, low, high = _scan(
        depth,
        depth.view(kind),
        largest,
        _ANYWHERE if given is None else given,
        given is not None,
        sign,
        plane is None,
        *(plane or (0.0, 0.0, 0.0)),
    )
    limits = np.array([low, high], kind).view(depth.dtype)
    return *found, float(limits[0]), float(limits[1])


_ANYWHERE = np.ones((1, 1), np.bool_)
_ANYWHERE.flags.writeable = False
_BITS = {
    np.float32: (np.int32, np.finfo(np.float32).max.view(np.int32)),
    np.float64: (np.int64, np.finfo(np.float64).max.view(np.int64)),
    np.uint16: (np.uint16, np.uint16(65535)),
}


@kernel
def _scan(depth, bits, largest, given, use_given, sign, estimate, by, bx, c):
    if estimate and not use_given:
        by, bx, c = fit_background(depth, sign)
    height, width = depth.shape
    out = np.empty((height, width), np.uint8)
    first, last = np.zeros(height, np.int32), np.zeros(height, np.int32)
    low, high = largest, bits.dtype.type(0)
    for y in range(height):
        row = out[y]
        if use_given:
            _valid_within(row, bits[y], largest, given[y])
        elif sign > 0:
            _nearer(row, depth[y], bits[y], largest, np.float32(by * y + c), np.float32(bx))
        else:
            _higher(row, depth[y], bits[y], largest, np.float32(by * y + c), np.float32(bx))
        row_low, row_high = _row_range(row, bits[y], largest)
        if row_high > 0:
            low, high = min(low, row_low), max(high, row_high)
            first[y], last[y] = ends(row)
    return out, first, last, low, high


# One loop does one thing in each of these: only so do they all become vector instructions.


@kernel
def _valid_within(row, bits, largest, given):
    for x in range(row.size):
        row[x] = (bits[x] > 0) & (bits[x] <= largest) & given[x]


@kernel
def _nearer(row, depth, bits, largest, base, slope):
    for x in range(row.size):
        limit = base + slope * np.float32(np.int32(x))
        row[x] = (bits[x] > 0) & (bits[x] <= largest) & (np.float32(depth[x]) * limit < np.float32(1.0))


@kernel
def _higher(row, depth, bits, largest, base, slope):
    for x in range(row.size):
        limit = base + slope * np.float32(np.int32(x))
        row[x] = (bits[x] > 0) & (bits[x] <= largest) & (np.float32(depth[x]) > limit)


@kernel
def _row_range(row, bits, largest):
    low, high = largest, bits.dtype.type(0)
    for x in range(row.size):
        low = min(low, bits[x] if row[x] else largest)
        high = max(high, bits[x] if row[x] else bits.dtype.type(0))
    return low, high
