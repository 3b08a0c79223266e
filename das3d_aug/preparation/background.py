"""The background of one sample: the plane that is removed, and whether it is one.

A surface that fills the image holds a plane too, through whatever lies flat at its border.  What tells a table from
it: a table is flat compared with the distance within which points are background, and what stands on it rises out of
it, so between the two there is little.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from das3d_aug._arguments import frozen
from das3d_aug.datasets import Sample
from das3d_aug.errors import ParameterError
from das3d_aug.geometry import depth_to_points, to_unit
from das3d_aug.preparation.plane import Plane, find_plane, within
from das3d_aug.preparation.settings import Preparation

__all__ = ["NO_PLANE", "NO_POINTS", "Resolved", "has_points", "in_unit", "judge", "points_of", "without_plane"]

Resolved: TypeAlias = Literal["all", "plane"]

NO_PLANE, NO_POINTS = "no plane", "neither points nor a camera"
_LEAST_PART = 1 / 2000  # of the image stands out, as for `das3d_aug.find_foreground`
_FLAT = 0.33  # of the distance: half of the plane's points lie nearer; of points spread evenly, 0.5
_RISING = 0.5  # of what stands out by half the distance stands out by all of it
_STRAY = np.ones((3, 3), np.uint8)  # what is narrower is no part


def judge(sample: Sample, settings: Preparation) -> tuple[Resolved, str]:
    """Return whether one sample has a background to remove, and why, as half a sentence.

    Raises
    ------
    ParameterError
        If its unit cannot be converted.
    """
    if sample.foreground is not None:
        return "plane", "the part is marked"
    if sample.depth is None:
        return "all", "no depth"
    if not has_points(sample):
        return "all", NO_POINTS
    if settings.distance == 0:
        return "all", "a distance of 0"
    points, valid = points_of(sample), sample.need("valid")
    plane, _ = _main_plane(points, valid, settings, sample)
    if plane is None:
        return "all", NO_PLANE
    if _is_background(points, valid, plane, in_unit(settings.distance, settings, sample)):
        return "plane", "something stands out of a plane"
    return "all", "nothing stands out of a plane"


def _is_background(xyz: NDArray[np.float32], valid: NDArray[np.bool_], plane: Plane, distance: float) -> bool:
    with np.errstate(invalid="ignore"):  # points that were not measured
        height = np.where(valid, xyz @ np.asarray(plane[:3], np.float32) + np.float32(plane[3]), np.float32(0))
    near = np.abs(height[valid & (np.abs(height) < distance)])
    out, half = (
        np.count_nonzero(cv2.morphologyEx((height >= least).astype(np.uint8), cv2.MORPH_OPEN, _STRAY))
        for least in (distance, distance / 2)
    )
    flat = near.size > 0 and np.median(near) <= _FLAT * distance
    return bool(flat and out >= _LEAST_PART * valid.size and out >= _RISING * half)


def has_points(sample: Sample) -> bool:
    """Tell whether a plane can be looked for."""
    return sample.xyz is not None or sample.intrinsics is not None


def points_of(sample: Sample) -> NDArray[np.float32]:
    """Return the points of a sample, H x W x 3.

    Raises
    ------
    ParameterError
        If it has neither points nor a camera.
    """
    if sample.xyz is not None:
        return frozen(np.asarray(sample.xyz, np.float32))
    if sample.intrinsics is None:
        raise ParameterError(
            f"{sample.entry.key}: a plane is found in points: give xyz/, or the camera as intrinsics.json; or mark "
            "the part in foreground/, or look for no plane with foreground='all'"
        )
    return frozen(depth_to_points(sample.need("depth"), sample.intrinsics))


def without_plane(
    xyz: NDArray[np.float32], valid: NDArray[np.bool_], settings: Preparation, sample: Sample
) -> tuple[NDArray[np.bool_], Plane | None, list[str]]:
    """Return what does not lie on the plane, and the plane; or everything, and why there is no plane."""
    plane, trouble = _main_plane(xyz, valid, settings, sample)
    if plane is not None:
        rest = valid & ~within(xyz, plane, in_unit(settings.distance, settings, sample))
        if rest.any():
            return rest, plane, []
        trouble = f"everything lies within {settings.distance:g} {settings.unit} of the best one"
    return valid, None, [f"{NO_PLANE}: {trouble}"]


def _main_plane(
    xyz: NDArray[np.float32], valid: NDArray[np.bool_], settings: Preparation, sample: Sample
) -> tuple[Plane | None, str]:
    """Return the border's plane; or None, and why there is none."""
    plane, share = find_plane(
        xyz,
        valid,
        border=settings.border,
        distance=in_unit(settings.ransac_distance, settings, sample),
        points=settings.ransac_points,
        trials=settings.ransac_trials,
        refit=settings.refit,
        seed=settings.seed,
    )
    if plane is None:
        return None, f"fewer than {settings.ransac_points} points in the border, or all on a line"
    if share < settings.min_share:
        return None, f"the best one holds {share:.0%} of the border's points, not {settings.min_share:.0%}"
    return plane, ""


def in_unit(length: float, settings: Preparation, sample: Sample) -> float:
    """Return a length of the settings in the unit of a sample.

    Raises
    ------
    ParameterError
        If its unit cannot be converted.
    """
    try:
        return float(to_unit(length, settings.unit, sample.unit))
    except ParameterError:
        raise ParameterError(
            f"{sample.entry.key}: distances are in {settings.unit!r} and the depth in {sample.unit!r}: name its unit "
            "with unit="
        ) from None
