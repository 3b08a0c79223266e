"""Where the foreign texture of a defect comes from.

A source maps 64 random bits to a texture and its name, and the name back to the texture.  Textures are shared
and read-only: what a `TexturePlan` does to them happens while they are blended into the image.
"""

from __future__ import annotations

import functools
import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from das3d_aug.errors import FileError, ParameterError, quoted
from das3d_aug.files import contained, read_rgb
from das3d_aug.randomness import Stream
from das3d_aug.textures.procedural import make_texture
from das3d_aug.textures.variation import TexturePlan, colour_matrix, draw_texture, sharpness, tone_table

__all__ = [
    "ArrayTextures",
    "FolderTextures",
    "MixedTextures",
    "PlainTextures",
    "ProceduralTextures",
    "TexturePlan",
    "TextureSource",
    "as_source",
    "colour_matrix",
    "draw_texture",
    "sharpness",
    "tone_table",
]

Texture: TypeAlias = NDArray[np.uint8]

_LONGEST_SIDE = 1024
_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".ppm", ".pgm", ".bmp", ".tif", ".tiff"})
_PROCEDURAL_CACHE = 2**28
_PLAIN = 0x91A1  # any number: it sets the streams of the colours apart from those of the samples


@runtime_checkable
class TextureSource(Protocol):
    """Anything that can choose a texture from random bits, and find it again by its name."""

    def pick(self, number: int) -> tuple[str, Texture]:
        """Choose a texture: 64 random bits → its name and uint8 H x W x 3 RGB, C-contiguous and read-only."""

    def named(self, name: str) -> Texture:
        """Return the texture that `pick` calls ``name``; `FileError` or `ParameterError` if there is none."""


class FolderTextures:
    """The images below a folder: DTD's ``images/<class>/*.jpg``, or any other depth of folders.

    Files are listed once, in the order of their paths, and decoded when they are picked; their names are
    paths relative to the folder, with ``/``.  Hidden files are left out.  Safe to share between threads and
    to pickle (without the decoded images).

    Parameters
    ----------
    root : str or pathlib.Path
        The folder.
    cache_mb : float
        Decoded images kept, in MiB; the least recently used one goes first.  0 keeps none.

    Raises
    ------
    FileError
        If there is no image.  `pick` and `named` raise it for an image that is damaged, that leads out of the
        folder through a symbolic link, or that is not in the list.
    """

    def __init__(self, root: str | Path, *, cache_mb: float = 256) -> None:
        if not 0 <= cache_mb < math.inf:
            raise ParameterError(f"cache_mb must be a number of MiB >= 0, got {cache_mb!r}")
        self._root = Path(root)
        if not self._root.is_dir():
            raise FileError(root, "is not a folder; give the folder that holds the texture images")
        self._names = sorted(
            path.relative_to(self._root).as_posix()
            for path in self._root.rglob("*")
            if path.suffix.lower() in _SUFFIXES and not path.name.startswith(".") and not path.is_dir()
        )
        if not self._names:
            raise FileError(root, f"holds no texture image; expected {', '.join(sorted(_SUFFIXES))}")
        self._known = frozenset(self._names)
        self._cache = _Cache(int(cache_mb * 2**20))

    def pick(self, number: int) -> tuple[str, Texture]:
        """Choose an image: 64 random bits → its relative path and its pixels, at most 1024 on a side."""
        name = self._names[number % len(self._names)]
        return name, self._cache.get(name, self._read)

    def named(self, name: str) -> Texture:
        """Return the image of that relative path."""
        if name not in self._known:
            raise FileError(self._root / name, "is not among the textures that were listed")
        return self._cache.get(name, self._read)

    def _read(self, name: str) -> Texture:
        path = self._root / name
        contained(self._root, path)
        image = read_rgb(path)
        height, width = image.shape[:2]
        reduction = _LONGEST_SIDE / max(height, width)
        if reduction < 1.0:
            side = (max(1, round(width * reduction)), max(1, round(height * reduction)))
            import cv2  # here, since loading it changes the environment of the process

            image = np.asarray(cv2.resize(image, side, interpolation=cv2.INTER_AREA), np.uint8)
        image.setflags(write=False)
        return image


