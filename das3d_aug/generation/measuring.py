"""What is recorded of a sample beside its severity, for the run to say what it wrote: sizes, and where the part is."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from das3d_aug.datasets import Sample
from das3d_aug.errors import ParameterError
from das3d_aug.geometry import Intrinsics, Orthographic, to_unit
from das3d_aug.synthesis import Found

__all__ = ["depth_noise", "measured", "pixel_area"]

_BASE = 3  # pixels to either side: neighbours are equal in enlarged images
_FEWEST = 64  # windows that tell how noise spreads


def measured(sample: Sample, mask: NDArray[np.bool_], found: Found | None, noise: float) -> dict[str, Any]:
    """Return what a recipe holds as ``measured``.

    Parameters
    ----------
    sample : Sample
        The normal sample.
    mask : ndarray of bool, H x W
        The anomalous pixels.
    found : Found or None
        Its foreground; None without depth.
    noise : float
        Of the depth there (`depth_noise`).

    Returns
    -------
    dict
        ``pixels`` and ``area`` (mm², None where it is not known) of the mask; ``part``: ``how``, ``share``,
        ``at_border``, ``low`` and ``high`` of `das3d_aug.synthesis.Found`, and ``noise``, or None.
    """
    pixels = int(np.count_nonzero(mask))
    one = pixel_area(sample, mask)
    part = None
    if found is not None:
        part = {
            "how": found.how,
            "share": found.share,
            "at_border": found.at_border,
            "low": float(found.low),
            "high": float(found.high),
            "noise": noise,
        }
    return {"pixels": pixels, "area": None if one is None else pixels * one, "part": part}


def depth_noise(depth: NDArray[Any], part: NDArray[np.bool_]) -> float:
    """Estimate the standard deviation by which the depth of neighbouring pixels of a part differs by noise.

    The difference of two Laplacians, which is 0 on planes and small on smooth surfaces, in windows of 3 x 3 measured
    pixels around those of the part (Immerkær 1996); the median of its absolute value instead of the mean, so that
    edges do not count, which are few.

    Parameters
    ----------
    depth : ndarray, H x W
    part : ndarray of bool, H x W

    Returns
    -------
    float
        In the unit of the depth; 0 where fewer than 64 windows are measured, or most differ by less than a step of
        stored numbers.
    """
    z = np.where(np.isfinite(depth) & (depth > 0), depth, np.nan).astype(np.float64)
    down = z[:-2] - 2 * z[1:-1] + z[2:]
    both = down[:, :-2] - 2 * down[:, 1:-1] + down[:, 2:]
    found = np.abs(both[part[1:-1, 1:-1] & np.isfinite(both)])
    return float(1.4826 * np.median(found) / 6) if found.size >= _FEWEST else 0.0


def pixel_area(sample: Sample, where: NDArray[np.bool_]) -> float | None:
    """Return what a pixel covers at the median depth of some of them, square to the camera's axis, in mm².

    Parameters
    ----------
    sample : Sample
        With a camera or points, in a unit of length.
    where : ndarray of bool, H x W
        Which pixels; only those with depth count.

    Returns
    -------
    float or None
        None where the geometry is not known, or not there.
    """
    if sample.depth is None or sample.valid is None:
        return None
    try:
        scale = float(to_unit(1.0, sample.unit, "mm"))
    except ParameterError:  # a unit of unknown length
        return None
    seen = where & sample.valid
    if not seen.any():
        return None
    camera = sample.intrinsics
    if isinstance(camera, Orthographic):
        area = camera.pitch_x * camera.pitch_y
    elif isinstance(camera, Intrinsics):
        area = float(np.median(sample.depth[seen])) ** 2 / (camera.fx * camera.fy)
    elif sample.xyz is not None:
        heights = sample.stored is not None and sample.stored.stand_off is not None
        area = _area_of_points(sample.xyz, sample.depth, sample.valid, seen, parallel=heights)
    else:
        return None
    return area * scale * scale if area > 0 else None


def _area_of_points(
    xyz: NDArray[np.float32],
    depth: NDArray[np.float32],
    valid: NDArray[np.bool_],
    seen: NDArray[np.bool_],
    *,
    parallel: bool,
) -> float:
    """Return the median area between the points around each pixel, at its depth."""
    height, width = seen.shape
    v, u = np.nonzero(seen)
    within = (v >= _BASE) & (v < height - _BASE) & (u >= _BASE) & (u < width - _BASE)
    v, u = v[within], u[within]
    around = ((v, u - _BASE), (v, u + _BASE), (v - _BASE, u), (v + _BASE, u))
    whole = np.logical_and.reduce([valid[place] for place in around])
    if not whole.any():
        return 0.0
    z = depth[v, u][whole].astype(np.float64)
    left, right, above, below = (
        xyz[place][whole, :2] / (1.0 if parallel else depth[place][whole, None].astype(np.float64)) for place in around
    )
    along, down = (right - left) / (2 * _BASE), (below - above) / (2 * _BASE)
    areas = np.abs(along[:, 0] * down[:, 1] - along[:, 1] * down[:, 0]) * (1.0 if parallel else z * z)
    return float(np.median(areas))
