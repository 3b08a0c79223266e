"""One reader interface for every layout: list the samples without opening a file, open them one by one."""

from __future__ import annotations

import copy
import itertools
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Set
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from das3d_aug.datasets.listing import Findings, natural
from das3d_aug.datasets.oddities import check_empty, check_marks
from das3d_aug.datasets.samples import Entry, Sample, measured
from das3d_aug.errors import FileError, ParameterError
from das3d_aug.files import contained, read_bytes, read_colour, read_plane, read_rgb
from das3d_aug.files.decode import JPEG_SUFFIXES

__all__ = ["Dataset", "Entry", "Sample", "check_size", "normal_entries"]

_MODES = ("rgb", "depth", "rgbd")
_DEPTH = frozenset({"depth", "xyz", "info_depth"})
_JPEG_MARKED = 128  # half of white: what compression has smeared is below or above


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
    warnings : tuple of str
        What is there and not used, or lacks its partner, in a bounded number of sentences; known from listing alone.
    roles : frozenset of str
        The roles of all files; `open` asks each sample for the colour and depth that the set has.
    mode : {"rgb", "depth", "rgbd"} or None
        To what `restricted` has restricted it.
    """

    layout: ClassVar[str]
    expected: ClassVar[str]
    options: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, root: Path, how: str, *, entries: Iterable[Entry], findings: Findings | None = None) -> None:
        self.root = root
        self.how = how
        self.entries = tuple(sorted(entries, key=lambda entry: natural(entry.key)))
        for before, after in itertools.pairwise(self.entries):
            if before.key == after.key:
                places = (next(iter(entry.files.values())) for entry in (after, before))
                raise FileError(next(places), f"and {next(places)} have one key, {after.key!r}; rename one")
        self.warnings = () if findings is None else findings.sentences()
        self.roles = _roles(self.entries)
        self.mode: str | None = None

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

    def __getitem__(self, index: int) -> Sample:
        """Open one sample by its place, as a torch ``DataLoader`` asks for it."""
        return self.open(self.entries[index])

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

    def restricted(self, mode: str) -> Self:
        """Return a view that reads colour alone ("rgb"), depth or points alone ("depth"), or needs both ("rgbd").

        Raises
        ------
        ParameterError
            If there is no such mode.
        FileError
            If the set has not what it needs.
        """
        if mode not in _MODES:
            raise ParameterError(f"mode must be one of {', '.join(_MODES)}, got {mode!r}")
        colour, depth = self.roles & {"rgb", "xyz"}, self.roles & _DEPTH  # clouds may have colours
        for what, there, other in (("colour", colour, "depth"), ("depth", depth, "rgb")):
            if mode != other and not there:
                raise FileError(self.root, f"has no {what}, which mode={mode!r} needs ({self.how})")
        view = copy.copy(self)
        view.mode = mode
        if mode != "rgbd":
            passed_over = {"rgb"} if mode == "depth" else _DEPTH if "rgb" in self.roles else frozenset[str]()
            view.entries = tuple(_without(self.entries, passed_over))
            view.roles = _roles(view.entries)
        return view

    def colour(self, entry: Entry) -> tuple[NDArray[np.uint8] | None, bool]:
        """Return the colour of a sample and whether it is grey; None and False if the set has no colour."""
        if "rgb" not in self.roles:
            return None, False
        return read_colour(self.file(entry, "rgb"))

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
        """Return where the plane of a role is above 0, of a JPEG at least 128; None if the sample has none."""
        if role not in entry.files:
            return None
        path = self.file(entry, role)
        if path.suffix.lower() not in JPEG_SUFFIXES:
            return np.asarray(self.plane(entry, role, partner=partner, expected=expected) > 0)
        marks = _marks_of_jpeg(path)
        check_size(path, marks.shape, partner=partner, expected=expected)
        return marks

    def is_anomalous(self, entry: Entry) -> bool:
        """Whether a sample is labelled anomalous or, where nothing labels it, its mask marks anything.

        Only such a mask is opened; one that cannot be read says nothing here and is an error of `open`.
        """
        path = entry.files.get("mask", entry.files.get("gt"))
        if entry.label is not None or path is None:
            return entry.label == 1
        try:
            marks = _marks_of_jpeg(path) if path.suffix.lower() in JPEG_SUFFIXES else read_plane(path, name="mask") > 0
        except FileError:
            return False
        return bool(marks.any())

    def assemble(
        self,
        entry: Entry,
        *,
        colour: tuple[NDArray[np.uint8] | None, bool],
        depth: NDArray[np.float32] | None,
        role: str,
        label: int | None = None,
        masks: str = "mask",
        warnings: tuple[str, ...] = (),
        **known: Any,
    ) -> Sample:
        """Return an opened sample, having read its masks and checked that all sizes agree.

        Parameters
        ----------
        entry : Entry
        colour : tuple
            As `colour` returns it.
        depth : numpy.ndarray or None
        role : str
            The role of the file that depth comes from.
        label : int, optional
            A sample of label 0 without a mask has an empty one.
        masks : str
            The role of the masks.
        warnings : tuple of str
            What is odd about its colour or depth.
        **known
            What is known of the other fields of `Sample`.
        """
        rgb, grey = colour
        first = depth if rgb is None else rgb
        if first is None:
            raise FileError(self.root, f"has neither colour nor depth of sample {entry.key!r}")
        partner, size = self.file(entry, "rgb" if "rgb" in entry.files and rgb is not None else role), first.shape[:2]
        if rgb is not None and depth is not None:
            check_size(self.file(entry, role), depth.shape, partner=partner, expected=size)
        mask = self.marked(entry, masks, partner=partner, expected=size)
        return Sample(
            entry=entry,
            rgb=rgb,
            depth=depth,
            valid=None if depth is None else measured(depth),
            mask=np.zeros(size, dtype=bool) if mask is None and label == 0 else mask,
            foreground=self.marked(entry, "foreground", partner=partner, expected=size),
            grey=grey,
            warnings=(*self._odd(entry), *warnings, *check_empty(rgb, depth), *check_marks(mask, entry.label)),
            **known,
        )

    def _odd(self, entry: Entry) -> tuple[str, ...]:
        """Say which masks are JPEGs."""
        jpegs = [role for role, path in entry.files.items() if path.suffix.lower() in JPEG_SUFFIXES]
        return tuple(
            f"{role} is a JPEG, which blurs: what is at least {_JPEG_MARKED} of 255 is marked"
            for role in jpegs
            if role not in ("rgb", "ps")
        )

    def place(self, entry: Entry, role: str) -> Path:
        """Return where a missing file is expected, without extension: in a folder of its role, of the same stem."""
        partner = next(iter(entry.files.values()))
        return partner.parent.parent / role / partner.stem


def _roles(entries: Iterable[Entry]) -> frozenset[str]:
    return frozenset(role for entry in entries for role in entry.files)


def _marks_of_jpeg(path: Path) -> NDArray[np.bool_]:
    image = read_rgb(path)
    if 0 < image.max() < _JPEG_MARKED:
        raise FileError(path, f"is a JPEG with nothing above {image.max()} of 255; store such a mask as PNG")
    return np.asarray(image[:, :, 0] >= _JPEG_MARKED)


def _without(entries: Iterable[Entry], roles: Set[str]) -> Iterator[Entry]:
    """Yield the entries without the files of some roles; those of which no image is left are gone."""
    for entry in entries:
        files = {role: path for role, path in entry.files.items() if role not in roles}
        if files.keys() & ({"rgb"} | _DEPTH):
            yield replace(entry, files=files)


def normal_entries(dataset: Dataset) -> tuple[Entry, ...]:
    """Return the samples to start from: not anomalous by label or mask, of the train split if there is one."""
    normal = [entry for entry in dataset.entries if not dataset.is_anomalous(entry)]
    train = [entry for entry in normal if entry.split == "train"]
    return tuple(train or normal)


def check_size(path: Path, shape: tuple[int, ...], *, partner: Path, expected: tuple[int, ...]) -> None:
    """Raise FileError, naming both files and sizes, if height and width differ."""
    if shape[:2] != expected[:2]:
        # A camera's note of how it was held (EXIF) is not followed: pixels belong to each other as they are stored.
        turned = " (turned by 90 degrees? pixels are read as they are stored)" if shape[1::-1] == expected[:2] else ""
        sizes = f"is {shape[0]} x {shape[1]}, its partner {partner} is {expected[0]} x {expected[1]}"
        raise FileError(path, f"{sizes}{turned}")
