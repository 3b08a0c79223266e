"""The camera: organised depth images to points and back.

A pinhole camera sees the point (x, y, z) at column u = fx·x/z + cx and row v = fy·y/z + cy; pixel centres lie
at whole numbers.  Depth is z, not the length of the ray.  Points have the unit of the depth; fx, fy, cx, cy
are in pixels.  A point of (0, 0, 0), or with a number that is not finite, stands for "no measurement".
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from das3d_aug.errors import FileError, ParameterError

__all__ = ["Intrinsics", "depth_to_points", "move_along_rays", "points_to_depth"]

Float = TypeVar("Float", np.float32, np.float64)

_MAX_JSON_BYTES = 2**20


@dataclass(frozen=True)
class Intrinsics:
    """Focal lengths and principal point of a pinhole camera, in pixels.

    Raises
    ------
    ParameterError
        If a number is not finite or a focal length is not positive.
    """

    fx: float
    fy: float
    cx: float
    cy: float

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
                raise ParameterError(f"{field.name} must be a finite number of pixels, got {value!r}")
        if self.fx <= 0 or self.fy <= 0:
            raise ParameterError(f"fx and fy must be positive, got {self.fx!r} and {self.fy!r}")

    @classmethod
    def from_json(cls, path: str | Path) -> Intrinsics:
        """Read ``{"fx", "fy", "cx", "cy"}``, or Open3D's column-major ``{"intrinsic_matrix": [9 numbers]}``.

        Raises
        ------
        FileError
            If the file is missing, is not JSON, or holds neither form.
        """
        path = Path(path)
        try:
            if not path.is_file():
                raise FileError(path, "is missing or not a file")
            if path.stat().st_size > _MAX_JSON_BYTES:
                raise FileError(path, f"holds more than {_MAX_JSON_BYTES} bytes; camera files are small")
            camera: Any = json.loads(path.read_bytes())
        except OSError as error:
            raise FileError(path, f"cannot be read: {error.strerror}") from error
        except (ValueError, RecursionError) as error:
            raise FileError(path, f"is not JSON: {str(error).splitlines()[0]}") from error
        try:
            if "intrinsic_matrix" in camera:
                fx, _, _, _, fy, _, cx, cy, _ = camera["intrinsic_matrix"]
            else:
                fx, fy, cx, cy = (camera[name] for name in ("fx", "fy", "cx", "cy"))
            return cls(fx, fy, cx, cy)
        except (KeyError, TypeError, ValueError) as error:
            raise FileError(path, f"needs the numbers fx, fy, cx, cy or an intrinsic_matrix of 9: {error}") from error

    def scaled(self, sy: float, sx: float) -> Intrinsics:
        """Return the camera of an image resized by ``sy`` (rows) and ``sx`` (columns) as cv2.resize does it.

        Raises
        ------
        ParameterError
            If a factor is not positive and finite.
        """
        for name, factor in (("sy", sy), ("sx", sx)):
            if not (math.isfinite(factor) and factor > 0):
                raise ParameterError(f"{name} must be positive, got {factor!r}")
        # half a pixel: the image's edge, not the first pixel's centre, stays in place
        return Intrinsics(self.fx * sx, self.fy * sy, (self.cx + 0.5) * sx - 0.5, (self.cy + 0.5) * sy - 0.5)


def depth_to_points(depth: NDArray[Any], intrinsics: Intrinsics) -> NDArray[np.float32]:
    """Return the point seen by every pixel: x = (u − cx)·z/fx, y = (v − cy)·z/fy.

    Parameters
    ----------
    depth : numpy.ndarray
        H x W, in any unit; values that are not finite or not positive are invalid.
    intrinsics : Intrinsics
        The camera, for this image size.

    Returns
    -------
    numpy.ndarray
        float32, H x W x 3, in the unit of the depth; (0, 0, 0) where invalid.

    Raises
    ------
    ParameterError
        If ``depth`` is not H x W.
    """
    depth = np.asarray(depth)
    if depth.ndim != 2:
        raise ParameterError(f"depth must be H x W, got the shape {depth.shape}")
    z = np.where(np.isfinite(depth) & (depth > 0), depth, 0).astype(np.float64)
    v, u = np.ogrid[: depth.shape[0], : depth.shape[1]]
    x = (u - intrinsics.cx) * z / intrinsics.fx
    y = (v - intrinsics.cy) * z / intrinsics.fy
    return np.stack([x, y, z], axis=-1).astype(np.float32)


def points_to_depth(xyz: NDArray[Any]) -> NDArray[np.float32]:
    """Return z of organised points, H x W float32; 0 where a point is all zero or not finite.

    Raises
    ------
    ParameterError
        If ``xyz`` is not H x W x 3.
    """
    xyz = np.asarray(xyz)
    if xyz.ndim != 3 or xyz.shape[2] != 3:
        raise ParameterError(f"xyz must be H x W x 3, got the shape {xyz.shape}")
    return np.where(np.isfinite(xyz).all(axis=2), xyz[:, :, 2], 0).astype(np.float32)


def move_along_rays(xyz: NDArray[Float], depth: NDArray[Any]) -> NDArray[Float]:
    """Move every organised point along its viewing ray to the given depth: (x, y, z) → (x·z'/z, y·z'/z, z').

    Parameters
    ----------
    xyz : numpy.ndarray
        float32 or float64, H x W x 3.  A point that is not finite or has z <= 0 stays, byte for byte.
    depth : numpy.ndarray
        z', H x W, in the unit of ``xyz``.  Where it equals z no byte changes; where it is invalid (not finite
        or <= 0) the measurement is lost and a valid point becomes (0, 0, 0).

    Returns
    -------
    numpy.ndarray
        New points of the same dtype.

    Raises
    ------
    ParameterError
        If the shapes do not fit or ``xyz`` is not floating-point.
    """
    xyz, depth = np.asarray(xyz), np.asarray(depth)
    if xyz.ndim != 3 or xyz.shape[2] != 3 or xyz.dtype.kind != "f":
        raise ParameterError(f"xyz must be floats of shape H x W x 3, got {xyz.dtype} of shape {xyz.shape}")
    if depth.shape != xyz.shape[:2]:
        raise ParameterError(f"depth must have the shape {xyz.shape[:2]} of xyz, got {depth.shape}")
    target = np.where(np.isfinite(depth) & (depth > 0), depth, 0).astype(xyz.dtype)
    moved = np.isfinite(xyz).all(axis=2) & (xyz[:, :, 2] > 0) & (xyz[:, :, 2] != target)
    points = xyz.copy()
    old, z = xyz[moved].astype(np.float64), target[moved]
    old[:, :2] *= (z / old[:, 2])[:, None]
    old[:, 2] = z
    points[moved] = old
    return points
