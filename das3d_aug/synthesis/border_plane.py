"""The background's plane, estimated from the image's border; what lies in front of it is foreground.

The paper averages the background's depth.  Here the border's main plane is fitted, so a tilted table is background
too; the constants are ours, checked on real frames of tilted tables.
"""

from __future__ import annotations

import math

import numpy as np

from das3d_aug._jit import kernel

__all__ = ["fit_background"]

_BORDER = 16  # the border is 1/16 of the shorter side wide
_SAMPLES = 256
_ROUNDS = 5
_STRIDE = 7919  # a prime: three samples of a trial lie far apart
_TRIALS = 48  # planes through three samples
_INLIER = 0.003  # of the distance
_ENOUGH = 0.95  # of the samples: there is no better plane
_TRIM = 2.5  # standard deviations kept in the next round
_MARGIN = 5.0  # standard deviations in front of the background
_SMALLEST_MARGIN = 1e-5  # of the distance: rounding of a background that is exactly flat
_SMALLEST_STEP = 1.01  # counts, where depth is whole numbers: a background may differ by one from pixel to pixel


@kernel
def fit_background(depth, sign, whole):
    """Fit the border's main plane, margin included: what is on its near side is foreground.

    RANSAC finds the plane among whatever else crosses the border, trimmed least squares make it exact.  A pinhole
    camera sees planes affine in 1/z; a sensor with parallel rays sees them affine in z, which is tried where 1/z
    leaves more than a twentieth of the border unexplained.  ``whole``: depth is whole numbers.

    Returns (by, bx, c, kind, share): foreground is ``q > by y + bx x + c``, where q is 1/z if kind is 0, z (a height)
    if it is 1, and -z if it is -1; ``share`` is that of the border's samples that lie on the plane.
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
        return 0.0, 0.0, (0.0 if sign > 0 else -np.inf), (0 if sign > 0 else 1), 1.0
    kind = 0 if sign > 0 else 1
    kept, share = _consensus(ys, xs, qs)
    if kind == 0 and share <= _ENOUGH:
        straight = np.empty(qs.size)
        for k in range(qs.size):
            straight[k] = -1.0 / qs[k]
        others, more = _consensus(ys, xs, straight)
        if more > _ENOUGH:
            kept, qs, kind = others, straight, -1
    by = bx = c = deviation = 0.0
    left = 0
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
    margin = max(_MARGIN * deviation, _SMALLEST_MARGIN * abs(middle))
    if whole:
        margin = max(margin, _SMALLEST_STEP * (middle * middle if kind == 0 else 1.0))
    return by, bx, c + margin, kind, left / qs.size


@kernel
def _consensus(ys, xs, qs):
    """RANSAC: the samples near the plane through three of them that most others lie near, and their share."""
    best = np.empty(qs.size, np.bool_)
    for n in range(qs.size):  # loops throughout: an array expression takes a second to compile
        best[n] = True
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
            off = abs(qs[n] - qs[i] - by * (ys[n] - ys[i]) - bx * (xs[n] - xs[i]))
            near[n] = off <= _INLIER * abs(qs[n])
            count += near[n]
        if count > most:
            most = count
            for n in range(qs.size):
                best[n] = near[n]
            if most > _ENOUGH * qs.size:
                break
    return best, most / qs.size


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
