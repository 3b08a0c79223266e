"""The change of depth and the refined mask of one plan, fused (eqs 1 to 7).

The foreground becomes the ternary mask in place, the filter runs over its edges only, and eqs 6 and 7 write the
results; `noise.py`, `masks.py`, `skew.py` have the same equations one by one.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from das3d_aug._jit import kernel
from das3d_aug.errors import ForegroundError
from das3d_aug.synthesis.foreground import Policy, Scan, axis_sign, locate
from das3d_aug.synthesis.noise import fill_noise, lattice_grid, noise_buffer
from das3d_aug.synthesis.nonzero import nonzero, padded
from das3d_aug.synthesis.part_range import part_range
from das3d_aug.synthesis.plan import Plan
from das3d_aug.synthesis.skew import ONE, bounds, filter_runs, kernel_size, sample_kernel

__all__ = ["LIMITS", "apply_delta", "delta_of"]

_BINS = 1024  # of |noise|, to find the threshold that leaves the planned area
_QUANTILE_SAMPLES = 2**12


def delta_of(
    depth: NDArray[Any], foreground: Policy | NDArray[np.bool_], plan: Plan
) -> tuple[NDArray[np.int32], int, int, float]:
    """Eqs 1 to 5: the window of Delta_Z that can differ from zero, its corner, and the unit of the magnitudes.

    The unit is 0 where magnitudes are relative to the part's range of depth and there is none.
    """
    _, found = locate(depth, foreground, axis_sign(plan.depth_axis))
    if found[4] == 0:
        raise ForegroundError(_no_foreground(depth, foreground))
    unit = 1.0
    if plan.magnitude_unit == "range":
        low, high = part_range(depth, found)
        unit = high - low
    row, _, column = plan.covariance
    window = _filtered_mask(found, plan, kernel_size(row, column) if plan.skew else 1)
    return *window, unit


def _no_foreground(depth: NDArray[Any], foreground: Policy | NDArray[np.bool_]) -> str:
    if not ((depth > 0) & (depth < np.inf)).any():
        return "depth has no valid pixel: all of it is zero, negative or not finite"
    if isinstance(foreground, str):
        return "nothing stands out of the background: if the part fills the image, use foreground='all', or give a mask"
    return "foreground is empty, or holds no valid depth"


# Smallest and largest valid depth of each dtype, and whether it is whole numbers.
LIMITS = {
    np.float32: (float(np.finfo(np.float32).tiny), float(np.finfo(np.float32).max), False),
    np.float64: (float(np.finfo(np.float64).tiny), float(np.finfo(np.float64).max), False),
    np.uint16: (1.0, 65535.0, True),
}


def _filtered_mask(found: Scan, plan: Plan, size: int) -> tuple[NDArray[np.int32], int, int]:
    """Eqs 1 to 5 on a foreground: what `filter_runs` returns.

    No kernel that calls the others: each would be compiled twice, and the first call waits for that.
    """
    inside, first, last, _, _ = found
    noise, threshold = noise_buffer(plan.shape), plan.threshold
    fill_noise(
        noise, first, last, np.uint64(plan.noise_seed), *lattice_grid(plan.shape, plan.resolution, plan.rotation)
    )
    if plan.area is not None:
        threshold = _quantile(noise, inside, first, last, plan.area)
    mask = inside.view(np.int8)  # the foreground is not needed again: its memory becomes M_t
    _ternarise(mask, noise, first, last, np.float32(threshold))
    weights = np.ones((1, 1)) if size == 1 else sample_kernel(*plan.alpha, *plan.covariance, size)  # 1: without skew
    window: tuple[NDArray[np.int32], int, int] = filter_runs(mask, weights, *bounds(inside))
    return window


@kernel
def _quantile(noise, inside, first, last, area):
    """Threshold on |noise| that leaves about ``area`` of the foreground (a few samples of it)."""
    step = max(1, int(math.sqrt(inside.size // _QUANTILE_SAMPLES)))
    counts = np.zeros(_BINS, np.int64)
    total = 0
    for y in range(0, inside.shape[0], step):
        for x in range((first[y] + step - 1) // step * step, last[y], step):
            if inside[y, x]:
                counts[min(int(abs(noise[y, x]) * np.float32(_BINS)), _BINS - 1)] += 1
                total += 1
    above = 0
    for k in range(_BINS - 1, -1, -1):
        above += counts[k]
        if above > area * total:
            # Keep the bin that crosses the limit only if nothing lies above it.
            return (k if above == counts[k] else k + 1) / _BINS
    return 0.0


@kernel
def _ternarise(mask, noise, first, last, threshold):
    """Eqs 1 and 2 in place: the foreground (0 or 1) becomes M_t (-1, 0 or 1)."""
    for y in range(mask.shape[0]):
        row, values = mask[y, first[y] : last[y]], noise[y, first[y] : last[y]]
        for x in range(row.size):
            row[x] *= np.int8(values[x] > threshold) - np.int8(values[x] < -threshold)


@kernel
def apply_delta(
    total, top, left, source, depth, delta, mask, changed, dent, bump, threshold, sign, lowest, highest, whole, enabled
):  # fmt: skip
    """Eqs 6 and 7 on the window that starts at (top, left), into the outputs; return the places of the mask's pixels.

    A place is ``row * width + column``; ``mask`` and ``changed`` are false before.
    """
    # |share| >= threshold / magnitude, in the integers that the filter works in.
    most = 2.0**30
    up = np.int32(min(math.ceil(threshold / dent * ONE), most) if dent > 0 else most)
    down = np.int32(-min(math.ceil(threshold / bump * ONE), most) if bump > 0 else -most)
    marked = padded(total.shape[1])
    found = np.empty(marked.size, np.int32)
    places = np.empty(total.size, np.int64)
    count = 0
    for row in range(total.shape[0]):
        y, shares = top + row, total[row]
        _refine(marked, shares, up, down)
        for n in range(nonzero(marked, found)):
            x = left + found[n]
            places[count] = y * mask.shape[1] + x
            count += 1
            mask[y, x] = True
            z = source[y, x]
            if not (enabled and z > 0 and z < np.inf):
                continue
            share = shares[found[n]] / ONE
            moved = float(z) + sign * (share * (dent if share > 0 else bump))
            if whole:
                moved = np.rint(moved)
            depth[y, x] = min(max(moved, lowest), highest)
            # A change that is lost in the depth's own precision is none.
            changed[y, x] = depth[y, x] != z
            delta[y, x] = float(depth[y, x]) - float(z)
    return places[:count]


@kernel
def _refine(marked, shares, up, down):
    """Eq. 7 on one row."""
    for x in range(shares.size):
        marked[x] = (shares[x] >= up) | (shares[x] <= down)
