"""Organised depth images to points and back, points moved along their rays, and surface normals.

Depth is z, not the length of the ray.  Points have the unit of the depth.  A point of (0, 0, 0), or with a number
that is not finite, stands for "no measurement".
"""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from das3d_aug._arguments import frozen
from das3d_aug.errors import ParameterError
from das3d_aug.geometry.cameras import Array, Camera, Orthographic
from das3d_aug.geometry.surface import move_points, unit_normals

__all__ = ["depth_to_points", "move_along_rays", "normals", "points_to_depth", "range_to_depth"]

Float = TypeVar("Float", np.float32, np.float64)


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
