"""Organised point clouds, as 3D cameras write them: one point for every pixel, row after row.

An organised ("ordered", "structured") cloud is an image of points (x, y, z) in the frame of the camera, which looks
along +z.  A pixel without a measurement keeps its place and holds NaN or zeros.  Clouds from which such points
were dropped are no images any more: `read_points` gives their points, `read_organized` refuses them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from das3d_aug.errors import FileError
from das3d_aug.files.decode import read_image
from das3d_aug.files.limits import damage_named, opened
from das3d_aug.files.palettes import Indexed
from das3d_aug.files.ply_pcd import Points, decode_pcd, decode_ply
from das3d_aug.geometry import points_to_depth

__all__ = ["CLOUD_SUFFIXES", "OrganizedCloud", "Points", "read_organized", "read_points", "rows_and_columns"]

CLOUD_SUFFIXES = (".tif", ".tiff", ".npy", ".npz", ".ply", ".pcd")
"""The types of files that are read."""

_DECODERS = {".ply": ("PLY", (b"ply\n", b"ply\r\n"), decode_ply), ".pcd": ("PCD", (b"#", b"VERSION"), decode_pcd)}


@dataclass(frozen=True, eq=False)
class OrganizedCloud:
    """An image of points.

    Attributes
    ----------
    xyz : numpy.ndarray
        float32, H x W x 3, in the unit of the file; (0, 0, 0) where a number is not finite or z <= 0.
    rgb : numpy.ndarray or None
        uint8, H x W x 3, if the file has colours.
    """

    xyz: NDArray[np.float32]
    rgb: NDArray[np.uint8] | None


def read_organized(path: str | Path, *, width: int | None = None) -> OrganizedCloud:
    """Read an organised point cloud: PLY, PCD, or an H x W x 3 image of floats (TIFF, npy, npz).

    PLY 1.0 is read as ascii and binary, with ``x y z`` and optional ``red green blue`` (uchar); PCD 0.7 as ascii,
    binary and binary_compressed, with ``x y z`` and optional ``rgb`` or ``rgba``.  Other properties are skipped.

    Parameters
    ----------
    path : str or pathlib.Path
        The file; of several arrays in an npz, ``xyz`` is taken.
    width : int, optional
        Points in a row, for a PLY that does not say it and a PCD of one row.

    Returns
    -------
    OrganizedCloud

    Raises
    ------
    FileError
        If the file is missing, damaged, too large, not of its extension's type or not organised, or if no point
        lies before the camera.
    """
    path = Path(path)
    points = read_points(path)
    shape = rows_and_columns(path, points, width=width)
    rgb = None if points.rgb is None else points.rgb.reshape(*shape, 3)
    return OrganizedCloud(_measured(path, points.xyz.reshape(*shape, 3)), rgb)


def read_points(path: str | Path) -> Points:
    """Read the points of a cloud or the vertices of a mesh as they are stored: PLY, PCD, TIFF, npy or npz.

    Returns
    -------
    Points
        xyz is float32, N x 3; rgb uint8, N x 3, or None; shape is (rows, columns) where the file says it, or None.

    Raises
    ------
    FileError
        If the file is missing, damaged, too large, or not of its extension's type.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in CLOUD_SUFFIXES:
        raise FileError(path, f"the type {path.suffix!r} is not read; use one of {', '.join(CLOUD_SUFFIXES)}")
    if suffix not in _DECODERS:
        return _array(path)
    kind, magic, decode = _DECODERS[suffix]
    with opened(path) as source, damage_named(path, kind):
        start = source.head(8)
        if start.startswith(magic):
            return decode(source.at(0, source.size))
    if not start:
        raise FileError(path, "is empty, it has no byte")
    raise FileError(path, f"is not a {kind} file, though it is named {path.suffix}; it starts with {start!r}")


def _array(path: Path) -> Points:
    array = read_image(path, name="xyz")
    if isinstance(array, Indexed):
        raise FileError(path, "holds an image with a palette, and points are expected")
    if array.ndim not in (2, 3) or array.shape[-1] != 3 or array.dtype.kind != "f":
        raise FileError(
            path, f"floats of shape H x W x 3 (or N x 3) are expected, got {array.dtype} of shape {array.shape}"
        )
    with np.errstate(over="ignore"):  # a float64 beyond float32 becomes inf, which is invalid
        xyz = array.astype(np.float32).reshape(-1, 3)
    return Points(xyz, None, (array.shape[0], array.shape[1]) if array.ndim == 3 else None)


def rows_and_columns(path: Path, points: Points, *, width: int | None = None) -> tuple[int, int]:
    """Return the size of an organised cloud: what it says, or rows of ``width`` points.

    Raises
    ------
    FileError
        If its points do not fill it.
    """
    count = len(points.xyz)
    needed = "an organised cloud is needed: one point for every pixel, NaN or 0 where nothing was measured"
    if points.shape is not None:
        if points.shape[0] * points.shape[1] != count:
            raise FileError(path, f"holds {count} points for {points.shape[0]} x {points.shape[1]} pixels; {needed}")
        return points.shape
    if width is None:
        raise FileError(path, f"does not say how many of its {count} points make a row; name its width; {needed}")
    if width < 1 or count % width:
        raise FileError(path, f"holds {count} points, which are no whole rows of {width}; {needed}")
    return count // width, width


def _measured(path: Path, points: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a copy with (0, 0, 0) for everything that is no measurement."""
    xyz = points.copy()
    z = points_to_depth(xyz)
    if not (z > 0).any():
        if (z < 0).any():
            raise FileError(
                path, "all points have z ≤ 0: a camera that looks along +z is expected, turn the cloud first"
            )
        raise FileError(path, "holds no measurement: every point has z = 0 or a number that is not finite")
    xyz[z <= 0] = 0
    return xyz
