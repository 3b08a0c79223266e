"""Cameras: how a point in space comes to lie in a pixel, and what camera files say.

A pinhole camera sees the point (x, y, z) at column u = fx·x/z + cx and row v = fy·y/z + cy, a line scanner or
another orthographic camera at u = x/pitch_x + cx and v = y/pitch_y + cy; pixel centres lie at whole numbers.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from das3d_aug.errors import FileError, ParameterError

__all__ = ["Camera", "Intrinsics", "Orthographic", "camera_from_dict", "read_camera"]

Array: TypeAlias = NDArray[Any]
_MAX_JSON_BYTES = 2**20


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
