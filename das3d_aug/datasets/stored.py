"""What stored depth numbers mean, and the way back to them.

Inside das3d depth is a positive distance from the camera; 0 is no measurement.  Files hold other things too, and
the user names them:

=========== ==============================================================================================
plain       depth = stored / depth_scale (TUM: ``depth_scale=5000, unit="m"``; most cameras: ``unit="mm"``)
disparity   depth = depth_scale / stored, with depth_scale = focal length in pixels x baseline
sunrgbd     SUN RGB-D: the 16 bits rotated right by 3 give millimetres
nyu         NYU v2 raw Kinect: the bytes swapped give a disparity d, and depth = 351.3 / (1092.5 − d) m
=========== ==============================================================================================

=========== ==============================================================================================
away        the number is the distance
towards     the number is a height of any sign, larger = nearer to the sensor: depth = stand-off − height, seen
            by a virtual camera with parallel rays one metre above the datum (height 0)
opengl      points of a camera that looks along −z with y upwards: (x, y, z) becomes (x, −y, −z)
=========== ==============================================================================================

The stand-off is 1 m in the unit of the depth; 65536 for integers and 1000 for other numbers whose unit is not
known.  A height beyond it is refused.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from das3d_aug.datasets.encodings import from_disparity, from_nyu, from_sunrgbd, looks_swapped
from das3d_aug.datasets.oddities import check_eight_bits, check_negative, check_unit, repeated_extremes
from das3d_aug.errors import FileError, ParameterError
from das3d_aug.geometry import Camera, points_to_depth, range_to_depth, to_unit

__all__ = ["NAMES", "STATED", "Meaning", "Measured", "Stored"]

_CHOICES = {
    "encoding": ("plain", "disparity", "sunrgbd", "nyu"),
    "depth_kind": ("z", "range"),
    "depth_axis": ("away", "towards", "opengl"),
}
_UNKNOWN = ("raw", "unknown")


@dataclass(frozen=True, kw_only=True)
class Meaning:
    """What stored depth numbers, or the z of stored points, mean.

    Parameters
    ----------
    depth_scale : float, optional
        Stored units per unit of depth (and of points).  Without it numbers stay as stored, and integers get the
        unit ``"raw"`` unless ``unit`` is given.
    unit : str, optional
        The unit of depth; ``"unknown"`` if not given (``"mm"`` for sunrgbd and nyu without ``depth_scale``).
    encoding : {"plain", "disparity", "sunrgbd", "nyu"}
        How a number becomes a distance.
    depth_kind : {"z", "range"}
        Whether it is along the optical axis or along the viewing ray, which needs the camera.
    depth_axis : {"away", "towards", "opengl"}
        Whether larger is farther, a height, or z of points before a camera that looks along −z.
    invalid : numbers
        Stored numbers that mean "not measured".  Numbers that are not finite always do, 0 does unless it is a height.

    Raises
    ------
    ParameterError
        If a value is impossible, or two do not go together.
    """

    depth_scale: float | None = None
    unit: str | None = None
    encoding: str = "plain"
    depth_kind: str = "z"
    depth_axis: str = "away"
    invalid: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.depth_scale is not None and not (_finite(self.depth_scale) and self.depth_scale > 0):
            raise ParameterError(f"depth_scale must be positive, got {self.depth_scale!r}")
        if self.unit is not None and not isinstance(self.unit, str):
            raise ParameterError(f"unit must be a name, got {self.unit!r}")
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise ParameterError(f"{name} must be one of {', '.join(choices)}, got {getattr(self, name)!r}")
        if self.encoding == "disparity" and self.depth_scale is None:
            raise ParameterError("depth_scale= is needed for encoding='disparity': focal length in pixels x baseline")
        if not isinstance(self.invalid, (tuple, list)) or not all(map(_finite, self.invalid)):
            raise ParameterError(f"invalid must be finite numbers (NaN always is invalid), got {self.invalid!r}")
        object.__setattr__(self, "invalid", tuple(self.invalid))
        if self.depth_axis != "away" and (self.encoding, self.depth_kind) != ("plain", "z"):
            raise ParameterError(f"depth_axis={self.depth_axis!r} goes with encoding='plain' and depth_kind='z' only")

    def stated(self) -> dict[str, Any]:
        """Return what differs from the default, by the names of the options, for JSON."""
        values = {name: getattr(self, name) for name in NAMES if getattr(self, name) != getattr(Meaning(), name)}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}

    def measure(self, path: Path, numbers: NDArray[Any], camera: Camera | None = None) -> Measured:
        """Return the depth of a plane of stored numbers.

        Parameters
        ----------
        path : pathlib.Path
            The file that they are of, for errors.
        numbers : numpy.ndarray
            H x W, as stored.
        camera : Camera, optional
            Needed for ``depth_kind="range"``.

        Raises
        ------
        FileError
            If the numbers cannot mean this: negative ones without ``depth_axis="towards"``, heights beyond the
            stand-off, the low bytes of 16 bits, or integers of another width than the encoding needs.
        """
        if numbers.dtype == np.bool_:
            raise FileError(path, "holds one bit per pixel, which is a mask and no depth")
        if self.depth_axis == "opengl":
            raise FileError(path, "holds depth, and depth_axis='opengl' is about points (xyz/)")
        said = check_eight_bits(path, numbers)
        missing = self._missing(numbers)
        if self.encoding in ("sunrgbd", "nyu"):
            if numbers.dtype != np.uint16:
                raise FileError(path, f"encoding={self.encoding!r} needs 16-bit integers, got {numbers.dtype}")
            millimetres = from_sunrgbd(numbers) if self.encoding == "sunrgbd" else from_nyu(numbers)
            depth, unit = self._scaled(millimetres), self.unit or ("mm" if self.depth_scale is None else "unknown")
        else:
            unit = self._unit(numbers)
            extremes, warnings = repeated_extremes(numbers, missing, zero=self.depth_axis == "towards")
            said += warnings
            if self.depth_axis == "towards":
                depth, stored = self._from_heights(path, numbers, missing, unit)
                return Measured(depth, unit, stored, said)
            if self.encoding == "disparity":
                depth = from_disparity(numbers, self.depth_scale or 1.0)
            else:
                if path.suffix.lower() == ".pgm" and numbers.dtype == np.uint16 and looks_swapped(numbers):
                    raise FileError(
                        path, "looks like raw Kinect disparity with swapped bytes; open with encoding='nyu'"
                    )
                said += check_negative(path, numbers, missing, extremes)
                depth = self._scaled(numbers)
        if self.invalid:
            depth = np.where(missing, np.float32(0), depth)
        if self.depth_kind == "range" and camera is not None:
            depth = range_to_depth(depth, camera)
        return Measured(depth, unit, None, said + check_unit(depth, unit))

    def measure_points(self, path: Path, xyz: NDArray[Any]) -> tuple[NDArray[np.float32], Measured]:
        """Return points in the frame of a camera that looks along +z, and what `measure` tells of their z.

        Parameters
        ----------
        path : pathlib.Path
            The file that they are of, for errors.
        xyz : numpy.ndarray
            H x W x 3 floats, as stored.

        Returns
        -------
        points : numpy.ndarray
            float32, H x W x 3; (0, 0, 0) where nothing was measured.
        measured : Measured
            Their depth; what was stored is z.

        Raises
        ------
        FileError
            As `measure`; also if no point lies before the camera.
        """
        with np.errstate(over="ignore"):  # a float64 beyond float32 becomes inf, which is invalid
            points = xyz.astype(np.float32)
        missing = ~np.isfinite(points).all(axis=2) | ~points.any(axis=2) | self._missing(points[:, :, 2])
        z = np.where(missing, np.float32(np.nan), points[:, :, 2])
        unit = self.unit or "unknown"
        extremes, said = repeated_extremes(z, missing, zero=False)
        stored = None
        if self.depth_axis == "towards":
            depth, stored = self._from_heights(path, z, missing, unit)
            points = self._scaled(points)
        else:
            if self.depth_axis == "opengl":
                points, z = points * np.array([1, -1, -1], np.float32), -z
                extremes = {-number for number in extremes}
            if not (z > 0).any():
                raise FileError(path, _nothing_before(z))
            said += check_negative(path, z, missing, extremes, points=True)
            points = self._scaled(points)
            depth = points_to_depth(np.where((missing | ~(z > 0))[:, :, None], np.float32(0), points))
            said += check_unit(depth, unit)
        points[:, :, 2] = depth
        points[~(depth > 0)] = 0
        return points, Measured(depth, unit, stored, said)

    def _missing(self, numbers: NDArray[Any]) -> NDArray[np.bool_]:
        missing = np.zeros(numbers.shape, np.bool_) if numbers.dtype.kind in "ui" else ~np.isfinite(numbers)
        for number in self.invalid:
            with np.errstate(over="ignore"):  # -9999.9 is stored as the nearest float of that width, 1e300 as inf
                missing |= numbers == (number if numbers.dtype.kind in "ui" else numbers.dtype.type(number))
        return missing

    def _unit(self, numbers: NDArray[Any]) -> str:
        raw = self.encoding == "plain" and self.depth_scale is None and numbers.dtype.kind != "f"
        return self.unit or ("raw" if raw else "unknown")

    def _scaled(self, numbers: NDArray[Any]) -> NDArray[np.float32]:
        with np.errstate(over="ignore"):  # a float64 beyond float32 becomes inf, which is invalid
            return (numbers if self.depth_scale is None else numbers / np.float64(self.depth_scale)).astype(np.float32)

    def _from_heights(
        self, path: Path, numbers: NDArray[Any], missing: NDArray[np.bool_], unit: str
    ) -> tuple[NDArray[np.float32], Stored]:
        heights = np.where(missing, 0, numbers) / np.float64(self.depth_scale or 1.0)
        stand_off = _stand_off(unit)
        if missing.all():
            raise FileError(path, "holds no measurement")
        highest = float(heights[~missing].max())
        if not highest < stand_off:
            raise FileError(
                path,
                f"holds the height {highest:g}, and the virtual camera stands {stand_off:g} ({unit}) above height 0: "
                "name the unit and the scale (unit=, depth_scale=), or the number that means 'not measured' "
                "(invalid=)",
            )
        depth = np.where(missing, 0, stand_off - heights).astype(np.float32)
        named = replace(self, unit=None if unit in _UNKNOWN else unit)
        return depth, Stored(numbers=numbers, meaning=named, stand_off=stand_off)


NAMES = tuple(option.name for option in fields(Meaning))
"""The options that say what stored numbers mean."""

STATED = "depth.json"
"""The file in the root of a folder that holds them by their names."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Stored:
    """How depth is stored where a writer must not write the distance itself.

    Attributes
    ----------
    numbers : numpy.ndarray
        H x W, as stored.
    meaning : Meaning
        What they mean; its unit is None where it is not known.
    stand_off : float or None
        number = (stand_off − depth) · depth_scale for heights; None if number = depth · depth_scale.
    """

    numbers: NDArray[Any] = field(repr=False)
    meaning: Meaning
    stand_off: float | None = None

    @classmethod
    def as_png(cls, depth: NDArray[np.float32], unit: str, *, scale: float) -> Self:
        """Return how depth becomes 16-bit integers of ``scale`` steps per unit, 0 where it is not measured.

        Raises
        ------
        ParameterError
            If a depth is larger than 65535 steps.
        """
        meaning = Meaning(depth_scale=scale, unit=None if unit in _UNKNOWN else unit)
        valid = np.isfinite(depth) & (depth > 0)
        steps = np.rint(np.where(valid, depth, 0) * np.float64(scale))
        if steps.max() > 65535:
            raise ParameterError(
                f"depth_png= is too fine: 65535 steps of 1/{scale:g} end at {65535 / scale:g} ({unit}), and "
                f"the depth reaches {depth[valid].max():g}; take fewer steps per unit"
            )
        return cls(numbers=np.where(valid, np.maximum(steps, 1), 0).astype(np.uint16), meaning=meaning)

    def at(self, pixels: Any) -> Stored:
        """Return what is stored of an image of these pixels, an index of two axes."""
        return replace(self, numbers=self.numbers[pixels])

    def restore(self, depth: NDArray[np.float32], before: NDArray[np.float32]) -> NDArray[Any]:
        """Return stored numbers for a changed depth, H x W in the stored dtype.

        Where ``depth`` is ``before`` they are what was stored; elsewhere integers are rounded, kept in the range of
        their type, and never become a number that means "not measured".
        """
        lengths = depth.astype(np.float64)
        if self.stand_off is not None:
            lengths = self.stand_off - lengths
        numbers = lengths * (self.meaning.depth_scale or 1.0)
        if self.numbers.dtype.kind in "ui":
            limits = np.iinfo(self.numbers.dtype)
            numbers = np.clip(np.rint(numbers), limits.min, limits.max)
            for number in (*self.meaning.invalid, *(() if self.stand_off is not None else (0,))):
                numbers[numbers == number] += -1 if number == limits.max else 1
        changed = (depth != before) & np.isfinite(depth) & (depth > 0)
        made = self.numbers.copy()
        made[changed] = numbers[changed].astype(made.dtype)
        return made


class Measured(NamedTuple):
    """The depth of a file: float32 H x W in ``unit``; how it was stored if not as distance; what is odd about it."""

    depth: NDArray[np.float32]
    unit: str
    stored: Stored | None
    warnings: tuple[str, ...]


def _stand_off(unit: str) -> float:
    """Return one metre in a unit."""
    try:
        return float(to_unit(1.0, "m", unit))
    except ParameterError:
        return 65536.0 if unit == "raw" else 1000.0


def _nothing_before(z: NDArray[np.float32]) -> str:
    if (z < 0).any():
        return (
            "all points have z ≤ 0: a camera that looks along +z is expected; say depth_axis='opengl' for one that "
            "looks along −z, depth_axis='towards' if z is a height"
        )
    return "holds no measurement: every point has z = 0 or a number that is not finite"


def _finite(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
