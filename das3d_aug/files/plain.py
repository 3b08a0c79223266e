"""Decoding formats of a header and plain numbers: PGM and PPM, PFM, BMP."""

from __future__ import annotations

import math
import re
import struct

import numpy as np

from das3d_aug.files.limits import Array, Damaged, Source, allow, limits

__all__ = ["decode_bmp", "decode_pfm", "decode_pnm"]

_GAP = rb"(?:\s|#[^\n]*\n)++"


def decode_pnm(source: Source) -> Array:
    """Decode binary PGM (P5) or PPM (P6) of 8 or 16 bits."""
    header = re.match(rb"P([56])" + (_GAP + rb"(\d{1,9})") * 3 + rb"\s", source.head(limits().header_bytes))
    if header is None:
        raise Damaged("the header is not valid")
    kind, width, height, largest = (int(field) for field in header.groups())
    allow(height, width)
    if not (255 <= largest <= 65535 or (kind == 5 and largest > 0)):
        raise Damaged(f"the largest value {largest} is declared; 255 … 65535 are read")
    shape = (height, width) if kind == 5 else (height, width, 3)
    return source.array(header.end(), shape, np.dtype(">u2" if largest > 255 else "u1"))


def decode_pfm(source: Source) -> Array:
    """Decode a portable float map, grey (Pf) or of three channels (PF); its rows are stored from the bottom up.

    The sign of the scale gives the byte order.  Its size is a unit that nobody agrees on; the numbers come as stored.
    """
    header = re.match(rb"P([fF])\s+(\d{1,9})\s+(\d{1,9})\s+([-+.\deE]{1,30})\s", source.head(limits().header_bytes))
    if header is None:
        raise Damaged("the header is not valid")
    width, height, scale = int(header[2]), int(header[3]), float(header[4])
    allow(height, width)
    if scale == 0 or not math.isfinite(scale):
        raise Damaged(f"the scale {scale} is declared, which has no sign")
    shape = (height, width) if header[1] == b"f" else (height, width, 3)
    return source.array(header.end(), shape, np.dtype("<f4" if scale < 0 else ">f4"))[::-1]


def decode_bmp(source: Source) -> Array:
    """Decode an uncompressed BMP of 8, 24 or 32 bits with OpenCV."""
    start, header, width, height, planes, bits, compression = struct.unpack("<IIiiHHI", source.at(10, 24))
    allow(abs(height), width)
    if header < 40 or planes != 1 or bits not in (8, 24, 32) or compression not in (0, 3):
        raise Damaged("only uncompressed BMP of 8, 24 or 32 bits is read")
    (colours,) = struct.unpack("<I", source.at(46, 4))
    if colours > 256:
        raise Damaged(f"a palette of {colours} colours is declared")
    size = (width * bits + 31) // 32 * 4 * abs(height)
    if start < 14 + header or start + size > source.size:
        raise Damaged("it is cut short")
    import cv2

    image = cv2.imdecode(np.frombuffer(source.whole(pixels=size), np.uint8), cv2.IMREAD_UNCHANGED)
    if image is None:
        raise Damaged("OpenCV cannot decode it")
    return image if image.ndim == 2 else cv2.cvtColor(image[:, :, :3], cv2.COLOR_BGR2RGB)
