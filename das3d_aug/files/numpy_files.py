"""Decoding npy and npz: the header is judged, and compared with the bytes that follow it, before they are read."""

from __future__ import annotations

import io
import math
import struct
import zipfile
from typing import IO, Any, NamedTuple

import numpy as np

from das3d_aug.files.limits import Array, Damaged, Source, allow, allow_packed, limits

__all__ = ["decode_npy", "decode_npz"]

_STEP = 2**20
_SPELLED = 2**10  # bytes of a header but its spaces; an image's takes a hundred
_ENTRY = 2**8  # bytes in the directory, with a long name


class _Header(NamedTuple):
    """What an npy declares, and the bytes that its header takes."""

    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype[Any]
    length: int

    @property
    def stored(self) -> tuple[int, ...]:
        """The shape of the numbers as they lie in the file, in C order."""
        return self.shape[::-1] if self.fortran else self.shape

    def image(self, numbers: Array) -> Array:
        """Return H x W (x C)."""
        array = numbers.T if self.fortran else numbers
        return array[0] if array.ndim == 3 and array.shape[2] not in (1, 3, 4) else array


def decode_npy(source: Source) -> Array:
    """Decode an npy of numbers, H x W, H x W x 1, 3 or 4, or 1 x H x W."""
    source.stream.seek(0)
    header = _header(source.stream, source.size)
    return header.image(source.array(header.length, header.stored, header.dtype))


def decode_npz(source: Source, *, name: str | None = None) -> Array:
    """Decode the array ``name`` of an npz, or its only one."""
    (count, length), most = _directory(source), limits().segments
    if count > most or length > most * _ENTRY:
        raise Damaged(f"it holds {count} members in a directory of {length} bytes; at most {most} are read")
    with zipfile.ZipFile(source.stream) as archive:
        members = archive.infolist()
        if len(members) > 1:
            members = [member for member in members if member.filename == f"{name}.npy"]
        if len(members) != 1:
            names = ", ".join(repr(stored.removesuffix(".npy")) for stored in archive.namelist()[:20])
            expected = "one array" if name is None else f"one array, or one named {name!r},"
            raise Damaged(f"{expected} is expected, it holds {names or 'none'}")
        member = members[0]
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise Damaged(f"the member {member.filename!r} is compressed in an unusual way")
        with archive.open(member) as stream:
            header = _header(stream, member.file_size)
            allow_packed(source.size, math.prod(header.shape) * header.dtype.itemsize)
            numbers = np.empty(header.stored, header.dtype)
            room = numbers.reshape(-1).view(np.uint8)
            filled = 0
            while filled < room.size:
                part = stream.read(min(_STEP, room.size - filled))
                if not part:
                    raise Damaged(f"it is cut short: {header.shape} of {header.dtype} are declared")
                room[filled : filled + len(part)] = np.frombuffer(part, np.uint8)
                filled += len(part)
            stream.read(1)  # meets the end, where the checksum is compared
        return header.image(numbers)


def _directory(source: Source) -> tuple[int, int]:
    """Return how many members the end of a zip declares, and the bytes of the directory that lists them."""
    tail = source.at(max(0, source.size - 2**16 - 22), min(source.size, 2**16 + 22))
    end = tail.rfind(b"PK\5\6")
    if end < 0 or end + 20 > len(tail):
        raise Damaged("it is cut short (no directory)")
    if tail[:end][-20:].startswith(b"PK\6\7"):
        raise Damaged("it has a second directory (Zip64), which only an archive of 4 GiB needs")
    count, length = struct.unpack_from("<HI", tail, end + 10)
    return count, length


def _header(stream: IO[bytes], size: int) -> _Header:
    """Read the header of an npy of ``size`` bytes."""
    start = stream.read(12)
    if not start.startswith(b"\x93NUMPY") or start[6:8] not in (b"\1\0", b"\2\0"):
        raise Damaged(f"it starts with {start[:8]!r}, an npy of version 1.0 or 2.0 is expected")
    before = 10 if start[6] == 1 else 12
    length = int.from_bytes(start[8:before], "little")
    most = limits().header_bytes
    if before + length > min(most, size):
        raise Damaged(f"a header of {length} bytes is declared; at most {min(most, size)} are read")
    said = start[8:] + stream.read(max(0, before + length - len(start)))
    spelled = len(said[before - 8 :].strip())
    if spelled > _SPELLED:
        raise Damaged(f"its header spells {spelled} bytes; an image's takes a hundred")
    text = io.BytesIO(said)
    parse = np.lib.format.read_array_header_1_0 if start[6] == 1 else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = parse(text)
    if dtype.kind not in "buif":
        raise Damaged(f"it holds {dtype}, not numbers")
    channels_last = len(shape) == 3 and shape[2] in (1, 3, 4)
    height, width = shape[1:3] if len(shape) == 3 and shape[0] == 1 and not channels_last else (*shape, 0, 0)[:2]
    if not (len(shape) == 2 or channels_last or (len(shape) == 3 and shape[0] == 1)):
        raise Damaged(f"an image is expected, got the shape {shape}; store it as H x W or H x W x 3")
    allow(height, width)
    if before + length + math.prod(shape) * dtype.itemsize != size:
        raise Damaged(f"it holds {size - before - length} bytes, the header declares {shape} of {dtype}")
    return _Header(shape, fortran, dtype, before + length)
