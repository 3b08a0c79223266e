"""Residual depth: what stands out of a part's own smooth surface, at several scales.

    r   = depth minus a plane fitted to the part by least squares, trimmed of outliers
    r_k = G(0.8 px) r - G(side / k) r,   k = 64, 32, 16, 8;   and r itself, a little smoothed

G are Gaussians that average over the part alone.  Beside them stands the share of pixels nearby that are part and were
not measured.  A filter of this kind finds large dents that no network trained on small ones finds.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

__all__ = ["MISSING", "RESIDUALS", "SURFACE", "relief"]

Array = NDArray[np.float32]

RESIDUALS = 6
"""Channels of residuals: four scales, the plane's, and missing measurements; one more says where the part is."""
MISSING = 5
"""The channel of missing measurements."""
SURFACE = (0, 2, 4)
"""The channels that make a picture for an encoder: fine, coarse, and the plane's residual."""
_SCALES = (64, 32, 16, 8)  # parts of the image's longer side that are the sigmas
_FINE, _PLANE, _NEARBY = 0.8, 128, 64
_TRIMMED, _ROUNDS = 2.5, 3
_ROBUST = 1.4826  # standard deviation of a normal distribution over its median distance from the median


def relief(depth: Array, *, measured: NDArray[np.bool_], part: NDArray[np.bool_]) -> Array:
    """Return the residuals of one image.

    Parameters
    ----------
    depth : ndarray of float32, H x W
        Any unit, which is that of the residuals; a number everywhere, what was not measured as its neighbours.
    measured, part : ndarray of bool, H x W
        Where there is a measurement, and where the part is.

    Returns
    -------
    ndarray of float32, `RESIDUALS` + 1 x H x W
        Positive where deeper, 0 outside the part; last, 1 on the part and in its holes.
    """
    inside = np.asarray(ndimage.binary_fill_holes(part))
    side = max(depth.shape)
    residual = np.where(part, _from_plane(depth, part & measured if (part & measured).any() else part), np.float32(0))
    weight: Array = np.asarray(cv2.erode(part.astype(np.float32), np.ones((3, 3))), np.float32)  # its edge is no defect
    fine = _smooth(residual, weight, _FINE)
    maps = [(fine - _smooth(residual, weight, side / scale)) * weight for scale in _SCALES]
    maps.append(_smooth(residual, weight, side / _PLANE) * weight)
    maps.append(_smooth((part & ~measured).astype(np.float32), np.ones_like(weight), side / _NEARBY))
    maps.append(inside.astype(np.float32))
    return np.stack(maps).astype(np.float32)


def _from_plane(depth: Array, part: NDArray[np.bool_]) -> Array:
    rows, columns = np.mgrid[: depth.shape[0], : depth.shape[1]] / max(depth.shape)
    basis = np.stack([rows, columns, np.ones_like(rows)], axis=-1)
    fitted, residual = part, depth.astype(np.float64)
    for _ in range(_ROUNDS):
        here, there = basis[fitted], depth[fitted].astype(np.float64)
        plane = np.linalg.lstsq(here.T @ here, here.T @ there, rcond=None)[0]  # 3 x 3, five times as fast
        residual = depth - basis @ plane
        near = np.abs(residual) <= _TRIMMED * _ROBUST * np.median(np.abs(residual[fitted]))
        if np.count_nonzero(near & part) < basis.shape[-1]:
            break
        fitted = near & part
    return residual.astype(np.float32)


def _smooth(image: Array, weight: Array, sigma: float) -> Array:
    """Return the Gaussian mean over the weighted pixels."""

    def blur(values: Array) -> Array:
        return np.asarray(cv2.GaussianBlur(values, (0, 0), sigma, borderType=cv2.BORDER_REFLECT), np.float32)

    if weight.all():
        return blur(image)
    return np.asarray(blur(image * weight) / np.maximum(blur(weight), np.float32(1e-3)), np.float32)
