"""Decoding PNG: its chunks are checked here, libpng decodes the pixels and notices when some are missing."""

from __future__ import annotations

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

from das3d_aug.files.limits import Array, Damaged, Source, allow, allow_packed, limits
from das3d_aug.files.palettes import Indexed

__all__ = ["decode_png"]

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_GREY, _RGB, _PALETTE, _GREY_ALPHA, _RGBA = 0, 2, 3, 4, 6
_CHANNELS = {_GREY: 1, _RGB: 3, _PALETTE: 1, _GREY_ALPHA: 2, _RGBA: 4}
_DEPTHS = {_GREY: (1, 2, 4, 8, 16), _RGB: (8, 16), _PALETTE: (1, 2, 4, 8), _GREY_ALPHA: (8, 16), _RGBA: (8, 16)}


def decode_png(source: Source) -> Array | Indexed:
    """Decode a PNG; its other chunks (rotation, transparent colour, profile) are checked and left out."""
    header = source.at(8, 21)
    length, name, width, height, depth, colour, *rest = struct.unpack(">I4sIIBBBBB", header)
    if (length, name) != (13, b"IHDR") or depth not in _DEPTHS.get(colour, ()) or rest[:2] != [0, 0] or rest[2] > 1:
        raise Damaged("the header is not valid")
    allow(height, width)
    raw = height * (1 + (width * depth * _CHANNELS[colour] + 7) // 8)
    most = raw * 5 // 4 + 2 * height + 2**16  # deflate may lengthen noise by an eighth, interlacing has more rows
    kept = _critical(source.whole(pixels=most))
    stream = sum(len(chunk) - 12 for chunk in kept[b"IDAT"])
    if stream > most:
        raise Damaged(f"the compressed data is larger than declared: {stream} bytes for {height} x {width} pixels")
    allow_packed(stream, height * width * depth * _CHANNELS[colour] // 8)
    import imagecodecs  # here, since it is large

    begin = kept[b"IHDR"]
    if colour == _PALETTE:  # decoded as grey, which gives the indices
        begin = [_chunk(b"IHDR", header[8:17] + bytes([_GREY]) + header[18:])]
    whole = b"".join([_SIGNATURE, *begin, *kept[b"IDAT"], *kept[b"IEND"]])
    try:
        image: Array = imagecodecs.png_decode(whole)
    except imagecodecs.PngError as error:
        raise Damaged(f"its pixels are cut short or not valid ({error})") from error
    if image.shape[:2] != (height, width):
        raise Damaged(f"{height} x {width} pixels are declared, {image.shape[:2]} came")
    if colour != _PALETTE:
        return image
    palette = _palette(kept[b"PLTE"])
    return Indexed(image // (255 // (2**depth - 1)) if depth < 8 else image, palette)


def _critical(data: bytes) -> dict[bytes, list[memoryview | bytes]]:
    """Return the chunks that make the image by their names, whole, having compared all checksums."""
    view = memoryview(data)
    kept: dict[bytes, list[memoryview | bytes]] = {name: [] for name in (b"IHDR", b"PLTE", b"IDAT", b"IEND")}
    position, most = len(_SIGNATURE), limits().parts
    for _ in range(most):
        if position + 12 > len(view):
            raise Damaged("it is cut short (no IEND chunk)")
        length, name = struct.unpack_from(">I4s", view, position)
        end = position + 12 + length
        if end > len(view):
            raise Damaged("it is cut short (a chunk ends past the end of the file)")
        if zlib.crc32(view[position + 4 : end - 4]) != int.from_bytes(view[end - 4 : end]):
            raise Damaged(f"the checksum of chunk {name!r} is wrong")
        if name in kept:
            kept[name].append(view[position:end])
        if name == b"IEND":
            return kept
        position = end
    raise Damaged(f"it has more than {most} chunks")


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def _palette(chunks: list[memoryview | bytes]) -> NDArray[np.uint8]:
    body = bytes(chunks[0][8:-4]) if len(chunks) == 1 else b""
    if not 0 < len(body) <= 768 or len(body) % 3:
        raise Damaged("it has no palette")
    return np.frombuffer(body.ljust(768, b"\0"), np.uint8).reshape(256, 3)
