"""Encoding points as PLY, which viewers open."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from das3d_aug.errors import ParameterError

__all__ = ["encode_ply"]


def encode_ply(xyz: NDArray[Any], rgb: NDArray[np.uint8] | None = None, normals: NDArray[Any] | None = None) -> bytes:
    """Encode points as binary PLY 1.0; equal arrays give equal bytes.

    Parameters
    ----------
    xyz : numpy.ndarray
        N x 3, or H x W x 3: then the file says so, and `das3d_aug.files.read_organized` reads the image of points.
    rgb : numpy.ndarray, optional
        uint8, of the same shape.
    normals : numpy.ndarray, optional
        Of the same shape.

    Raises
    ------
    ParameterError
        If a shape or type does not fit.
    """
    if xyz.ndim not in (2, 3) or xyz.shape[-1] != 3 or not xyz.size:
        raise ParameterError(f"xyz must be N x 3 or H x W x 3, got the shape {xyz.shape}")
    for name, values in (("rgb", rgb), ("normals", normals)):
        if values is not None and values.shape != xyz.shape:
            raise ParameterError(f"{name} must have the shape {xyz.shape} of xyz, got {values.shape}")
    if rgb is not None and rgb.dtype != np.uint8:
        raise ParameterError(f"rgb must be uint8, got {rgb.dtype}")
    columns = [("float", "<f4", ("x", "y", "z"), xyz)]
    if normals is not None:
        columns.append(("float", "<f4", ("nx", "ny", "nz"), normals))
    if rgb is not None:
        columns.append(("uchar", "u1", ("red", "green", "blue"), rgb))
    record = np.dtype([(name, kind) for _, kind, names, _ in columns for name in names])
    table = np.empty(xyz.size // 3, record)
    lines = ["ply", "format binary_little_endian 1.0"]
    if xyz.ndim == 3:
        lines += [f"obj_info num_cols {xyz.shape[1]}", f"obj_info num_rows {xyz.shape[0]}"]
    lines.append(f"element vertex {table.size}")
    for spelled, _, names, values in columns:
        for name, column in zip(names, values.reshape(-1, 3).T, strict=True):
            table[name] = column
            lines.append(f"property {spelled} {name}")
    return "\n".join([*lines, "end_header", ""]).encode() + table.tobytes()
