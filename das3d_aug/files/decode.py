"""Decoding image and depth files that may be damaged or lying: from the name of a file to its decoder.

A decoder is given a `Source` and judges what is declared before it reads or decodes more than a header: sizes
against the limits and against the bytes that are there.  So a decompression bomb costs nothing, and every failure is
a `FileError` that names the path.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from das3d_aug.errors import FileError
from das3d_aug.files.exr import decode_exr
from das3d_aug.files.jpeg import decode_jpeg
from das3d_aug.files.limits import Array, Source, damage_named, opened
from das3d_aug.files.numpy_files import decode_npy, decode_npz
from das3d_aug.files.palettes import Indexed
from das3d_aug.files.plain import decode_bmp, decode_pfm, decode_pnm
from das3d_aug.files.png import decode_png
from das3d_aug.files.tiff import decode_tiff

__all__ = ["IMAGE_SUFFIXES", "JPEG_SUFFIXES", "read_image"]


class _Kind(NamedTuple):
    name: str
    magic: tuple[bytes, ...]
    decode: Callable[[Source], Array | Indexed]


_PNG = _Kind("PNG", (b"\x89PNG\r\n\x1a\n",), decode_png)
_JPEG = _Kind("JPEG", (b"\xff\xd8\xff",), decode_jpeg)
_PNM = _Kind("PNM", (b"P5", b"P6"), decode_pnm)
_PFM = _Kind("PFM", (b"Pf", b"PF"), decode_pfm)
_BMP = _Kind("BMP", (b"BM",), decode_bmp)
_TIFF = _Kind("TIFF", (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), decode_tiff)
_EXR = _Kind("EXR", (b"\x76\x2f\x31\x01",), decode_exr)
_NPY = _Kind("NPY", (b"\x93NUMPY",), decode_npy)
_NPZ = _Kind("NPZ", (b"PK\3\4",), decode_npz)
_KINDS = {
    **{".png": _PNG, ".jpg": _JPEG, ".jpeg": _JPEG, ".ppm": _PNM, ".pgm": _PNM, ".bmp": _BMP, ".pfm": _PFM},
    **{".tif": _TIFF, ".tiff": _TIFF, ".exr": _EXR, ".npy": _NPY, ".npz": _NPZ},
}

IMAGE_SUFFIXES = tuple(_KINDS)
"""The types of files that `read_image` reads."""

JPEG_SUFFIXES = (".jpg", ".jpeg")
"""Those of them that do not keep values."""


def read_image(path: Path, *, name: str | None = None, data: bytes | None = None) -> Array | Indexed:
    """Return the pixels as stored, H x W or H x W x C (RGB order), in new memory.

    ``name`` chooses among the arrays of an npz; ``data`` is what the file holds, if it is not to be read.
    """
    kind = _KINDS.get(path.suffix.lower())
    if kind is None:
        raise FileError(path, f"the type {path.suffix!r} is not read; use one of {', '.join(IMAGE_SUFFIXES)}")
    if data is not None:
        return _read(path, kind, Source(io.BytesIO(data)), name)
    with opened(path) as source:
        return _read(path, kind, source, name)


def _read(path: Path, kind: _Kind, source: Source, name: str | None) -> Array | Indexed:
    with damage_named(path, kind.name):
        start = source.head(8)
    if not start.startswith(kind.magic):
        if not start:
            raise FileError(path, "is empty, it has no byte")
        raise FileError(path, f"is not a {kind.name} file, though it is named {path.suffix}; it starts with {start!r}")
    with damage_named(path, kind.name):
        image = decode_npz(source, name=name) if kind is _NPZ else kind.decode(source)
    if isinstance(image, Indexed):
        return image
    if image.dtype.kind not in "buif" or image.size == 0:
        raise FileError(path, f"holds no image: {image.dtype} of shape {image.shape}")
    return np.ascontiguousarray(image, dtype=image.dtype.newbyteorder("="))
