"""Cameras, organised depth images to points and back, normals, units.

A pinhole camera sees the point (x, y, z) at column u = fx·x/z + cx and row v = fy·y/z + cy, a line scanner or
another orthographic camera at u = x/pitch_x + cx and v = y/pitch_y + cy; pixel centres lie at whole numbers.
Depth is z, not the length of the ray.  Points have the unit of the depth.  A point of (0, 0, 0), or with a number
that is not finite, stands for "no measurement".
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from das3d_aug._arguments import frozen
from das3d_aug._surface import move_points, unit_normals
from das3d_aug.errors import FileError, ParameterError

__all__ = [
    "Camera",
    "Intrinsics",
    "Orthographic",
    "camera_from_dict",
    "depth_to_points",
    "move_along_rays",
    "normals",
    "points_to_depth",
    "range_to_depth",
    "read_camera",
    "to_unit",
]

Array: TypeAlias = NDArray[Any]
Float = TypeVar("Float", np.float32, np.float64)

_MAX_JSON_BYTES = 2**20
_MICROMETRES = {"m": 1e6, "cm": 1e4, "mm": 1e3, "um": 1.0}


@dataclass(frozen=True)
class Intrinsics:
    """A pinhole camera: focal lengths and principal point in pixels.

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
        _check(self, "fx", "fy")

    @classmethod
    def from_json(cls, path: str | Path) -> Intrinsics:
        """Read a pinhole camera, as `read_camera` does.

        Raises
        ------
        FileError
            If the file is missing, is not JSON, or holds no pinhole camera.
        """
        camera = read_camera(path)
        if not isinstance(camera, Intrinsics):
            raise FileError(path, "needs the numbers fx, fy, cx, cy: a pinhole camera is expected here")
        return camera

    def lift(self, u: Array, v: Array, z: Array) -> tuple[Array, Array]:
        """Return x and y of the points at columns ``u``, rows ``v`` and depths ``z``."""
        return (u - self.cx) * z / self.fx, (v - self.cy) * z / self.fy

    def scaled(self, sy: float, sx: float) -> Intrinsics:
        """Return the camera of an image resized by ``sy`` (rows) and ``sx`` (columns) as cv2.resize does it.

        Raises
        ------
        ParameterError
            If a factor is not positive and finite.
        """
        cy, cx = _scaled_centre(self, sy, sx)
        return Intrinsics(self.fx * sx, self.fy * sy, cx, cy)

    def padded(self, top: int, left: int) -> Intrinsics:
        """Return the camera of an image with so many rows and columns added before it."""
        return Intrinsics(self.fx, self.fy, self.cx + left, self.cy + top)

    def to_dict(self) -> dict[str, float]:
        """Return the numbers by name, for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Orthographic:
    """A camera with parallel rays, such as a line scanner: x = (u − cx)·pitch_x, y = (v − cy)·pitch_y.

    Parameters
    ----------
    pitch_x, pitch_y : float
        Width and height of a pixel, in the unit of the depth.
    cx, cy : float
        The pixel of x = y = 0.

    Raises
    ------
    ParameterError
        If a number is not finite or a pitch is not positive.
    """

    pitch_x: float
    pitch_y: float
    cx: float = 0.0
    cy: float = 0.0

    def __post_init__(self) -> None:
        _check(self, "pitch_x", "pitch_y")

    def lift(self, u: Array, v: Array, z: Array) -> tuple[Array, Array]:
        """Return x and y of the points at columns ``u``, rows ``v`` and depths ``z``."""
        still = np.zeros_like(z)  # an invalid point is all zero
        return np.where(z > 0, (u - self.cx) * self.pitch_x, still), np.where(
            z > 0, (v - self.cy) * self.pitch_y, still
        )

    def scaled(self, sy: float, sx: float) -> Orthographic:
        """Return the camera of a resized image; see `Intrinsics.scaled`."""
        cy, cx = _scaled_centre(self, sy, sx)
        return Orthographic(self.pitch_x / sx, self.pitch_y / sy, cx, cy)

    def padded(self, top: int, left: int) -> Orthographic:
        """Return the camera of an image with so many rows and columns added before it."""
        return Orthographic(self.pitch_x, self.pitch_y, self.cx + left, self.cy + top)

    def to_dict(self) -> dict[str, float]:
        """Return the numbers by name, for JSON."""
        return asdict(self)


Camera: TypeAlias = Intrinsics | Orthographic


def camera_from_dict(numbers: Any) -> Camera:
    """Make a camera of what `to_dict` gives, or of Open3D's column-major ``{"intrinsic_matrix": [9 numbers]}``.

    Raises
    ------
    ParameterError
        If it is none of these.
    """
    try:
        if "intrinsic_matrix" in numbers:
            fx, _, _, _, fy, _, cx, cy, _ = numbers["intrinsic_matrix"]
            return Intrinsics(fx, fy, cx, cy)
        if "pitch_x" in numbers:
            return Orthographic(numbers["pitch_x"], numbers["pitch_y"], numbers.get("cx", 0.0), numbers.get("cy", 0.0))
        return Intrinsics(*(numbers[name] for name in ("fx", "fy", "cx", "cy")))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ParameterError(
            f"a camera needs the numbers fx, fy, cx, cy, or pitch_x and pitch_y, or an intrinsic_matrix of 9: {error}"
        ) from error


def read_camera(path: str | Path) -> Camera:
    """Read a camera from JSON; `camera_from_dict` says which forms.

    Raises
    ------
    FileError
        If the file is missing, is not JSON, or holds no camera.
    """
    path = Path(path)
    try:
        if not path.is_file():
            raise FileError(path, "is missing or not a file")
        if path.stat().st_size > _MAX_JSON_BYTES:
            raise FileError(path, f"holds more than {_MAX_JSON_BYTES} bytes; camera files are small")
        return camera_from_dict(json.loads(path.read_bytes()))
    except OSError as error:
        raise FileError(path, f"cannot be read: {error.strerror}") from error
    except ParameterError as error:
        raise FileError(path, str(error)) from error
    except (ValueError, RecursionError) as error:
        raise FileError(path, f"is not JSON: {str(error).splitlines()[0]}") from error


def depth_to_points(depth: NDArray[Any], camera: Camera) -> NDArray[np.float32]:
    """Return the point seen by every pixel, for a pinhole camera x = (u − cx)·z/fx, y = (v − cy)·z/fy.

    Parameters
    ----------
    depth : numpy.ndarray
        H x W, in any unit; values that are not finite or not positive are invalid.
    camera : Camera
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
    x, y = camera.lift(u, v, z)
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
    x, y, z = np.moveaxis(np.isfinite(xyz), 2, 0)
    return np.where(x & y & z, xyz[:, :, 2], 0).astype(np.float32)  # all(axis=2) is slow


