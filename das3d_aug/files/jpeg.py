"""Decoding JPEG: its segments are checked here, OpenCV decodes the pixels."""

from __future__ import annotations

import struct

import numpy as np

from das3d_aug.files.limits import Array, Damaged, Source, allow, limits

__all__ = ["decode_jpeg"]

_START_OF_SCAN, _END = 0xDA, b"\xff\xd9"
_NO_FRAMES = (0xC4, 0xC8, 0xCC)  # among 0xC0 … 0xCF, which otherwise declare a size
_MOST_BYTES = 2  # of a number; noise at quality 100 takes 1.3
_ARITHMETIC = 0xC9  # and above: a block may take less than a bit


def decode_jpeg(source: Source) -> Array:
    """Decode a baseline or progressive JPEG as stored, whatever rotation its EXIF asks for."""
    scans, coding, size = _first_scan(source)
    height, width, channels = size
    blocks = -(-height // 8) * -(-width // 8)
    if coding < _ARITHMETIC and 8 * (source.size - scans) < blocks:
        raise Damaged(
            f"it is cut short: {source.size - scans} bytes are no {height} x {width} pixels that are declared"
        )
    data = source.whole(pixels=height * width * channels * _MOST_BYTES)
    count, most = data.count(bytes([0xFF, _START_OF_SCAN]), scans), limits().scans
    if count >= most:
        raise Damaged(f"it has {count + 1} scans; at most {most} are read")
    if data.rfind(_END, scans) < 0:
        raise Damaged("it is cut short (no end-of-image marker)")
    import cv2

    flags = cv2.IMREAD_GRAYSCALE if channels == 1 else cv2.IMREAD_COLOR_RGB
    image = cv2.imdecode(np.frombuffer(data, np.uint8), flags | cv2.IMREAD_IGNORE_ORIENTATION)
    if image is None or image.shape[:2] != (height, width):
        raise Damaged("OpenCV cannot decode it")
    return image


def _first_scan(source: Source) -> tuple[int, int, tuple[int, int, int]]:
    """Return where the first scan begins, the code of the frame, and height, width and channels."""
    position, frame, size = 2, 0, None
    most = limits()
    for _ in range(most.segments):
        marker, code, length = struct.unpack(">BBH", source.at(position, 4))
        if marker != 0xFF or length < 2:
            raise Damaged(f"a marker is expected at byte {position}")
        if code == 0xFF:  # fill byte
            position += 1
            continue
        if 0xC0 <= code <= 0xCF and code not in _NO_FRAMES:
            precision, height, width, channels = struct.unpack(">BHHB", source.at(position + 4, 6))
            allow(height, width)
            if precision != 8 or channels not in (1, 3):
                raise Damaged(
                    f"{channels} channels of {precision} bits; 1 or 3 of 8 bits are read, save it as grey or RGB"
                )
            frame, size = code, (height, width, channels)
        position += 2 + length
        if code == _START_OF_SCAN:
            if size is None:
                raise Damaged("it declares no size")
            return position, frame, size
    raise Damaged(f"it has more than {most.segments} segments before its pixels")
