"""Cameras: how a point in space comes to lie in a pixel.

A pinhole camera sees the point (x, y, z) at column u = fx·x/z + cx and row v = fy·y/z + cy, a line scanner or
another orthographic camera at u = x/pitch_x + cx and v = y/pitch_y + cy; pixel centres lie at whole numbers.
"""

from __future__ import annotations

import importlib
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from das3d_aug._arguments import as_float, check_whole
from das3d_aug.errors import FileError, ParameterError, quoted

__all__ = ["Camera", "Intrinsics", "Orthographic"]

Array: TypeAlias = NDArray[Any]
_MAX_SIDE = 2**20


@dataclass(frozen=True)
class Intrinsics:
    """A pinhole camera: focal lengths and principal point in pixels.

    Parameters
    ----------
    fx, fy, cx, cy : float
        Focal lengths and principal point.
    width, height : int, optional
        The size of the image that the camera belongs to, if it is known.

    Raises
    ------
    ParameterError
        If a number is not finite, a focal length is not positive, or the size is none.
    """

    fx: float
    fy: float
    cx: float
    cy: float
    width: int | None = None
    height: int | None = None

    def __post_init__(self) -> None:
        _check(self, ("fx", "fy", "cx", "cy"), positive=("fx", "fy"))
        if (self.width, self.height) != (None, None):
            for name in ("width", "height"):
                object.__setattr__(self, name, check_whole(name, getattr(self, name), 1, _MAX_SIDE))

    @classmethod
    def from_json(cls, path: str | Path) -> Intrinsics:
        """Read a pinhole camera, as `das3d_aug.files.read_camera` does.

        Raises
        ------
        FileError
            If the file is missing, cannot be read, or holds no pinhole camera.
        """
        # Files lie above geometry: a door upwards, for a method that was here before they did.
        camera = importlib.import_module("das3d_aug.files").read_camera(path)
        if not isinstance(camera, Intrinsics):
            raise FileError(path, "needs the numbers fx, fy, cx, cy: a pinhole camera is expected here")
        return camera

    def lift(self, u: Array, v: Array, z: Array) -> tuple[Array, Array]:
        """Return x and y of the points at columns ``u``, rows ``v`` and depths ``z``."""
        return (u - self.cx) * z / self.fx, (v - self.cy) * z / self.fy

    def scaled(self, sy: float, sx: float) -> Intrinsics:
        """Return the camera of an image resized by ``sy`` (rows) and ``sx`` (columns) as cv2.resize does it.

        Its image's size is left open.

        Raises
        ------
        ParameterError
            If a factor is not positive and finite.
        """
        cy, cx = _scaled_centre(self, sy, sx)
        return Intrinsics(self.fx * sx, self.fy * sy, cx, cy)

    def padded(self, top: int, left: int) -> Intrinsics:
        """Return the camera of an image with so many rows and columns added before it, its size left open."""
        return Intrinsics(self.fx, self.fy, self.cx + left, self.cy + top)

    def to_dict(self) -> dict[str, float]:
        """Return the numbers that are known by name, for JSON."""
        return {name: value for name, value in asdict(self).items() if value is not None}


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
        _check(self, ("pitch_x", "pitch_y", "cx", "cy"), positive=("pitch_x", "pitch_y"))

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


def _check(camera: Intrinsics | Orthographic, names: tuple[str, ...], *, positive: tuple[str, ...]) -> None:
    """Store the numbers as floats, having checked them."""
    for name in names:
        value = getattr(camera, name)
        if isinstance(value, str) or not math.isfinite(number := as_float(name, value)):
            raise ParameterError(f"{name} must be a finite number, got {quoted(value)}")
        if name in positive and number <= 0:
            raise ParameterError(f"{name} must be positive, got {quoted(value)}")
        object.__setattr__(camera, name, number)


def _scaled_centre(camera: Intrinsics | Orthographic, sy: float, sx: float) -> tuple[float, float]:
    """Scale the principal point: the image's edge, not the first pixel's centre, stays in place."""
    for name, factor in (("sy", sy), ("sx", sx)):
        if not (math.isfinite(factor) and factor > 0):
            raise ParameterError(f"{name} must be positive, got {factor!r}")
    return (camera.cy + 0.5) * sy - 0.5, (camera.cx + 0.5) * sx - 0.5
