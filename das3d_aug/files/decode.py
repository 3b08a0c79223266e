"""Decoding image and depth files that may be damaged or lying.

A file is judged before a decoder sees it: the magic bytes must agree with the extension, the declared size
must be at most `MAX_PIXELS`, and the container must be complete (PNG checksums, TIFF segments, array sizes).
So a decompression bomb costs nothing, OpenCV has nothing to complain about, and every failure is a
`FileError` that names the path.
"""

from __future__ import annotations

import contextlib
import io
import logging
import math
import re
import stat
import struct
import threading
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from das3d_aug.errors import FileError

__all__ = [
    "KINDS",
    "MAX_BYTES",
    "MAX_PIXELS",
    "Array",
    "Damaged",
    "allow",
    "damage_named",
    "read_bytes",
    "read_image",
]

MAX_PIXELS = 2**26
"""The largest declared image, in pixels, that is decoded (8192 x 8192)."""

MAX_BYTES = MAX_PIXELS * 24 + 2**20
"""The largest file that is read: three float64 channels and a header."""

Array = NDArray[Any]

KINDS = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".ppm": "PNM",
    ".pgm": "PNM",
    ".bmp": "BMP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".npy": "NPY",
    ".npz": "NPZ",
}
_MAGIC = {
    "PNG": (b"\x89PNG\r\n\x1a\n",),
    "JPEG": (b"\xff\xd8\xff",),
    "PNM": (b"P5", b"P6"),
    "BMP": (b"BM",),
    "TIFF": (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
    "NPY": (b"\x93NUMPY",),
    "NPZ": (b"PK\3\4",),
}


class Damaged(Exception):
    """What is wrong with the bytes at hand; `damage_named` adds the path."""


@contextlib.contextmanager
def damage_named(path: Path, kind: str) -> Iterator[None]:
    """Turn whatever a decoder of ``kind`` raises into a `FileError`."""
    try:
        yield
    except Damaged as error:
        raise FileError(path, f"damaged or unusual {kind}: {error}") from error
    except Exception as error:  # the decoders promise no family of errors for damaged input
        reason = (str(error).splitlines() or [""])[0]
        raise FileError(path, f"damaged {kind}: {type(error).__name__} {reason}") from error


def read_bytes(path: Path, *, limit: int = MAX_BYTES) -> bytes:
    """Return what a regular file of at most ``limit`` bytes holds."""
    try:
        about = path.stat()
        if not stat.S_ISREG(about.st_mode):
            raise FileError(path, "is not a file")
        if about.st_size > limit:
            raise FileError(path, f"holds {about.st_size} bytes; at most {limit} are read")
        return path.read_bytes()
    except OSError as error:
        raise FileError(path, f"cannot be read: {error.strerror}") from error


def read_image(path: Path, *, name: str | None = None, data: bytes | None = None) -> Array:
    """Return the pixels as stored, H x W or H x W x C (RGB order).

    ``name`` chooses among the arrays of an npz; ``data`` is what the file holds, if it is not to be read.
    """
    kind = KINDS.get(path.suffix.lower())
    if kind is None:
        raise FileError(path, f"the type {path.suffix!r} is not read; use one of {', '.join(KINDS)}")
    if data is None:
        data = read_bytes(path)
    if not data.startswith(_MAGIC[kind]):
        raise FileError(path, f"is not a {kind} file, though it is named {path.suffix}; it starts with {data[:8]!r}")
    with damage_named(path, kind):
        array = _npz(data, name) if kind == "NPZ" else _DECODERS[kind](data)
    if array.dtype.kind not in "buif" or array.size == 0:
        raise FileError(path, f"holds no image: {array.dtype} of shape {array.shape}")
    array = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("="))
    return array if array.flags.writeable else array.copy()


def allow(height: int, width: int) -> None:
    """Refuse what declares no pixel or more than `MAX_PIXELS`."""
    if not 0 < height * width <= MAX_PIXELS:
        raise Damaged(f"{height} x {width} pixels are declared, 1 … {MAX_PIXELS} are read")


def _inflate(data: bytes, limit: int) -> bytes:
    """Decompress one whole zlib stream of at most ``limit`` bytes."""
    stream = zlib.decompressobj()
    plain = stream.decompress(data, limit + 1)
    if len(plain) > limit:
        raise Damaged("the compressed data is larger than declared")
    if not stream.eof:
        raise Damaged("the compressed data is cut short")
    return plain