class ProceduralTextures:
    """Surfaces computed from their number, the same bytes on every machine: nothing to download.

    Parameters
    ----------
    size : int
        Height and width in pixels, 8 … 1024.
    count : int
        How many, >= 1; their names are ``procedural/0``, ``procedural/1`` …
    """

    def __init__(self, *, size: int = 256, count: int = 64) -> None:
        if not 8 <= size <= _LONGEST_SIDE:
            raise ParameterError(f"size must be 8 … {_LONGEST_SIDE} pixels, got {size!r}")
        if count < 1:
            raise ParameterError(f"count must be at least 1, got {count!r}")
        self._size = size
        self._names = [f"procedural/{k}" for k in range(count)]
        self._cache = _Cache(_PROCEDURAL_CACHE)

    def pick(self, number: int) -> tuple[str, Texture]:
        """Choose a texture: 64 random bits → its name and its pixels."""
        name = self._names[number % len(self._names)]
        return name, self._cache.get(name, self._make)

    def named(self, name: str) -> Texture:
        """Return the texture of that name."""
        if name not in self._names:
            raise ParameterError(f"texture must be procedural/0 … {self._names[-1]}, got {quoted(name)}")
        return self._cache.get(name, self._make)

    def _make(self, name: str) -> Texture:
        return make_texture(int(name.removeprefix("procedural/")), self._size)


class PlainTextures:
    """Uniform colours, a third of them black: paint, deposits, and holes through which nothing is seen.

    Parameters
    ----------
    count : int
        How many, >= 1; their names are ``plain/0``, ``plain/1`` …
    """

    def __init__(self, *, count: int = 64) -> None:
        if count < 1:
            raise ParameterError(f"count must be at least 1, got {count!r}")
        self._names = [f"plain/{k}" for k in range(count)]

    def pick(self, number: int) -> tuple[str, Texture]:
        """Choose a colour: 64 random bits → its name and its pixels."""
        name = self._names[number % len(self._names)]
        return name, _plain(name)

    def named(self, name: str) -> Texture:
        """Return the texture of that name."""
        if name not in self._names:
            raise ParameterError(f"texture must be plain/0 … {self._names[-1]}, got {quoted(name)}")
        return _plain(name)


class MixedTextures:
    """Several sources, each as likely as the others; a name is the source's number and the name there.

    Parameters
    ----------
    sources : sequence
        What `as_source` takes: None, arrays, folders, sources.

    Raises
    ------
    ParameterError
        If there is none, or one cannot be used.
    FileError
        If one is a folder that cannot be used.
    """

    def __init__(self, sources: Sequence[NDArray[Any] | str | Path | TextureSource | None]) -> None:
        if not sources:
            raise ParameterError("texture must name at least one source, got none")
        self._sources = [as_source(source) for source in sources]

    def pick(self, number: int) -> tuple[str, Texture]:
        """Choose a source and one of its textures: 64 random bits → its name and its pixels."""
        rest, which = divmod(number, len(self._sources))
        name, texture = self._sources[which].pick(rest)
        return f"{which}/{name}", texture

    def named(self, name: str) -> Texture:
        """Return the texture of that name."""
        which, _, rest = name.partition("/")
        if not which.isdecimal() or int(which) >= len(self._sources):
            raise ParameterError(f"texture must be of source 0 … {len(self._sources) - 1}, got {quoted(name)}")
        return self._sources[int(which)].named(rest)


