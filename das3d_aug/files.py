"""Reading image and depth files that may be damaged or lying, and writing files that are whole or absent.

Every file is judged before it is decoded, and every failure is a `FileError` that names the path.  Pixels come
as they are stored: no EXIF rotation, no colour profile, no rescaling.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from das3d_aug._decode import KINDS, MAX_PIXELS, Array, read_bytes, read_image
from das3d_aug.errors import FileError, ParameterError

__all__ = [
    "MAX_PIXELS",
    "contained",
    "encode_mask",
    "encode_png",
    "encode_tiff",
    "open_atomic",
    "read_array",
    "read_json",
    "read_plane",
    "read_rgb",
    "sweep_partials",
    "write_atomic",
]

_PARTIAL = re.compile(r"\..+\.[0-9]+\.partial")


def read_rgb(path: str | Path, *, data: bytes | None = None) -> NDArray[np.uint8]:
    """Read a colour image: PNG, JPEG, PPM/PGM, BMP or TIFF of 8 bits per channel.

    Parameters
    ----------
    path : str or pathlib.Path
        The file.
    data : bytes, optional
        What the file holds, if it is a part of another one; ``path`` then only names it.

    Returns
    -------
    numpy.ndarray
        uint8, H x W x 3, RGB.  Grey is repeated, alpha is dropped.

    Raises
    ------
    FileError
        If the file is missing, damaged, too large, not of its extension's type, or not of 8 bits.
    """
    image = read_image(Path(path), data=data)
    if image.dtype != np.uint8:
        raise FileError(path, f"an 8-bit colour image is expected, this one is {image.dtype}; convert it first")
    if image.ndim == 2:
        image = np.repeat(image[:, :, None], 3, axis=2)
    if image.ndim != 3 or image.shape[2] not in (3, 4):
        raise FileError(path, f"a grey, RGB or RGBA image is expected, got the shape {image.shape}")
    return np.ascontiguousarray(image[:, :, :3])


def read_plane(path: str | Path, *, name: str | None = None, data: bytes | None = None) -> Array:
    """Read one plane of numbers (depth, mask) as stored: PNG, PGM, BMP, TIFF, npy or npz.

    Parameters
    ----------
    path : str or pathlib.Path
        The file.
    name : str, optional
        The array to take from an npz that holds several.
    data : bytes, optional
        As for `read_rgb`.

    Returns
    -------
    numpy.ndarray
        H x W, in the stored dtype and native byte order.

    Raises
    ------
    FileError
        As `read_rgb`; also if there is more than one channel, or for JPEG, which does not keep values.
    """
    path = Path(path)
    if KINDS.get(path.suffix.lower()) == "JPEG":
        raise FileError(path, "JPEG does not keep depth or mask values; store a PNG or TIFF")
    plane = read_image(path, name=name, data=data)
    if plane.ndim == 3 and plane.shape[2] == 1:
        plane = plane[:, :, 0]
    if plane.ndim != 2:
        raise FileError(path, f"one channel (H x W) is expected, got the shape {plane.shape}")
    return plane


def read_array(path: str | Path, *, name: str | None = None) -> Array:
    """Read an organised point image (xyz) from TIFF, npy or npz.

    Parameters
    ----------
    path : str or pathlib.Path
        The file.
    name : str, optional
        The array to take from an npz that holds several.

    Returns
    -------
    numpy.ndarray
        H x W x 3, float of the stored width, native byte order.

    Raises
    ------
    FileError
        As `read_rgb`; also if the shape is not H x W x 3 or the numbers are not floating-point.
    """
    array = read_image(Path(path), name=name)
    if array.ndim != 3 or array.shape[2] != 3 or array.dtype.kind != "f":
        raise FileError(path, f"floats of shape H x W x 3 are expected, got {array.dtype} of shape {array.shape}")
    return array


def read_json(path: str | Path, *, data: bytes | None = None) -> dict[str, Any]:
    """Read a JSON object; ``data`` as for `read_rgb`.

    Raises
    ------
    FileError
        If the file is missing or holds something else.
    """
    path = Path(path)
    try:
        value = json.loads(read_bytes(path) if data is None else data)
    except (ValueError, RecursionError) as error:
        raise FileError(path, f"is not JSON: {(str(error).splitlines() or [''])[0]}") from error
    if not isinstance(value, dict):
        raise FileError(path, "is not a JSON object")
    return value


def write_atomic(path: str | Path, data: bytes) -> None:
    """Write a file so that it is whole or absent; `open_atomic` says how."""
    with open_atomic(path) as stream:
        stream.write(data)


@contextlib.contextmanager
def open_atomic(path: str | Path) -> Iterator[io.BufferedRandom]:
    """Open a file to write and read it, so that it is whole or absent: beside it first, then renamed over it.

    Missing parent folders are made.  A kill may leave ``.<name>.<pid>.partial``; see `sweep_partials`.

    Raises
    ------
    FileError
        If it cannot be written (full disk, no permission).  An older file of that name is left as it was, as
        it is if anything is raised inside.
    """
    path = Path(path)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("w+b") as stream:
            yield stream
        partial.replace(path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            partial.unlink()
        if isinstance(error, OSError):
            raise FileError(path, f"cannot be written: {error.strerror}") from error
        raise


def sweep_partials(folder: str | Path) -> list[Path]:
    """Remove what killed writers left below ``folder`` and return the removed paths.

    Call it only while no other run writes there.
    """
    removed = []
    for parent, _, names in os.walk(folder):
        for name in names:
            if _PARTIAL.fullmatch(name):
                removed.append(Path(parent, name))
                removed[-1].unlink(missing_ok=True)
    return sorted(removed)


def contained(root: str | Path, path: str | Path) -> Path:
    """Return ``path`` resolved (symlinks, ``..``), having checked that it lies in ``root``.

    Raises
    ------
    FileError
        If it lies outside, or its symlinks form a loop.
    """
    try:
        home, target = Path(root).resolve(), Path(path).resolve()
    except (OSError, RuntimeError) as error:
        raise FileError(path, "cannot be resolved: its symbolic links form a loop") from error
    if not target.is_relative_to(home):
        raise FileError(path, f"leads outside {home}; copy the file into the folder")
    return target


def encode_png(array: Array) -> bytes:
    """Encode uint8 or uint16, H x W or H x W x 3 (RGB), as PNG; equal arrays give equal bytes."""
    colour = array.ndim == 3 and array.shape[2] == 3
    if array.dtype not in (np.uint8, np.uint16) or not (array.ndim == 2 or colour) or not array.size:
        raise ParameterError(f"array must be uint8 or uint16, H x W (x 3), got {array.dtype} {array.shape}")
    import cv2  # here, since loading it changes the environment of the process

    _, encoded = cv2.imencode(".png", np.ascontiguousarray(array[:, :, ::-1] if colour else array))
    return encoded.tobytes()


def encode_mask(mask: Array) -> bytes:
    """Encode H x W as PNG: 255 where it is not zero, else 0."""
    return encode_png((mask != 0).astype(np.uint8) * np.uint8(255))


def encode_tiff(array: Array, *, compress: bool = False) -> bytes:
    """Encode H x W or H x W x 3 as TIFF, without date or software name; equal arrays give equal bytes."""
    colour = array.ndim == 3 and array.shape[2] == 3
    if array.dtype.kind not in "uif" or not (array.ndim == 2 or colour) or not array.size:
        raise ParameterError(f"array must be numbers, H x W (x 3), got {array.dtype} {array.shape}")
    buffer = io.BytesIO()
    tifffile.imwrite(
        buffer,
        np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")),
        byteorder="<",
        photometric="rgb" if colour else "minisblack",
        compression="zlib" if compress else None,
        metadata=None,
        software=False,
    )
    return buffer.getvalue()