def _opencv(data: bytes) -> Array:
    import cv2

    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if image is None:
        raise Damaged("OpenCV cannot decode it")
    return image if image.ndim == 2 else image[:, :, [2, 1, 0, 3][: image.shape[2]]]


def _png(data: bytes) -> Array:
    """Check every chunk and the pixel stream, then hand OpenCV the critical chunks only.

    The others would rotate the image (eXIf), add an alpha channel (tRNS) or make libpng print (iCCP).
    """
    kept: dict[bytes, bytes] = {}
    position = 8
    while b"IEND" not in kept:
        if position + 12 > len(data):
            raise Damaged("it is cut short (no IEND chunk)")
        length, name = struct.unpack_from(">I4s", data, position)
        body = data[position + 8 : position + 8 + length]
        position += 12 + length
        if position > len(data):
            raise Damaged("it is cut short (a chunk ends past the end of the file)")
        if zlib.crc32(name + body) != struct.unpack_from(">I", data, position - 4)[0]:
            raise Damaged(f"the checksum of chunk {name!r} is wrong")
        if name in (b"IHDR", b"PLTE", b"IDAT", b"IEND"):
            kept[name] = kept.get(name, b"") + body
    width, height, depth, colour, method, filtering, interlace = struct.unpack(">IIBBBBB", kept[b"IHDR"])
    allow(height, width)
    depths = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
    if depth not in depths.get(colour, ()) or method or filtering or interlace > 1:
        raise Damaged("the header is not valid")
    if colour == 3 and not 0 < len(kept.get(b"PLTE", b"")) <= 768:
        raise Damaged("it has no palette")
    # Adam7: (x0, y0, dx, dy) of the seven passes
    adam7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
    bits = depth * {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
    passes = []
    for x, y, dx, dy in adam7 if interlace else ((0, 0, 1, 1),):
        columns, rows = max(0, -((x - width) // dx)), max(0, -((y - height) // dy))
        if columns and rows:
            passes.append((rows, 1 + (columns * bits + 7) // 8))
    size = sum(rows * stride for rows, stride in passes)
    plain = _inflate(kept[b"IDAT"], size)
    if len(plain) < size:
        raise Damaged("it is cut short (fewer rows than declared)")
    start = 0
    for rows, stride in passes:
        filters = np.frombuffer(plain, np.uint8, rows * stride, start)[::stride]
        if filters.max() > 4:
            raise Damaged("a row has an unknown filter")
        start += rows * stride
    clean = [_MAGIC["PNG"][0]]
    for name in (b"IHDR", b"PLTE", b"IDAT", b"IEND"):
        if name in kept and (name != b"PLTE" or colour == 3):
            body = kept[name]
            clean += [struct.pack(">I", len(body)), name, body, struct.pack(">I", zlib.crc32(name + body))]
    return _opencv(b"".join(clean))


def _jpeg(data: bytes) -> Array:
    position, size = 2, None
    while True:
        marker, code, length = struct.unpack_from(">BBH", data, position)
        if marker != 0xFF:
            raise Damaged(f"a marker is expected at byte {position}")
        if code == 0xFF:  # fill byte
            position += 1
            continue
        if 0xC0 <= code <= 0xCF and code not in (0xC4, 0xC8, 0xCC):
            precision, *size, channels = struct.unpack_from(">BHHB", data, position + 4)
            allow(*size)
            if precision != 8 or channels not in (1, 3):
                raise Damaged(f"{channels} channels of {precision} bits; 1 or 3 of 8 bits are read")
        position += 2 + length
        if code == 0xDA:
            break
    if size is None or data.find(b"\xff\xd9", position) < 0:
        raise Damaged("it is cut short (no end-of-image marker)")
    return _opencv(data)


def _pnm(data: bytes) -> Array:
    gap = rb"(?:\s|#[^\n]*\n)+"
    header = re.match(rb"P([56])" + (gap + rb"(\d{1,9})") * 3 + rb"\s", data)
    if header is None:
        raise Damaged("the header is not valid")
    kind, width, height, largest = (int(field) for field in header.groups())
    allow(height, width)
    if not (255 <= largest <= 65535 or (kind == 5 and largest > 0)):
        raise Damaged(f"the largest value {largest} is declared; 255 … 65535 are read")
    shape = (height, width) if kind == 5 else (height, width, 3)
    dtype = np.dtype(">u2" if largest > 255 else "u1")
    return np.frombuffer(data, dtype, math.prod(shape), header.end()).reshape(shape)


def _bmp(data: bytes) -> Array:
    start, header, width, height, planes, bits, compression = struct.unpack_from("<IIiiHHI", data, 10)
    allow(abs(height), width)
    if header < 40 or planes != 1 or bits not in (8, 24, 32) or compression not in (0, 3):
        raise Damaged("only uncompressed BMP of 8, 24 or 32 bits is read")
    if start < 14 + header or start + (width * bits + 31) // 32 * 4 * abs(height) > len(data):
        raise Damaged("it is cut short")
    return _opencv(data)


@contextlib.contextmanager
def _hushed() -> Iterator[None]:
    """Keep tifffile's log of this thread quiet: what matters of it becomes a `FileError`."""
    thread = threading.get_ident()
    logger = logging.getLogger("tifffile")

    def other_thread(record: logging.LogRecord) -> bool:
        return record.thread != thread

    logger.addFilter(other_thread)
    try:
        yield
    finally:
        logger.removeFilter(other_thread)


def _tiff(data: bytes) -> Array:
    with _hushed(), tifffile.TiffFile(io.BytesIO(data)) as tiff:
        series = tiff.series[0]
        shape = tuple(series.shape)
        planar = len(shape) == 3 and series.axes[0] == "S"
        height, width, channels = (*shape[1:], shape[0]) if planar else (*shape, 1)[:3]
        if len(shape) not in (2, 3) or channels > 4:
            raise Damaged(f"one image is expected, got the shape {shape}")
        allow(height, width)
        for page in series.pages:
            _check_segments(page, data)
        image: Array = series.asarray(maxworkers=1)  # no threads: safe before a fork
    return np.moveaxis(image, 0, 2) if planar else image


def _check_segments(page: Any, data: bytes) -> None:
    """Check that a page's strips or tiles lie in the file and inflate to no more than is declared."""
    if page.compression not in (1, 8, 32946):
        raise Damaged(f"the compression {page.compression!r} is not read; save it uncompressed or as deflate")
    limit = math.prod(page.chunks) * page.dtype.itemsize
    total = 0
    for start, length in zip(page.dataoffsets, page.databytecounts, strict=True):
        if not 0 < start < start + length <= len(data):
            raise Damaged("a strip lies past the end of the file")
        total += length if page.compression == 1 else len(_inflate(data[start : start + length], limit))
    if total < page.nbytes:
        raise Damaged(f"its strips hold {total} bytes, {page.nbytes} are declared")


def _npy_header(stream: Any) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = np.lib.format.read_magic(stream)
    if version == (1, 0):
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream)
    elif version == (2, 0):
        shape, fortran, dtype = np.lib.format.read_array_header_2_0(stream)
    else:
        raise Damaged(f"the format version {version} is not read")
    if dtype.kind not in "buif":
        raise Damaged(f"it holds {dtype}, not numbers")
    if len(shape) not in (2, 3) or (len(shape) == 3 and shape[2] not in (1, 3, 4)):
        raise Damaged(f"an image is expected, got the shape {shape}")
    allow(shape[0], shape[1])
    return shape, fortran, dtype


def _npy(data: bytes) -> Array:
    stream = io.BytesIO(data)
    shape, fortran, dtype = _npy_header(stream)
    start = stream.tell()
    if len(data) - start != math.prod(shape) * dtype.itemsize:
        raise Damaged(f"it holds {len(data) - start} bytes, the header declares {shape} of {dtype}")
    return np.frombuffer(data, dtype, offset=start).reshape(shape, order="F" if fortran else "C")


def _npz(data: bytes, name: str | None) -> Array:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = archive.infolist()
        if len(members) > 1:
            members = [member for member in members if member.filename == f"{name}.npy"]
        if len(members) != 1:
            names = ", ".join(repr(stored.removesuffix(".npy")) for stored in archive.namelist()[:20])
            expected = "one array" if name is None else f"one array, or one named {name!r},"
            raise Damaged(f"{expected} is expected, it holds {names or 'none'}")
        member = members[0]
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) or member.file_size > MAX_BYTES:
            raise Damaged(f"the member {member.filename!r} is too large or compressed in an unusual way")
        with archive.open(member) as stream:
            _npy_header(stream)  # refuses a bomb before the array is inflated
        return _npy(archive.read(member))


_DECODERS: dict[str, Callable[[bytes], Array]] = {
    "PNG": _png,
    "JPEG": _jpeg,
    "PNM": _pnm,
    "BMP": _bmp,
    "TIFF": _tiff,
    "NPY": _npy,
}