class ArrayTextures:
    """Copies of images that the caller holds; the names are ``array/0``, ``array/1`` and so on.

    Parameters
    ----------
    arrays : array or sequence of arrays
        One image or several: H x W x 3, or H x W grey; uint8, or floating-point in [0, 1].

    Raises
    ------
    ParameterError
        If there is none, or one has another shape, dtype or range.
    """

    def __init__(self, arrays: NDArray[Any] | Sequence[NDArray[Any]]) -> None:
        single = isinstance(arrays, np.ndarray) and arrays.ndim < 4
        images = [arrays] if single else list(arrays)
        if not images:
            raise ParameterError("texture must hold at least one array, got none")
        self._textures = {f"array/{k}": _as_rgb(np.asarray(image), k) for k, image in enumerate(images)}
        self._names = list(self._textures)

    def __reduce__(self) -> tuple[type[ArrayTextures], tuple[list[Texture]]]:
        return ArrayTextures, (list(self._textures.values()),)  # pickling an array forgets that it is read-only

    def pick(self, number: int) -> tuple[str, Texture]:
        """Choose an image: 64 random bits → its name and its pixels."""
        name = self._names[number % len(self._names)]
        return name, self._textures[name]

    def named(self, name: str) -> Texture:
        """Return the image of that name."""
        if name not in self._textures:
            raise ParameterError(f"texture must be array/0 … {self._names[-1]}, got {quoted(name)}")
        return self._textures[name]


def as_source(texture: NDArray[Any] | str | Path | TextureSource | None) -> TextureSource:
    """Turn what a caller may give into a source: None (procedural), an array or a folder.

    Raises
    ------
    ParameterError
        If it is none of these.
    FileError
        If it is a path of no folder, or of one without images.
    """
    if texture is None:
        return _default_source()
    if isinstance(texture, np.ndarray):
        return ArrayTextures(texture)
    if isinstance(texture, str | Path):
        return FolderTextures(texture)
    if isinstance(texture, TextureSource):
        return texture
    raise ParameterError(f"texture must be None, an array, a folder or a TextureSource, got {texture!r}")


def _as_rgb(image: NDArray[Any], k: int) -> Texture:
    if image.size == 0 or image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] != 3):
        raise ParameterError(f"texture {k} must be H x W x 3 or H x W, got the shape {image.shape}")
    if image.dtype.kind == "f":
        if not (image.min() >= 0.0 and image.max() <= 1.0):
            raise ParameterError(f"texture {k} must be in [0, 1] if floating-point; scale it first")
        image = np.rint(image * 255.0).astype(np.uint8)
    if image.dtype != np.uint8:
        raise ParameterError(f"texture {k} must be uint8 or floating-point, got {image.dtype}")
    rgb = np.array(np.broadcast_to(image if image.ndim == 3 else image[:, :, None], (*image.shape[:2], 3)), order="C")
    rgb.setflags(write=False)
    return rgb


@functools.cache
def _plain(name: str) -> Texture:
    """Return a uniform colour, 8 x 8 pixels."""
    k = int(name.removeprefix("plain/"))
    stream = Stream(_PLAIN, index=k)
    colour = [stream.integer(0, 255) for _ in range(3)] if k % 3 else [0, 0, 0]
    texture = np.full((8, 8, 3), colour, np.uint8)
    texture.setflags(write=False)
    return texture


@functools.cache
def _default_source() -> ProceduralTextures:
    return ProceduralTextures()


class _Cache:
    """The most recently used textures by name, up to a number of bytes; thread-safe, pickled empty."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._held: OrderedDict[str, Texture] = OrderedDict()
        self._bytes = 0

    def __reduce__(self) -> tuple[type[_Cache], tuple[int]]:
        return _Cache, (self._limit,)

    def get(self, name: str, make: Callable[[str], Texture]) -> Texture:
        with self._lock:
            if name in self._held:
                self._held.move_to_end(name)
                return self._held[name]
        texture = make(name)  # outside the lock: two threads may make the same one, none waits for another's
        with self._lock:
            if name not in self._held:
                self._held[name] = texture
                self._bytes += texture.nbytes
            while self._bytes > self._limit:
                self._bytes -= self._held.popitem(last=False)[1].nbytes
        return texture