def range_to_depth(distance: NDArray[Any], camera: Camera) -> NDArray[np.float32]:
    """Return depth from distances along the viewing rays: z = r / sqrt(1 + ((u − cx)/fx)² + ((v − cy)/fy)²).

    Where the rays are parallel, they are the same.

    Parameters
    ----------
    distance : numpy.ndarray
        r, H x W, in any unit; values that are not finite or not positive are invalid.
    camera : Camera
        The camera, for this image size.

    Returns
    -------
    numpy.ndarray
        float32, H x W, in the unit of the distance; 0 where invalid.

    Raises
    ------
    ParameterError
        If ``distance`` is not H x W.
    """
    distance = np.asarray(distance)
    if distance.ndim != 2:
        raise ParameterError(f"distance must be H x W, got the shape {distance.shape}")
    r = np.where(np.isfinite(distance) & (distance > 0), distance, 0).astype(np.float64)
    if isinstance(camera, Orthographic):
        return r.astype(np.float32)
    v, u = np.ogrid[: r.shape[0], : r.shape[1]]
    x, y = (u - camera.cx) / camera.fx, (v - camera.cy) / camera.fy
    return (r / np.sqrt(1 + x * x + y * y)).astype(np.float32)


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
        If the shapes do not fit or ``xyz`` is of another dtype.
    """
    xyz, depth = np.asarray(xyz), np.asarray(depth)
    if xyz.ndim != 3 or xyz.shape[2] != 3 or xyz.dtype.type not in (np.float32, np.float64):
        raise ParameterError(f"xyz must be float32 or float64, H x W x 3, got {xyz.dtype} of shape {xyz.shape}")
    if depth.shape != xyz.shape[:2]:
        raise ParameterError(f"depth must have the shape {xyz.shape[:2]} of xyz, got {depth.shape}")
    points = np.array(xyz, xyz.dtype.type, order="C")
    move_points(points, frozen(np.where(np.isfinite(depth) & (depth > 0), depth, 0).astype(points.dtype)))
    return points


def normals(xyz: Array) -> NDArray[np.float32]:
    """Return the surface's unit normals, towards the camera.

    The normal is −(∂p/∂u × ∂p/∂v), from central differences of the organised points, or one-sided ones beside an
    invalid point or the image's edge: no difference crosses an invalid point.  It faces the camera wherever x
    grows with the columns and y with the rows, as `depth_to_points` makes them.

    Parameters
    ----------
    xyz : numpy.ndarray
        H x W x 3, in any unit.

    Returns
    -------
    numpy.ndarray
        float32, H x W x 3; (0, 0, 0) where a point is invalid or alone in its row or column, or the surface is
        seen edge-on.

    Raises
    ------
    ParameterError
        If ``xyz`` is not H x W x 3.
    """
    valid = frozen(points_to_depth(xyz) > 0)
    points = np.asarray(xyz)
    points = points if points.dtype.type in (np.float32, np.float64) else points.astype(np.float64)
    unit = np.zeros(points.shape, np.float32)
    unit_normals(frozen(points), valid, unit)
    return unit


def to_unit(values: Any, unit: str, target: str) -> Any:
    """Convert lengths from one unit to another: m, cm, mm or um; equal names of any unit leave them as they are.

    Raises
    ------
    ParameterError
        If the units differ and one of them is none of these.
    """
    if unit == target:
        return values
    for name in (unit, target):
        if name not in _MICROMETRES:
            raise ParameterError(f"{unit!r} cannot be converted to {target!r}; units are {', '.join(_MICROMETRES)}")
    old, new = _MICROMETRES[unit], _MICROMETRES[target]
    return values * (old / new) if old > new else values / (new / old)  # 1000 is a float exactly, 0.001 is not


def _check(camera: Intrinsics | Orthographic, *positive: str) -> None:
    for field in fields(camera):
        value = getattr(camera, field.name)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            raise ParameterError(f"{field.name} must be a finite number, got {value!r}")
        if field.name in positive and value <= 0:
            raise ParameterError(f"{field.name} must be positive, got {value!r}")


def _scaled_centre(camera: Intrinsics | Orthographic, sy: float, sx: float) -> tuple[float, float]:
    """Scale the principal point: the image's edge, not the first pixel's centre, stays in place."""
    for name, factor in (("sy", sy), ("sx", sx)):
        if not (math.isfinite(factor) and factor > 0):
            raise ParameterError(f"{name} must be positive, got {factor!r}")
    return (camera.cy + 0.5) * sy - 0.5, (camera.cx + 0.5) * sx - 0.5
