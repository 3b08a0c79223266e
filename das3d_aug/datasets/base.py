"""One reader interface for every layout: list the samples without opening a file, open them one by one."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from das3d_aug.datasets.listing import natural
from das3d_aug.datasets.stored import Stored
from das3d_aug.errors import FileError, ParameterError
from das3d_aug.files import contained, read_bytes, read_plane
from das3d_aug.geometry import Camera

__all__ = ["Dataset", "Entry", "Sample", "check_size", "known_shapes", "safe_parts"]


@dataclass(frozen=True)
class Entry:
    """A sample that is listed but not opened.

    Attributes
    ----------
    key : str
        Unique in the data set, with forward slashes: ``"bagel/train/good/000"`` or ``"000"``.
    split, defect, category : str
        As the layout names them; empty where it does not.
    label : int or None
        0 normal, 1 anomalous, None unknown.
    files : mapping
        The files by role (``"rgb"``, ``"depth"``, ``"xyz"``, ``"mask"`` …); a missing partner is not in it.
    """

    key: str
    split: str
    defect: str
    label: int | None
    files: Mapping[str, Path] = field(hash=False)
    category: str = ""


@dataclass(frozen=True, eq=False)
class Sample:
    """An opened sample; all images have one height and width.

    Attributes
    ----------
    entry : Entry
        Where it comes from.
    rgb : numpy.ndarray
        uint8, H x W x 3.
    depth : numpy.ndarray
        float32, H x W, in ``unit``.
    valid : numpy.ndarray
        bool, H x W: where depth was measured (finite and > 0).
    unit : str
        ``"m"``, ``"mm"``, ``"raw"`` (stored numbers of unknown scale), ``"unknown"`` or what the user named.
    xyz : numpy.ndarray or None
        float32, H x W x 3, organised points as stored, in ``unit``.
    intrinsics : Intrinsics or Orthographic or None
        The camera, if it is known.
    mask : numpy.ndarray or None
        bool, H x W: the anomalous pixels, if they are known.
    foreground : numpy.ndarray or None
        bool, H x W: the pixels of the object, if the data set has them.
    grey : bool
        Whether the colour was stored as one channel; ``rgb`` then has three equal ones.
    warnings : tuple of str
        What is odd about the files and does not stop a run, a sentence each.
    stored : Stored or None
        How depth was stored where it was no distance, and the way back for writers.
    """

    entry: Entry
    rgb: NDArray[np.uint8]
    depth: NDArray[np.float32]
    valid: NDArray[np.bool_]
    unit: str
    xyz: NDArray[np.float32] | None = None
    intrinsics: Camera | None = None
    mask: NDArray[np.bool_] | None = None
    foreground: NDArray[np.bool_] | None = None
    grey: bool = False
    warnings: tuple[str, ...] = ()
    stored: Stored | None = None


class Dataset(ABC):
    """The samples of one folder.  Iterating opens them in order, one at a time.

    Attributes
    ----------
    layout, expected : str
        The name of the layout and what it looks like (class attributes).
    options : frozenset of str
        The keyword options that the class takes (class attribute).
    root : pathlib.Path
        The folder; no file outside it is read.
    how : str
        How the layout was recognised, in a sentence.
    entries : tuple of Entry
        Naturally sorted: ``2`` comes before ``10``.
    """

    layout: ClassVar[str]
    expected: ClassVar[str]
    options: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, root: Path, how: str, *, entries: Iterable[Entry]) -> None:
        self.root = root
        self.how = how
        self.entries = tuple(sorted(entries, key=lambda entry: natural(entry.key)))

    @classmethod
    @abstractmethod
    def recognise(cls, root: Path) -> str | None:
        """Return how ``root`` is recognised as this layout, in a sentence, or None."""

    @classmethod
    @abstractmethod
    def load(cls, root: Path, how: str, **options: Any) -> Self:
        """List the samples of a recognised ``root``."""

    @abstractmethod
    def open(self, entry: Entry) -> Sample:
        """Read one sample.

        Raises
        ------
        FileError
            Naming the file that is missing, damaged, outside the root or of another size than its partner.
        """

    def __len__(self) -> int:
        return len(self.entries)

    def __iter__(self) -> Iterator[Sample]:
        return map(self.open, self.entries)

    def select(self, *, split: str | None = None, category: str | None = None, label: int | None = None) -> Self:
        """Return a view with the entries that agree with everything named; None leaves a property open."""
        wanted = {"split": split, "category": category, "label": label}
        view = copy.copy(self)
        view.entries = tuple(
            entry
            for entry in self.entries
            if all(value is None or getattr(entry, name) == value for name, value in wanted.items())
        )
        return view

    def file(self, entry: Entry, role: str) -> Path:
        """Return the file of a role, having checked that it exists and lies in the root."""
        if role not in entry.files:
            partner = next(iter(entry.files.values()))
            missing = self.place(entry, role)
            raise FileError(missing, f"no such {role} file (any known extension), the partner of {partner}")
        contained(self.root, entry.files[role])
        return entry.files[role]

    def read(self, entry: Entry, role: str) -> bytes:
        """Return what the file of a role holds, as `file` finds it."""
        return read_bytes(self.file(entry, role))

    def plane(self, entry: Entry, role: str, *, partner: Path, expected: tuple[int, ...]) -> NDArray[Any]:
        """Return the plane of numbers of a role, as stored, having checked its size against its partner's."""
        path = self.file(entry, role)
        plane = read_plane(path, name=role, data=self.read(entry, role))
        check_size(path, plane.shape, partner=partner, expected=expected)
        return plane

    def marked(self, entry: Entry, role: str, *, partner: Path, expected: tuple[int, ...]) -> NDArray[np.bool_] | None:
        """Return where the plane of a role is above 0; None if the sample has none."""
        if role not in entry.files:
            return None
        return np.asarray(self.plane(entry, role, partner=partner, expected=expected) > 0)

    def place(self, entry: Entry, role: str) -> Path:
        """Return where a missing file is expected, without extension: in a folder of its role, of the same stem."""
        partner = next(iter(entry.files.values()))
        return partner.parent.parent / role / partner.stem


def check_size(path: Path, shape: tuple[int, ...], *, partner: Path, expected: tuple[int, ...]) -> None:
    """Raise FileError, naming both files and sizes, if height and width differ."""
    if shape[:2] != expected[:2]:
        raise FileError(path, f"is {shape[0]} x {shape[1]}, its partner {partner} is {expected[0]} x {expected[1]}")


def known_shapes(**arrays: NDArray[Any] | None) -> None:
    """Check what a writer is given: ``rgb`` uint8 H x W x 3, all others of the same H x W.

    Raises
    ------
    ParameterError
        Naming the array that does not fit.
    """
    rgb = arrays["rgb"]
    if rgb is None or rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3:
        raise ParameterError("rgb must be uint8, H x W x 3")
    for name, array in arrays.items():
        if array is not None and name != "rgb":
            wanted = rgb.shape if name == "xyz" else rgb.shape[:2]
            if array.shape != wanted:
                raise ParameterError(f"{name} must have the shape {wanted}, got {array.shape}")


def safe_parts(key: str) -> list[str]:
    """Split a key at its slashes, refusing what could lead out of the folder written to."""
    parts = key.split("/")
    if any(part in ("", ".", "..") or part.startswith(".") or "\\" in part or "\0" in part for part in parts):
        raise ParameterError(f"key must be visible names joined by '/', got {key!r}")
    return parts
