"""The camera of organised points: what MVTec 3D-AD and many scanners store, without the camera that made them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from das3d_aug.errors import ParameterError
from das3d_aug.geometry.cameras import Camera, Intrinsics, Orthographic

__all__ = ["camera_of_points"]

_SAMPLES = 128  # rows and columns of the grid of points that are looked at
_LEAST = 16
_RESIDUAL = 0.005  # of the longer side, root mean square: lenses bend images by less
_DIGITS = 6  # significant ones: sums differ in their last ones from CPU to CPU
_DECIMALS = 4  # of the centre in pixels: near 0 all its digits are rest of such sums


def camera_of_points(xyz: NDArray[Any]) -> Camera | None:
    """Find the camera whose pixels organised points lie on, by least squares.

    The better of a pinhole camera, u = fx x/z + cx and v = fy y/z + cy, and of parallel rays, u = x / pitch_x + cx.

    Parameters
    ----------
    xyz : ndarray of float, H x W x 3
        In any unit; points that are not finite, or not in front of the camera (z <= 0), are no measurement.

    Returns
    -------
    Intrinsics or Orthographic or None
        For this image size, pitches in the unit of the points.  None if none fits to a two-hundredth of the longer
        side (root mean square), as for points that were turned, for a mirrored one, and with few points.

    Raises
    ------
    ParameterError
        If ``xyz`` is not H x W x 3, or not of numbers.
    """
    xyz = np.asarray(xyz)
    if xyz.ndim != 3 or xyz.shape[2] != 3:
        raise ParameterError(f"xyz must be H x W x 3, got the shape {xyz.shape}")
    if xyz.dtype.kind not in "fiu":
        raise ParameterError(f"xyz must be numbers, got {xyz.dtype}")
    step_v, step_u = (max(1, side // _SAMPLES) for side in xyz.shape[:2])
    with np.errstate(over="ignore"):  # what float32 cannot hold is invalid, as in a `Sample`; squares of it overflow
        some = xyz[::step_v, ::step_u].astype(np.float32).astype(np.float64)
    rows, columns = np.nonzero(np.isfinite(some).all(axis=2) & (some[:, :, 2] > 0))
    if rows.size < _LEAST:
        return None
    x, y, z = some[rows, columns].T
    u, v = columns * float(step_u), rows * float(step_v)
    pinhole, parallel = ((*_line(a, u), *_line(b, v)) for a, b in ((x / z, y / z), (x, y)))
    best = min(pinhole, parallel, key=lambda line: max(line[2], line[5]))
    fx, cx, wrong_u, fy, cy, wrong_v = (_rounded(number) for number in best)
    cx, cy = (round(centre, _DECIMALS) + 0.0 for centre in (cx, cy))
    if max(wrong_u, wrong_v) >= _RESIDUAL * max(xyz.shape[:2]) or min(fx, fy) <= 0:
        return None
    if best is pinhole:
        return Intrinsics(fx, fy, cx, cy)
    return Orthographic(_rounded(1 / fx), _rounded(1 / fy), cx, cy)


def _line(a: NDArray[Any], pixel: NDArray[Any]) -> tuple[float, float, float]:
    """Fit pixel = slope a + offset; return both and the root of the mean squared residual."""
    middle, centre = a.mean(), pixel.mean()
    spread = ((a - middle) ** 2).mean()
    if spread <= 0 or np.ptp(pixel) < 1:
        return 0.0, 0.0, np.inf
    slope = ((a - middle) * (pixel - centre)).mean() / spread
    left = pixel - centre - slope * (a - middle)
    return float(slope), float(centre - slope * middle), float(np.sqrt((left**2).mean()))


def _rounded(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")
