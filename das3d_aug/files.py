"""Reading image and depth files that may be damaged or lying, and writing files that are whole or absent.

A file is judged before a decoder sees it: the magic bytes must agree with the extension, the declared size
must be at most `MAX_PIXELS`, and the container must be complete (PNG checksums, TIFF segments, array sizes).
So a decompression bomb costs nothing, OpenCV has nothing to complain about, and every failure is a
`FileError` that names the path.  Pixels come as they are stored: no EXIF rotation, no colour profile, no
rescaling.
"""

from __future__ import annotations

import contextlib
import io
import logging
import math
import os
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

from das3d_aug.errors import FileError, ParameterError

__all__ = [
    "MAX_PIXELS",
    "contained",
    "encode_png",
    "encode_tiff",
    "read_array",
    "read_plane",
    "read_rgb",
    "sweep_partials",
    "write_atomic",
]

MAX_PIXELS = 2**26
"""The largest declared image, in pixels, that is decoded (8192 x 8192)."""

Array = NDArray[Any]

_MAX_BYTES = MAX_PIXELS * 24 + 2**20  # three float64 channels and a header
_KINDS = {
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
_PARTIAL = re.compile(r"\..+\.[0-9]+\.partial")


def read_rgb(path: str | Path) -> NDArray[np.uint8]:
    """Read a colour image: PNG, JPEG, PPM/PGM, BMP or TIFF of 8 bits per channel.

    Returns
    -------
    numpy.ndarray
        uint8, H x W x 3, RGB.  Grey is repeated, alpha is dropped.

    Raises
    ------
    FileError
        If the file is missing, damaged, too large, not of its extension's type, or not of 8 bits.
    """
    image = _read(Path(path))
    if image.dtype != np.uint8:
        raise FileError(path, f"an 8-bit colour image is expected, this one is {image.dtype}; convert it first")
    if image.ndim == 2:
        image = np.repeat(image[:, :, None], 3, axis=2)
    if image.ndim != 3 or image.shape[2] not in (3, 4):
        raise FileError(path, f"a grey, RGB or RGBA image is expected, got the shape {image.shape}")
    return np.ascontiguousarray(image[:, :, :3])


def read_plane(path: str | Path) -> Array:
    """Read one plane of numbers (depth, mask) as stored: PNG, PGM, BMP, TIFF, npy, or npz with one array.

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
    if _KINDS.get(path.suffix.lower()) == "JPEG":
        raise FileError(path, "JPEG does not keep depth or mask values; store a PNG or TIFF")
    plane = _read(path)
    if plane.ndim == 3 and plane.shape[2] == 1:
        plane = plane[:, :, 0]
    if plane.ndim != 2:
        raise FileError(path, f"one channel (H x W) is expected, got the shape {plane.shape}")
    return plane


def read_array(path: str | Path) -> Array:
    """Read an organised point image (xyz) from TIFF, npy or npz.

    Returns
    -------
    numpy.ndarray
        H x W x 3, float of the stored width, native byte order.

    Raises
    ------
    FileError
        As `read_rgb`; also if the shape is not H x W x 3 or the numbers are not floating-point.
    """
    array = _read(Path(path))
    if array.ndim != 3 or array.shape[2] != 3 or array.dtype.kind != "f":
        raise FileError(path, f"floats of shape H x W x 3 are expected, got {array.dtype} of shape {array.shape}")
    return array


def write_atomic(path: str | Path, data: bytes) -> None:
    """Write a file so that it is whole or absent: beside it first, then renamed over it.

    Missing parent folders are made.  A kill may leave ``.<name>.<pid>.partial``; see `sweep_partials`.

    Raises
    ------
    FileError
        If it cannot be written (full disk, no permission).  An older file of that name is left as it was.
    """
    path = Path(path)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(data)
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


class _Damaged(Exception):
    """What is wrong with the bytes at hand; `_read` adds the path."""


def _read(path: Path) -> Array:
    """Return the pixels as stored, H x W or H x W x C (RGB order)."""
    kind = _KINDS.get(path.suffix.lower())
    if kind is None:
        raise FileError(path, f"the type {path.suffix!r} is not read; use one of {', '.join(_KINDS)}")
    try:
        about = path.stat()
        if not stat.S_ISREG(about.st_mode):
            raise FileError(path, "is not a file")
        if about.st_size > _MAX_BYTES:
            raise FileError(path, f"holds {about.st_size} bytes; at most {_MAX_BYTES} are read")
        data = path.read_bytes()
    except OSError as error:
        raise FileError(path, f"cannot be read: {error.strerror}") from error
    if not data.startswith(_MAGIC[kind]):
        raise FileError(path, f"is not a {kind} file, though it is named {path.suffix}; it starts with {data[:8]!r}")
    try:
        array = _DECODERS[kind](data)
    except _Damaged as error:
        raise FileError(path, f"damaged or unusual {kind}: {error}") from error
    except Exception as error:  # the decoders promise no family of errors for damaged input
        reason = (str(error).splitlines() or [""])[0]
        raise FileError(path, f"damaged {kind}: {type(error).__name__} {reason}") from error
    if array.dtype.kind not in "buif" or array.size == 0:
        raise FileError(path, f"holds no image: {array.dtype} of shape {array.shape}")
    array = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("="))
    return array if array.flags.writeable else array.copy()


def _allow(height: int, width: int) -> None:
    if not 0 < height * width <= MAX_PIXELS:
        raise _Damaged(f"{height} x {width} pixels are declared, 1 … {MAX_PIXELS} are read")


def _inflate(data: bytes, limit: int) -> bytes:
    """Decompress one whole zlib stream of at most ``limit`` bytes."""
    stream = zlib.decompressobj()
    plain = stream.decompress(data, limit + 1)
    if len(plain) > limit:
        raise _Damaged("the compressed data is larger than declared")
    if not stream.eof:
        raise _Damaged("the compressed data is cut short")
    return plain


def _opencv(data: bytes) -> Array:
    import cv2

    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if image is None:
        raise _Damaged("OpenCV cannot decode it")
    return image if image.ndim == 2 else image[:, :, [2, 1, 0, 3][: image.shape[2]]]


def _png(data: bytes) -> Array:
    """Check every chunk and the pixel stream, then hand OpenCV the critical chunks only.

    The others would rotate the image (eXIf), add an alpha channel (tRNS) or make libpng print (iCCP).
    """
    kept: dict[bytes, bytes] = {}
    position = 8
    while b"IEND" not in kept:
        if position + 12 > len(data):
            raise _Damaged("it is cut short (no IEND chunk)")
        length, name = struct.unpack_from(">I4s", data, position)
        body = data[position + 8 : position + 8 + length]
        position += 12 + length
        if position > len(data):
            raise _Damaged("it is cut short (a chunk ends past the end of the file)")
        if zlib.crc32(name + body) != struct.unpack_from(">I", data, position - 4)[0]:
            raise _Damaged(f"the checksum of chunk {name!r} is wrong")
        if name in (b"IHDR", b"PLTE", b"IDAT", b"IEND"):
            kept[name] = kept.get(name, b"") + body
    width, height, depth, colour, method, filtering, interlace = struct.unpack(">IIBBBBB", kept[b"IHDR"])
    _allow(height, width)
    depths = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
    if depth not in depths.get(colour, ()) or method or filtering or interlace > 1:
        raise _Damaged("the header is not valid")
    if colour == 3 and not 0 < len(kept.get(b"PLTE", b"")) <= 768:
        raise _Damaged("it has no palette")
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
        raise _Damaged("it is cut short (fewer rows than declared)")
    start = 0
    for rows, stride in passes:
        filters = np.frombuffer(plain, np.uint8, rows * stride, start)[::stride]
        if filters.max() > 4:
            raise _Damaged("a row has an unknown filter")
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
            raise _Damaged(f"a marker is expected at byte {position}")
        if code == 0xFF:  # fill byte
            position += 1
            continue
        if 0xC0 <= code <= 0xCF and code not in (0xC4, 0xC8, 0xCC):
            precision, *size, channels = struct.unpack_from(">BHHB", data, position + 4)
            _allow(*size)
            if precision != 8 or channels not in (1, 3):
                raise _Damaged(f"{channels} channels of {precision} bits; 1 or 3 of 8 bits are read")
        position += 2 + length
        if code == 0xDA:
            break
    if size is None or data.find(b"\xff\xd9", position) < 0:
        raise _Damaged("it is cut short (no end-of-image marker)")
    return _opencv(data)


def _pnm(data: bytes) -> Array:
    gap = rb"(?:\s|#[^\n]*\n)+"
    header = re.match(rb"P([56])" + (gap + rb"(\d{1,9})") * 3 + rb"\s", data)
    if header is None:
        raise _Damaged("the header is not valid")
    kind, width, height, largest = (int(field) for field in header.groups())
    _allow(height, width)
    if not (255 <= largest <= 65535 or (kind == 5 and largest > 0)):
        raise _Damaged(f"the largest value {largest} is declared; 255 … 65535 are read")
    shape = (height, width) if kind == 5 else (height, width, 3)
    dtype = np.dtype(">u2" if largest > 255 else "u1")
    return np.frombuffer(data, dtype, math.prod(shape), header.end()).reshape(shape)


def _bmp(data: bytes) -> Array:
    start, header, width, height, planes, bits, compression = struct.unpack_from("<IIiiHHI", data, 10)
    _allow(abs(height), width)
    if header < 40 or planes != 1 or bits not in (8, 24, 32) or compression not in (0, 3):
        raise _Damaged("only uncompressed BMP of 8, 24 or 32 bits is read")
    if start < 14 + header or start + (width * bits + 31) // 32 * 4 * abs(height) > len(data):
        raise _Damaged("it is cut short")
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
            raise _Damaged(f"one image is expected, got the shape {shape}")
        _allow(height, width)
        for page in series.pages:
            _check_segments(page, data)
        image: Array = series.asarray(maxworkers=1)  # no threads: safe before a fork
    return np.moveaxis(image, 0, 2) if planar else image


def _check_segments(page: Any, data: bytes) -> None:
    """Check that a page's strips or tiles lie in the file and inflate to no more than is declared."""
    if page.compression not in (1, 8, 32946):
        raise _Damaged(f"the compression {page.compression!r} is not read; save it uncompressed or as deflate")
    limit = math.prod(page.chunks) * page.dtype.itemsize
    total = 0
    for start, length in zip(page.dataoffsets, page.databytecounts, strict=True):
        if not 0 < start < start + length <= len(data):
            raise _Damaged("a strip lies past the end of the file")
        total += length if page.compression == 1 else len(_inflate(data[start : start + length], limit))
    if total < page.nbytes:
        raise _Damaged(f"its strips hold {total} bytes, {page.nbytes} are declared")


def _npy_header(stream: Any) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = np.lib.format.read_magic(stream)
    if version == (1, 0):
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream)
    elif version == (2, 0):
        shape, fortran, dtype = np.lib.format.read_array_header_2_0(stream)
    else:
        raise _Damaged(f"the format version {version} is not read")
    if dtype.kind not in "buif":
        raise _Damaged(f"it holds {dtype}, not numbers")
    if len(shape) not in (2, 3) or (len(shape) == 3 and shape[2] not in (1, 3, 4)):
        raise _Damaged(f"an image is expected, got the shape {shape}")
    _allow(shape[0], shape[1])
    return shape, fortran, dtype


def _npy(data: bytes) -> Array:
    stream = io.BytesIO(data)
    shape, fortran, dtype = _npy_header(stream)
    start = stream.tell()
    if len(data) - start != math.prod(shape) * dtype.itemsize:
        raise _Damaged(f"it holds {len(data) - start} bytes, the header declares {shape} of {dtype}")
    return np.frombuffer(data, dtype, offset=start).reshape(shape, order="F" if fortran else "C")


def _npz(data: bytes) -> Array:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = archive.infolist()
        if len(members) != 1:
            raise _Damaged(f"one array is expected, it holds {[member.filename for member in members]}")
        member = members[0]
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) or member.file_size > _MAX_BYTES:
            raise _Damaged(f"the member {member.filename!r} is too large or compressed in an unusual way")
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
    "NPZ": _npz,
}
