"""The skew Gaussian filter (eqs 3–5): it gives the flat ternary mask slopes, lean and a peak.

``f_s(x; alpha, Sigma) = 2 phi_2(x; 0, Sigma) Phi(alpha . x)`` is sampled on h x h pixel offsets, normalised to
sum 1 and convolved with the mask.  Offsets, ``alpha`` and ``Sigma`` are in (row, column) order; ``Sigma`` is a
covariance in px², ``alpha`` in 1/px.  The skew moves the kernel's mean off its centre, which is the point of it.

A ternary mask is piecewise constant, so its downward difference is zero but along edges.  Each run of equal
difference adds the kernel's rows, summed over its pixels, and one sum down each column gives the convolution.  It is
done in integers (2⁻²⁸ of the kernel's sum), so it is exact in any order, and zero stays zero.  The cost follows the
perimeter and not the area.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from das3d_aug._arguments import frozen
from das3d_aug._jit import kernel
from das3d_aug.errors import ParameterError
from das3d_aug.synthesis.nonzero import ends, nonzero, padded

__all__ = ["skew_filter", "skew_normal_kernel"]

ONE = 2**28  # the integer that stands for 1.0
_TRUNCATE = 3.0  # standard deviations; ours: the 1.1 % of mass beyond is given back by the normalisation
_LARGEST_SIZE = 2**12 + 1
_LANES = 8  # int32 in a vector
_LONGEST = 32  # pixels that are added at once


def skew_normal_kernel(alpha: ArrayLike, covariance: ArrayLike, *, size: int | None = None) -> NDArray[np.float64]:
    """Sample the bivariate skew-normal density as a filter kernel (eqs 3 and 4).

    Parameters
    ----------
    alpha : 2 floats
        Skew per pixel along rows and columns; the paper draws both from U(-0.5, 0.5).
    covariance : 2 x 2 floats
        ``Sigma`` in px², symmetric and positive definite.
    size : int, optional
        Odd height and width h; by default three standard deviations of the wider axis to each side.

    Returns
    -------
    ndarray of float64, h x h
        Non-negative, sum 1; its true centre, pixel (h // 2, h // 2), is offset 0.

    Raises
    ------
    ParameterError
        If an argument has another shape, is not finite, or is not a covariance.
    """
    skew = _finite("alpha", alpha, (2,))
    sigma = _finite("covariance", covariance, (2, 2))
    if sigma[0, 1] != sigma[1, 0] or sigma[0, 0] <= 0 or np.linalg.det(sigma) <= 0:
        raise ParameterError(f"covariance must be symmetric and positive definite, got {sigma.tolist()}")
    if size is None:
        size = kernel_size(sigma[0, 0], sigma[1, 1])
    if not isinstance(size, int) or size < 1 or size % 2 == 0 or size > _LARGEST_SIZE:
        raise ParameterError(f"size must be odd and 1 … {_LARGEST_SIZE}, got {size!r}")
    return sample_kernel(skew[0], skew[1], sigma[0, 0], sigma[0, 1], sigma[1, 1], size)


def skew_filter(mask: NDArray[Any], kernel: NDArray[np.float64]) -> NDArray[np.float32]:
    """Convolve a ternary mask with a kernel; the mask is zero outside the image (eq. 5).

    Parameters
    ----------
    mask : ndarray, H x W
        Values -1, 0 and 1 of any integer, bool or float dtype.
    kernel : ndarray of float64, h x h
        Odd h.  Absolute values may add up to at most 4.

    Returns
    -------
    ndarray of float32, H x W
        ``Delta_Z``.

    Raises
    ------
    ParameterError
        If the mask has other values, or the kernel another shape.
    """
    if not isinstance(mask, np.ndarray) or mask.ndim != 2 or mask.size == 0:
        raise ParameterError(f"mask must be a non-empty H x W array, got {getattr(mask, 'shape', mask)!r}")
    if not np.isin(mask, (-1, 0, 1)).all():
        raise ParameterError("mask must hold -1, 0 and 1 only")
    weights = np.asarray(kernel, np.float64)
    if weights.ndim != 2 or weights.shape[0] != weights.shape[1] or weights.shape[0] % 2 == 0:
        raise ParameterError(f"kernel must be h x h with odd h, got shape {weights.shape}")
    if not np.isfinite(weights).all() or np.abs(weights).sum() > 4:
        raise ParameterError("kernel must be finite, its absolute values adding up to at most 4")
    ternary = frozen(mask.astype(np.int8))
    total, top, left = filter_runs(ternary, np.ascontiguousarray(weights), *bounds(ternary.view(np.uint8)))
    out = np.zeros(mask.shape, np.float32)
    out[top : top + total.shape[0], left : left + total.shape[1]] = total * np.float32(1.0 / ONE)
    return out


def kernel_size(row_variance: float, column_variance: float) -> int:
    """Odd kernel size that holds three standard deviations of the wider axis."""
    return 2 * max(1, math.ceil(_TRUNCATE * math.sqrt(max(row_variance, column_variance)))) + 1


@kernel
def sample_kernel(alpha_y, alpha_x, yy, yx, xx, size):
    """Eqs 3 and 4; constant factors fall to the normalisation."""
    out = np.empty((size, size))
    half = size // 2
    determinant = yy * xx - yx * yx
    total = 0.0
    for i in range(size):
        for j in range(size):
            y, x = float(i - half), float(j - half)
            quadratic = (xx * y * y - 2.0 * yx * x * y + yy * x * x) / determinant
            tail = math.erfc(-(alpha_y * y + alpha_x * x) / math.sqrt(2.0))
            out[i, j] = math.exp(-0.5 * quadratic) * tail
            total += out[i, j]
    for i in range(size):
        for j in range(size):
            out[i, j] /= total
    return out


@kernel
def filter_runs(mask, weights, y0, y1, x0, x1):
    """Convolve where the result can differ from zero: int32 rows x columns in units of 1/ONE, top, left.

    The mask is zero outside of rows y0 … y1 - 1 and columns x0 … x1 - 1.
    """
    if y1 <= y0:
        return np.empty((0, 0), np.int32), 0, 0
    size = weights.shape[0]
    sums, starts, stops = _row_sums(weights)
    height, width = mask.shape
    half = size // 2
    top, bottom = max(0, y0 - half), min(height, y1 + half)
    left, right = max(0, x0 - half), min(width, x1 + half)
    # Work rows start at column x0 - half.
    ring = np.zeros((size, x1 - x0 + size + _LANES), np.int32)
    down = np.zeros(ring.shape[1], np.int32)
    out = np.empty((bottom - top, right - left), np.int32)
    steps = padded(x1 - x0 + 1)  # a zero behind the last pixel
    found = np.empty(steps.size, np.int32)
    nothing = np.zeros(x1 - x0, np.int8)
    for y in range(y0, bottom + half):
        if y <= y1:
            above = mask[y - 1, x0:x1] if y > y0 else nothing
            here = mask[y, x0:x1] if y < y1 else nothing
            for x in range(here.size):
                steps[x] = here[x] - above[x]
            n, count = 0, nonzero(steps, found)
            while n < count:
                x, step, length = found[n], steps[found[n]], 1
                while length < _LONGEST and steps[x + length] == step:
                    length += 1
                n += length
                _add_run(ring, sums, starts, stops, y, x, length, np.int32(step))
        finished = ring[(y - half) % size]
        for x in range(finished.size):
            down[x] += finished[x]
            finished[x] = 0
        if top <= y - half < bottom:
            row = out[y - half - top]
            source = down[left - (x0 - half) :]
            for x in range(row.size):
                row[x] = source[x]
    return out, top, left


@kernel
def _row_sums(weights):
    """Sum each kernel row up to each column, as integers, and find where it begins and ends to be other than zero.

    `_LONGEST` columns before the row the sum is 0, and behind it stays what it is, to whole vectors.
    """
    size = weights.shape[0]
    sums = np.zeros((size, size + 2 * _LONGEST + _LANES), np.int32)
    starts, stops = np.zeros(size, np.int64), np.zeros(size, np.int64)
    for i in range(size):
        total = np.int32(0)
        for j in range(size + _LONGEST + _LANES):
            if j < size:
                weight = np.int32(np.rint(weights[i, j] * ONE))
                if weight != 0:
                    starts[i] = j if stops[i] == 0 else starts[i]
                    stops[i] = j + 1
                total += weight
            sums[i, _LONGEST + j] = total
    return sums, starts, stops


@kernel
def bounds(mask):
    """Rows and columns that hold anything but zero, as half-open ranges."""
    height, width = mask.shape
    y0, y1, x0, x1 = height, 0, width, 0
    for y in range(height):
        first, last = ends(mask[y])
        if last > 0:
            y0, y1, x0, x1 = min(y0, y), y + 1, min(x0, first), max(x1, last)
    return y0, y1, x0, x1


@kernel
def _add_run(ring, sums, starts, stops, y, x, length, step):
    """Add the kernel at ``length`` pixels from column ``x`` on: each of its rows rises, stays, and falls."""
    size = starts.size
    k = (y - size // 2) % size
    for i in range(size):
        start = starts[i]
        wide = (stops[i] - start + length + _LANES - 2) // _LANES * _LANES  # whole vectors
        row = ring[k, x + start : x + start + wide]
        up = sums[i, _LONGEST + start : _LONGEST + start + wide]
        down = sums[i, _LONGEST + start - length : _LONGEST + start - length + wide]
        for j in range(row.size):
            row[j] += step * (up[j] - down[j])
        k = k + 1 if k + 1 < size else 0


def _finite(name: str, value: ArrayLike, shape: tuple[int, ...]) -> NDArray[np.float64]:
    try:
        array = np.asarray(value, np.float64)
    except (TypeError, ValueError):
        raise ParameterError(f"{name} must be numbers of shape {shape}, got {value!r}") from None
    if array.shape != shape or not np.isfinite(array).all():
        raise ParameterError(f"{name} must be finite numbers of shape {shape}, got {value!r}")
    return array
