"""Points to an image: organised as they are, projected by the camera, or sorted into the grid they lie on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from das3d_aug.datasets.stored import Meaning, Measured
from das3d_aug.errors import FileError
from das3d_aug.files.clouds import Points, read_points, rows_and_columns
from das3d_aug.geometry import Camera, project_points, sort_into_grid

__all__ = ["Arranged", "read_arranged"]


class Arranged(NamedTuple):
    """An image of points.

    xyz is float32 H x W x 3, or None if the points were projected: depth and camera tell all of them; rgb is uint8
    H x W x 3 or None; camera is the one given, or that of the grid.
    """

    measured: Measured
    xyz: NDArray[np.float32] | None
    rgb: NDArray[np.uint8] | None
    camera: Camera | None


def read_arranged(
    path: Path, *, meaning: Meaning, width: int | None, size: tuple[int, int] | None, camera: Camera | None
) -> Arranged:
    """Read a cloud as an image of points.

    One that says its size, or has a point for every pixel of ``size``, is organised.  Of any other, the points are
    projected if there is a camera, and sorted into a grid if they lie on one.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    meaning : Meaning
        What its numbers mean.
    width : int or None
        Points in a row, for an organised cloud that does not say it.
    size : tuple of int or None
        Height and width of the image, where they are known.
    camera : Camera or None
        The camera, if it is known.

    Raises
    ------
    FileError
        If the file cannot be read, or it is not known which pixel shows which point.
    """
    points = read_points(path)
    full = size is not None and points.shape is None and size[0] * size[1] == len(points.xyz)
    rows = size[1] if width is None and size is not None and full else width
    try:
        shape = rows_and_columns(path, points, width=rows)
    except FileError as error:
        if width is not None:
            raise
        xyz, measured = meaning.measure_points(path, points.xyz[None])
        found = _arrangement(xyz[0], size, camera)
        if found is None:
            raise _unorganised(path, points, error, size, camera) from error
        index, seen_by = found
        measured = measured._replace(depth=_taken(measured.depth[0], index))
        if measured.stored is not None:
            numbers = np.where(index < 0, np.float32(np.nan), measured.stored.numbers[0][index])
            measured = measured._replace(stored=replace(measured.stored, numbers=numbers))
        return Arranged(
            measured=measured,
            xyz=None if seen_by is camera else _taken(xyz[0], index),
            rgb=None if points.rgb is None else _taken(points.rgb, index),
            camera=seen_by,
        )
    xyz, measured = meaning.measure_points(path, points.xyz.reshape(*shape, 3))
    return Arranged(measured, xyz, None if points.rgb is None else points.rgb.reshape(*shape, 3), camera)


def _arrangement(
    points: NDArray[np.float32], size: tuple[int, int] | None, camera: Camera | None
) -> tuple[NDArray[np.int32], Camera] | None:
    """Return which point each pixel shows, and the camera that sees them so."""
    if camera is None:
        return sort_into_grid(points)
    return None if size is None else (project_points(points, camera, size), camera)


def _unorganised(
    path: Path, points: Points, error: FileError, size: tuple[int, int] | None, camera: Camera | None
) -> FileError:
    """Say what is missing to make an image of the points."""
    if size is not None:
        try:
            rows_and_columns(path, points, width=size[1])
        except FileError as with_width:
            error = with_width
    missing = "give the camera as intrinsics.json, and it is projected (its points lie on no regular grid in x and y)"
    if camera is not None:
        missing = "give width and height beside the camera in intrinsics.json, and it is projected"
    return FileError(path, f"{error.reason}; or {missing}")


def _taken(values: NDArray[Any], index: NDArray[np.int32]) -> NDArray[Any]:
    """Return the value of the point that each pixel shows, 0 where there is none."""
    taken = values[index]
    taken[index < 0] = 0
    return taken
