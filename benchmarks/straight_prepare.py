"""3D-ADS's preparation written straight in NumPy and Open3D, step by step in new arrays: the yardstick for speed."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np
import open3d as o3d
import tifffile


def prepare(rgb_path: Path, xyz_path: Path, *, cluster: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (xyz, rgb, plane): read, without the plane, padded, and with its largest cluster only."""
    rgb = cv2.cvtColor(cv2.imread(str(rgb_path)), cv2.COLOR_BGR2RGB)
    xyz = tifffile.imread(xyz_path)
    plane = border_plane(xyz)
    xyz, rgb = without_plane(xyz, rgb, plane)
    xyz, rgb = to_square(xyz), to_square(rgb)
    if cluster:
        xyz, rgb = largest_cluster(xyz, rgb)
    return xyz, rgb, plane


def border_plane(xyz: np.ndarray) -> np.ndarray:
    """RANSAC over the points of a border of 10 pixels that are not zero."""
    strips = (xyz[:10], xyz[-10:], xyz[:, :10], xyz[:, -10:])
    border = np.concatenate([strip.reshape(-1, 3) for strip in strips])
    border = border[np.all(border != 0, axis=1)]
    cloud = o3d.geometry.PointCloud(o3d.utility.Vector3dVector(border))
    plane, _ = cloud.segment_plane(distance_threshold=0.004, ransac_n=50, num_iterations=1000)
    return plane


def without_plane(xyz: np.ndarray, rgb: np.ndarray, plane: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Set what lies within 5 mm of the plane to zero."""
    points, colours = xyz.reshape(-1, 3).copy(), rgb.reshape(-1, 3).copy()
    distances = np.abs(np.hstack([points, np.ones((len(points), 1))]) @ plane)
    near = np.flatnonzero(distances < 0.005)
    points[near], colours[near] = 0, 0
    return points.reshape(xyz.shape), colours.reshape(rgb.shape)


def to_square(image: np.ndarray) -> np.ndarray:
    """Pad with zeros to a square whose side is a multiple of 100."""
    height, width = image.shape[:2]
    side = max(math.ceil(height / 100), math.ceil(width / 100)) * 100
    top, left = (side - height) // 2, (side - width) // 2
    return np.pad(image, ((top, side - height - top), (left, side - width - left), (0, 0)))


def largest_cluster(xyz: np.ndarray, rgb: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Set everything but the largest DBSCAN cluster to zero."""
    points, colours = xyz.reshape(-1, 3).copy(), rgb.reshape(-1, 3).copy()
    kept = np.flatnonzero(np.all(points != 0, axis=1))
    cloud = o3d.geometry.PointCloud(o3d.utility.Vector3dVector(points[kept]))
    labels = np.array(cloud.cluster_dbscan(eps=0.006, min_points=30))
    names, sizes = np.unique(labels, return_counts=True)
    rest = kept[labels != names[np.argmax(sizes)]]
    points[rest], colours[rest] = 0, 0
    return points.reshape(xyz.shape), colours.reshape(rgb.shape)
