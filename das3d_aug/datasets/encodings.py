"""How numbers that are no distance become one: disparities, and what two data sets store in 16 bits."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["from_disparity", "from_nyu", "from_sunrgbd", "looks_swapped"]


def from_disparity(stored: NDArray[Any], scale: float) -> NDArray[np.float32]:
    """Return ``scale`` / stored, 0 where the disparity is not positive or not finite."""
    depth = np.zeros(stored.shape)
    with np.errstate(over="ignore"):
        np.divide(scale, stored, out=depth, where=stored > 0)
        return depth.astype(np.float32)


def from_sunrgbd(stored: NDArray[np.uint16]) -> NDArray[Any]:
    """Return millimetres: the writer of SUN RGB-D rotated them left by three bits."""
    return (stored >> 3) | (stored << 13)


def from_nyu(stored: NDArray[np.uint16]) -> NDArray[np.float64]:
    """Return millimetres, 0 where the disparity has none."""
    disparity = stored.byteswap().astype(np.float64)  # whole numbers: 1092.5 is never met
    return np.maximum(351.3 / (1092.5 - disparity) * 1000, 0)


def looks_swapped(stored: NDArray[np.uint16]) -> bool:
    """Most numbers are beyond 11 bits, but not with their bytes swapped: true of 3 % of honest numbers."""
    return bool(np.mean((stored > 2048) & (stored.byteswap() < 2048)) > 0.6)
