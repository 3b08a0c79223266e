"""Geometry: cameras, depth to points and back, normals, units.

Here live pure functions and small values of space; nothing here opens a file.
It may import the ground only (errors, `_arguments`, `_jit`).
"""

import importlib
from typing import Any

from das3d_aug.geometry.camera_spellings import Description, camera_from_dict, describe_camera
from das3d_aug.geometry.cameras import Camera, Intrinsics, Orthographic
from das3d_aug.geometry.fitted import camera_of_points
from das3d_aug.geometry.points import depth_to_points, move_along_rays, normals, points_to_depth, range_to_depth
from das3d_aug.geometry.projection import project_points, sort_into_grid
from das3d_aug.geometry.units import to_unit

__all__ = [
    "Camera",
    "Description",
    "Intrinsics",
    "Orthographic",
    "camera_from_dict",
    "camera_of_points",
    "depth_to_points",
    "describe_camera",
    "move_along_rays",
    "normals",
    "points_to_depth",
    "project_points",
    "range_to_depth",
    "sort_into_grid",
    "to_unit",
]


def __getattr__(name: str) -> Any:
    """Find `read_camera`, which lived here before `das3d_aug.files` did; files lie above geometry."""
    if name == "read_camera":
        return importlib.import_module("das3d_aug.files").read_camera
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
