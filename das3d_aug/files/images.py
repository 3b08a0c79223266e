"""Reading image and depth files that may be damaged or lying, and encoding arrays as files.

Every file is judged before it is decoded, and every failure is a `FileError` that names the path.  Pixels come
as they are stored: no EXIF rotation, no colour profile, no rescaling.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Literal, TypeAlias, get_args

import numpy as np
import tifffile
from numpy.typing import NDArray

from das3d_aug._arguments import check_option
from das3d_aug.errors import FileError, ParameterError
from das3d_aug.files.decode import JPEG_SUFFIXES, read_image
from das3d_aug.files.limits import Array
from das3d_aug.files.palettes import Indexed
from das3d_aug.files.png_out import stored_png

__all__ = [
    "COMPRESSIONS",
    "Compression",
    "encode_depth",
    "encode_mask",
    "encode_png",
    "encode_tiff",
    "read_array",
    "read_colour",
    "read_plane",
    "read_rgb",
]

Compression: TypeAlias = Literal["none", "default", "small"]
"""How hard encoders of images try; what is read is the same."""

COMPRESSIONS: tuple[str, ...] = get_args(Compression)


def read_rgb(path: str | Path, *, data: bytes | None = None) -> NDArray[np.uint8]:
    """Read a colour image of 8 bits per channel: PNG, JPEG, PPM/PGM, BMP, TIFF.

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
    return read_colour(path, data=data)[0]


def read_colour(path: str | Path, *, data: bytes | None = None) -> tuple[NDArray[np.uint8], bool]:
    """Read a colour image as `read_rgb` does, and return also whether it is grey: stored as one channel."""
    image = read_image(Path(path), data=data)
    if isinstance(image, Indexed):
        return image.rgb, False
    if image.dtype != np.uint8:
        raise FileError(path, f"an 8-bit colour image is expected, this one is {image.dtype}; convert it first")
    grey = image.ndim == 2 or image.shape[2] < 3
    if grey:
        image = np.repeat((image if image.ndim == 2 else image[:, :, 0])[:, :, None], 3, axis=2)
    return np.ascontiguousarray(image[:, :, :3]), grey


def read_plane(path: str | Path, *, name: str | None = None, data: bytes | None = None) -> Array:
    """Read one plane of numbers (depth, mask) as stored: PNG, PGM, PFM, BMP, TIFF, EXR, npy or npz.

    Of a grey or coloured image, the plane is its first channel if the others are equal to it and alpha is constant.
    Of an image with a palette it is the grey levels, or the indices if colours are in the palette and 0 is black.

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
        As `read_rgb`; also if there is more than one plane, or for JPEG, which does not keep values.
    """
    path = Path(path)
    if path.suffix.lower() in JPEG_SUFFIXES:
        raise FileError(path, "JPEG does not keep depth or mask values; store a PNG or TIFF")
    image = read_image(path, name=name, data=data)
    if isinstance(image, Indexed):
        if image.plane is None:
            raise FileError(path, "one channel (H x W) is expected, it has a palette of colours; save it as grey")
        return image.plane
    if image.ndim == 2:
        return image
    colours = image.shape[2] - 1 if image.shape[2] in (2, 4) else image.shape[2]
    first, alpha = image[:, :, 0], image[:, :, colours:]
    if not (_same(image[:, :, 1:colours], first[:, :, None]) and _same(alpha, alpha[:1, :1])):
        raise FileError(
            path, f"one channel (H x W) is expected, got the shape {image.shape} with channels that differ; save one"
        )
    return np.ascontiguousarray(first)


def _same(some: Array, other: Array) -> bool:
    """Whether all are equal; NaN is equal to itself."""
    return bool(((some == other) | ((some != some) & (other != other))).all())


def read_array(path: str | Path, *, name: str | None = None) -> Array:
    """Read an organised point image (xyz) from TIFF, EXR, PFM, npy or npz.

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
    if isinstance(array, Indexed):
        raise FileError(path, "floats of shape H x W x 3 are expected, it has a palette of colours")
    if array.ndim != 3 or array.shape[2] != 3 or array.dtype.kind != "f":
        raise FileError(path, f"floats of shape H x W x 3 are expected, got {array.dtype} of shape {array.shape}")
    return array


def encode_png(array: Array, *, compression: Compression = "default") -> bytes:
    """Encode uint8 or uint16, H x W or H x W x 3 (RGB), as PNG; equal arrays give equal bytes.

    ``compression``: "none" stores the pixels as they are, a tenth of the time; "small" tries all filters for each row,
    1.4 times the time for up to a seventh less.
    """
    check_option("compression", compression, COMPRESSIONS)
    colour = array.ndim == 3 and array.shape[2] == 3
    if array.dtype not in (np.uint8, np.uint16) or not (array.ndim == 2 or colour) or not array.size:
        raise ParameterError(f"array must be uint8 or uint16, H x W (x 3), got {array.dtype} {array.shape}")
    if compression == "none":
        return stored_png(array)
    import cv2  # here, since loading it changes the environment of the process

    # Run lengths, as by default: matches farther away take five times as long, and noise has none.
    how = [cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE, cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_ALL_FILTERS]
    pixels = np.ascontiguousarray(array[:, :, ::-1] if colour else array)
    _, encoded = cv2.imencode(".png", pixels, how if compression == "small" else [])
    return encoded.tobytes()


def encode_depth(depth: Array, *, compression: Compression = "default") -> tuple[str, bytes]:
    """Encode depth as stored, H x W, and return its suffix: uint16 PNG, other integers TIFF, else float32 TIFF."""
    if depth.dtype == np.uint16:
        return ".png", encode_png(depth, compression=compression)
    numbers = depth if depth.dtype.kind in "ui" else depth.astype(np.float32)
    return ".tiff", encode_tiff(numbers, compress=compression == "small")


def encode_mask(mask: Array) -> bytes:
    """Encode H x W as PNG: 255 where it is not zero, else 0."""
    return encode_png((mask != 0).astype(np.uint8) * np.uint8(255))


def encode_tiff(array: Array, *, compress: bool = False) -> bytes:
    """Encode H x W or H x W x 3 as TIFF, without date or software name; equal arrays give equal bytes.

    ``compress`` packs it without loss by deflate after a predictor (of floats: TIFF's third); libtiff reads that, and
    tifffile if imagecodecs is installed.
    """
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
        compressionargs={"level": 1} if compress else None,  # 6: 1 % smaller, twice the time
        predictor=compress and array.dtype.kind + str(array.itemsize) not in ("i8", "u8"),  # TIFF has none for 64 bits
        maxworkers=1,  # no threads
        metadata=None,
        software=False,
    )
    return buffer.getvalue()
