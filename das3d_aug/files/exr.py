"""Decoding OpenEXR: one part of scan lines, uncompressed or ZIP, which renderers and simulators write for depth.

The format: https://openexr.com/en/latest/OpenEXRFileLayout.html.  All numbers are little-endian; within a line, the
channels follow each other in the order of their names.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

import numpy as np

from das3d_aug.files.limits import Array, Damaged, Source, allow, allow_packed, limits

__all__ = ["decode_exr"]

_TILED, _DEEP, _PARTS = 0x200, 0x800, 0x1000
_NO_COMPRESSION, _ZIPS, _ZIP = 0, 2, 3
_NAMES = ("none", "RLE", "ZIPS", "ZIP", "PIZ", "PXR24", "B44", "B44A", "DWAA", "DWAB")
_LINES = {_NO_COMPRESSION: 1, _ZIPS: 1, _ZIP: 16}
_TYPES = ("<u4", "<f2", "<f4")


class _Header(NamedTuple):
    """The names and the types of the channels, the first line and the size, and where the header ends."""

    channels: dict[str, np.dtype[np.generic]]
    compression: int
    top: int
    height: int
    width: int
    end: int


def decode_exr(source: Source) -> Array:
    """Decode one channel as H x W, or X, Y, Z or R, G, B (without A) as H x W x 3."""
    header = _header(source.head(limits().header_bytes))
    height, width, lines = header.height, header.width, _LINES[header.compression]
    wanted = _wanted(list(header.channels))
    dtype = np.result_type(*(header.channels[name] for name in wanted))
    row = np.dtype([(name, kind, (width,)) for name, kind in header.channels.items()])
    blocks = -(-height // lines)
    if blocks > limits().parts or row.itemsize * height > limits().bytes:
        raise Damaged(f"{blocks} blocks of {lines} lines of {row.itemsize} bytes are declared, too many")
    allow_packed(source.size, row.itemsize * height)
    offsets = struct.unpack(f"<{blocks}Q", source.at(header.end, 8 * blocks))
    image = np.empty((height, width, len(wanted)), dtype)
    missing = np.ones(blocks, bool)
    for offset in offsets:
        y, size = struct.unpack("<iI", source.at(offset, 8))
        first = y - header.top
        if first % lines or not 0 <= first < height or not missing[first // lines]:
            raise Damaged(f"a block of the lines from {y} is not expected")
        missing[first // lines] = False
        count = min(lines, height - first)
        table = np.frombuffer(_plain(source.at(offset + 8, size), row.itemsize * count), row)
        for k, name in enumerate(wanted):
            image[first : first + count, :, k] = table[name]
    return image if len(wanted) > 1 else image[:, :, 0]


def _header(data: bytes) -> _Header:
    (version,) = struct.unpack_from("<I", data, 4)
    if version & 0xFF != 2 or version & (_TILED | _DEEP | _PARTS):
        raise Damaged("only one part of scan lines of version 2 is read, no tiles, parts or deep pixels")
    values, position = {}, 8
    for _ in range(limits().segments):
        name, position = _text(data, position)
        if not name:
            break
        _, position = _text(data, position)
        (size,) = struct.unpack_from("<I", data, position)
        values[name] = data[position + 4 : position + 4 + size]
        position += 4 + size
        if position > len(data):
            raise Damaged(f"its header does not end within {len(data)} bytes")
    else:
        raise Damaged(f"its header has more than {limits().segments} attributes")
    if lacking := {"channels", "compression", "dataWindow"} - values.keys():
        raise Damaged(f"its header has no {min(lacking)}")
    left, top, right, bottom = struct.unpack("<4i", values["dataWindow"])
    allow(bottom - top + 1, right - left + 1)
    (compression,) = values["compression"]
    if compression not in _LINES:
        raise Damaged(
            f"the compression {dict(enumerate(_NAMES)).get(compression, compression)} is not read; save as ZIP"
        )
    return _Header(_channels(values["channels"]), compression, top, bottom - top + 1, right - left + 1, position)


def _channels(data: bytes) -> dict[str, np.dtype[np.generic]]:
    found: dict[str, np.dtype[np.generic]] = {}
    position = 0
    while True:
        name, position = _text(data, position)
        if not name:
            return found
        kind, _, across, down = struct.unpack_from("<IIii", data, position)
        if kind >= len(_TYPES) or (across, down) != (1, 1) or name in found:
            raise Damaged(f"the channel {name!r} is of an unknown type, twice there, or of fewer pixels")
        found[name] = np.dtype(_TYPES[kind])
        position += 16


def _text(data: bytes, start: int) -> tuple[str, int]:
    """Return a text that a zero ends, and the place behind it."""
    end = data.index(b"\0", start, start + 256)
    return data[start:end].decode("latin-1"), end + 1


def _wanted(names: list[str]) -> list[str]:
    for three in (["X", "Y", "Z"], ["R", "G", "B"]):
        if set(three) <= set(names) <= {*three, "A"}:
            return three
    if len(names) != 1:
        raise Damaged(f"one channel, X Y Z or R G B is expected, it has {', '.join(map(repr, names[:20])) or 'none'}")
    return names


def _plain(data: bytes, size: int) -> bytes:
    """Return the bytes of a block: those of no use to compress are stored as they are."""
    if len(data) >= size:
        if len(data) > size:
            raise Damaged(f"a block holds {len(data)} bytes, {size} are declared")
        return data
    import imagecodecs  # here, since it is large

    steps = np.frombuffer(imagecodecs.deflate_decode(data, out=bytearray(size)), np.uint8)
    if steps.size != size:
        raise Damaged(f"a block holds {steps.size} bytes, {size} are declared")
    # Each byte was stored as its difference from the one before, and 128; the even bytes stand before the odd ones.
    steps[1:] -= np.uint8(128)
    summed = np.add.accumulate(steps, dtype=np.uint8)
    plain = np.empty(size, np.uint8)
    half = (size + 1) // 2
    plain[::2], plain[1::2] = summed[:half], summed[half:]
    return plain.tobytes()
