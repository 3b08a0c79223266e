"""The lay of a surface: in which direction its marks run, as ISO 25178 has it; scratches and cracks often follow it."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["lay_at"]

_COHERENT = 0.25  # of the gradients' energy has one direction; less is no lay
_LEVELS = 255.0


def lay_at(
    surface: NDArray[np.float32], inside: NDArray[np.bool_], centre: tuple[int, int], reach: int
) -> float | None:
    """Return the direction of a surface's marks about a place, by the structure tensor (Bigün & Granlund 1987).

    Parameters
    ----------
    surface : ndarray of float32, H x W or H x W x 3
        Depth, or colour, whose sum counts.
    inside : ndarray of bool, H x W
        Which pixels count.
    centre : (int, int)
        Row and column.
    reach : int
        Half the side of the square that is looked at.

    Returns
    -------
    float or None
        In whole degrees from the column axis, 0 … 180; None where the marks have no common direction.
    """
    row, column = centre
    window = np.s_[max(0, row - reach) : row + reach + 1, max(0, column - reach) : column + reach + 1]
    known = inside[window]
    if min(known.shape) < 3 or not known.any():
        return None
    there = surface[window]
    if there.ndim == 3:
        there = there.sum(axis=2)
    low, high = float(there[known].min()), float(there[known].max())
    # Whole numbers, whose sums are the same on every machine.
    level = np.rint((there - np.float32(low)) * np.float32(_LEVELS / max(high - low, 1e-12))).astype(np.int64)
    dy, dx = level[2:, 1:-1] - level[:-2, 1:-1], level[1:-1, 2:] - level[1:-1, :-2]
    core = known[1:-1, 1:-1] & known[2:, 1:-1] & known[:-2, 1:-1] & known[1:-1, 2:] & known[1:-1, :-2]
    dy, dx = dy[core], dx[core]
    across, both, down = int((dx * dx).sum()), int((dx * dy).sum()), int((dy * dy).sum())
    energy = across + down
    if energy == 0 or math.hypot(across - down, 2 * both) < _COHERENT * energy:
        return None
    steepest = math.degrees(math.atan2(2 * both, across - down)) / 2
    return float(round(steepest + 90) % 180)
