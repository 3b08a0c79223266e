"""How much is believed of a file that comes from outside: one table, and what reads bytes under it.

The limits are far above what cameras and common software write.  Who needs more, or wants to allow less, sets the
environment variable ``DAS3D_LIMITS`` to a list of names and numbers, ``DAS3D_LIMITS=pixels=134217728,json_bytes=1000``;
it reaches commands and the workers of a DataLoader alike.
"""

from __future__ import annotations

import contextlib
import io
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from das3d_aug.errors import FileError, ParameterError

__all__ = [
    "DEFLATE",
    "Array",
    "Damaged",
    "Limits",
    "Source",
    "allow",
    "allow_packed",
    "damage_named",
    "limits",
    "opened",
    "read_bytes",
]

DEFLATE = 1032
"""The most bytes for which one of deflate stands: what declares more is refused before it gets memory."""

Array = NDArray[Any]


@dataclass(frozen=True)
class Limits:
    """The most that is accepted of one file.

    Attributes
    ----------
    pixels : int
        Declared pixels of an image, or points of a cloud.
    bytes : int
        Bytes of a file, and of the numbers that it declares: three float64 channels of all pixels and a header.
    metadata_bytes : int
        Bytes of an image file that are no pixels: profiles, thumbnails, tags.
    header_bytes : int
        Bytes of the header of an npy, EXR, PNM, PFM, PLY or PCD.
    json_bytes : int
        Bytes of a JSON document.
    parts : int
        Chunks of a PNG, strips or tiles of a TIFF, blocks of an EXR.
    segments : int
        Segments before the pixels of a JPEG, tags of a page of a TIFF, members of an npz, attributes of an EXR.
    scans : int
        Scans of a JPEG; progressive ones have a dozen, and each costs time for every pixel.
    pages : int
        Pages of a TIFF, thumbnails and masks included.
    """

    pixels: int = 2**26
    bytes: int = 2**26 * 24 + 2**20
    metadata_bytes: int = 2**24
    header_bytes: int = 2**16
    json_bytes: int = 2**25
    parts: int = 2**17
    segments: int = 2**12
    scans: int = 32
    pages: int = 64


def limits() -> Limits:
    """Return the limits that hold now: the defaults, changed by ``DAS3D_LIMITS``.

    Raises
    ------
    ParameterError
        If the variable names an unknown limit or gives no whole number above 0.
    """
    return _parsed(os.environ.get("DAS3D_LIMITS", ""))


@lru_cache(maxsize=8)
def _parsed(text: str) -> Limits:
    known = [field.name for field in fields(Limits)]
    changed: dict[str, int] = {}
    for item in filter(None, text.split(",")):
        name, _, value = (part.strip() for part in item.partition("="))
        if name not in known or not (value.isascii() and value.isdecimal() and 0 < int(value[:20]) < 2**60):
            raise ParameterError(
                f"DAS3D_LIMITS must be name=number pairs with names of {', '.join(known)}, got {item[:60]!r}"
            )
        changed[name] = int(value)
    return Limits(**changed)


class Damaged(Exception):
    """What is wrong with the bytes at hand; `damage_named` adds the path."""


@contextlib.contextmanager
def damage_named(path: Path, kind: str) -> Iterator[None]:
    """Turn whatever a decoder of ``kind`` raises into a `FileError`; a wrong ``DAS3D_LIMITS`` passes."""
    try:
        yield
    except ParameterError:
        raise
    except Damaged as error:
        raise FileError(path, f"damaged or unusual {kind}: {error}") from error
    except Exception as error:  # the decoders promise no family of errors for damaged input
        reason = (str(error).splitlines() or [""])[0][:200]
        raise FileError(path, f"damaged {kind}: {type(error).__name__} {reason}") from error


def allow(height: int, width: int) -> None:
    """Refuse what declares no pixel or more than the limit."""
    most = limits().pixels
    if height < 1 or width < 1 or height * width > most:
        raise Damaged(f"{height} x {width} pixels are declared, 1 … {most} are read")


def allow_packed(packed: int, plain: int, *, most: int = DEFLATE) -> None:
    """Refuse what declares more bytes than as many packed ones can hold, of which each stands for ``most``."""
    if plain > most * packed:
        raise Damaged(f"it is cut short: {packed} packed bytes cannot hold the {plain} that are declared")


class Source:
    """A file, or bytes, of which a decoder reads no more than it has judged.

    Attributes
    ----------
    stream : io.BufferedReader or io.BytesIO
        For libraries that read a file themselves.
    size : int
        Bytes in all.
    """

    def __init__(self, stream: io.BufferedReader | io.BytesIO) -> None:
        self.stream = stream
        self.size = stream.seek(0, os.SEEK_END)

    def head(self, most: int) -> bytes:
        """Return the first bytes, fewer than ``most`` if there are no more."""
        self.stream.seek(0)
        return self.stream.read(most)

    def at(self, start: int, length: int) -> bytes:
        """Return ``length`` bytes from ``start``, all of which must be there."""
        if start < 0 or length < 0 or start + length > self.size:
            raise Damaged(f"it is cut short: {length} bytes are declared at {start}, the file ends at {self.size}")
        self.stream.seek(start)
        data = self.stream.read(length)
        if len(data) < length:
            raise Damaged("it became shorter while it was read")
        return data

    def whole(self, *, pixels: int) -> bytes:
        """Return all bytes; those that cannot be pixels, the first of which take at most ``pixels``, are limited."""
        most = pixels + limits().metadata_bytes
        if self.size > most:
            raise Damaged(f"it holds {self.size} bytes, with the size that is declared at most {most} are read")
        return self.at(0, self.size)

    def array(self, start: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        """Return numbers as they lie in the file from ``start``, in a new array."""
        count = int(np.prod(shape, dtype=object))
        if start + count * dtype.itemsize > self.size:
            raise Damaged(f"it is cut short: {shape} of {dtype} are declared, {self.size - start} bytes are there")
        numbers = np.empty(shape, dtype)
        self.stream.seek(start)
        if self.stream.readinto(numbers.reshape(-1).view(np.uint8).data) < numbers.nbytes:
            raise Damaged("it became shorter while it was read")
        return numbers


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Source]:
    """Open a regular file of at most as many bytes as the limit says."""
    try:
        about = path.stat()
        if not stat.S_ISREG(about.st_mode):
            raise FileError(path, "is not a file")
        if about.st_size > limits().bytes:
            raise FileError(path, f"holds {about.st_size} bytes; at most {limits().bytes} are read")
        stream = path.open("rb")
    except OSError as error:
        raise FileError(path, f"cannot be read: {error.strerror}") from error
    with stream:
        yield Source(stream)


def read_bytes(path: Path, *, most: int | None = None) -> bytes:
    """Return what a regular file holds, at most ``most`` bytes and the limit."""
    with opened(path) as source:
        if most is not None and source.size > most:
            raise FileError(path, f"holds {source.size} bytes; at most {most} are read")
        try:
            return source.head(source.size)
        except OSError as error:
            raise FileError(path, f"cannot be read: {error.strerror}") from error
