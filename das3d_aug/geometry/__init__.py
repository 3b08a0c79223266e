"""Geometry: cameras, depth to points and back, normals, units.

Here live pure functions and small values of space; nothing here opens a file but a camera's.
It may import the ground only (errors, `_arguments`, `_jit`).
"""

from das3d_aug.geometry.cameras import Camera, Intrinsics, Orthographic, camera_from_dict, read_camera
from das3d_aug.geometry.points import depth_to_points, move_along_rays, normals, points_to_depth, range_to_depth
from das3d_aug.geometry.projection import project_points, sort_into_grid
from das3d_aug.geometry.units import to_unit

__all__ = [
    "Camera",
    "Intrinsics",
    "Orthographic",
    "camera_from_dict",
    "depth_to_points",
    "move_along_rays",
    "normals",
    "points_to_depth",
    "project_points",
    "range_to_depth",
    "read_camera",
    "sort_into_grid",
    "to_unit",
]
