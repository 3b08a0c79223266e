"""Prepared data, as `das3d_aug.preparation.prepare` writes it and `open_dataset` reads it back.

The folders below ``data/`` are those of the source's keys, such as ``<category>/<split>/<defect>/``::

    prepared.json                  the listing: what is known of every sample but its pixels
    data/…/rgb/NNN.png             8-bit colour, black where the background was removed
    data/…/depth/NNN.tiff          float32, in the unit of the source; 0 = no measurement
    data/…/foreground/NNN.png      white where the part is
    data/…/gt/NNN.png              white where anomalous; where the source knows it
    data/…/xyz/NNN.tiff            float32 points in the unit of the source; (0, 0, 0) = removed or no measurement

The files keep the unit, so nothing is lost; depth is normalised to (0, 1) when a sample is opened, by the
`Normalisation` of the listing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from das3d_aug.datasets.base import Dataset, Entry, Sample, check_size
from das3d_aug.datasets.write_checks import safe_parts
from das3d_aug.errors import FileError, ParameterError, quoted
from das3d_aug.files import contained, encode_mask, encode_png, encode_tiff, read_array, read_json, read_plane
from das3d_aug.geometry import Camera, camera_from_dict

__all__ = ["LISTING", "Normalisation", "PreparedDataset", "encode_prepared"]

LISTING = "prepared.json"
"""The file by which a prepared folder is recognised."""

_SUFFIXES = {"rgb": "png", "depth": "tiff", "foreground": "png", "gt": "png", "xyz": "tiff"}
_NEAREST = 2.0**-20


@dataclass(frozen=True)
class Normalisation:
    """An invertible map of depth to (0, 1): (depth − low) / (high − low).

    Since 0 means "no measurement", the nearest point becomes 2⁻²⁰ and not 0; so does whatever is nearer than
    ``low``, which happens where the range is that of other images.  What is farther than ``high`` is above 1.
    If the range is empty, everything becomes 1.

    Parameters
    ----------
    low, high : float
        The nearest and the farthest depth, 0 <= low <= high.

    Raises
    ------
    ParameterError
        If the numbers are not of this kind.
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        for name in ("low", "high"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
                raise ParameterError(f"{name} must be a finite number, got {quoted(value)}")
        if not 0 <= self.low <= self.high:
            raise ParameterError(f"low and high must be 0 <= low <= high, got {self.low!r} and {self.high!r}")

    def apply(self, depth: NDArray[Any]) -> NDArray[np.float32]:
        """Return normalised depth, float32; invalid depth (not finite or <= 0) is 0."""
        depth = np.asarray(depth, np.float64)
        valid = np.isfinite(depth) & (depth > 0)
        share = (np.where(valid, depth, self.high) - self.low) / ((self.high - self.low) or 1.0)
        if self.high == self.low:
            share += 1.0
        return np.where(valid, np.maximum(share, _NEAREST), 0).astype(np.float32)

    def invert(self, normalised: NDArray[Any]) -> NDArray[np.float32]:
        """Return the depth of which `apply` made these numbers, float32; 0 stays 0."""
        normalised = np.asarray(normalised, np.float64)
        depth = self.low + normalised * (self.high - self.low)
        return np.where(normalised > 0, depth, 0).astype(np.float32)


class PreparedDataset(Dataset):
    """A folder that `das3d_aug.preparation.prepare` wrote.

    A sample's ``unit`` is ``"normalised"`` if its depth is; then it has neither points nor a camera, which are in
    the unit of the source: `normalisation` and `camera` give what leads back to it, and ``file(entry, "xyz")`` the
    points, where they were asked for.
    """

    layout = "prepared"
    expected = f"{LISTING} beside data/, as das3d-aug prepare writes them"

    def __init__(self, root: Path, how: str, *, rows: Mapping[str, _Row]) -> None:
        self._rows = rows
        super().__init__(root, how, entries=(row.entry for row in rows.values()))

    @classmethod
    def recognise(cls, root: Path) -> str | None:
        """Look for the listing."""
        return f"{LISTING} is in it" if (root / LISTING).is_file() else None

    @classmethod
    def load(cls, root: Path, how: str, **options: Any) -> Self:
        """Read the listing; there are no options."""
        path = contained(root, root / LISTING)
        try:
            rows: dict[str, _Row] = {}
            for row in _rows(root, read_json(path)):
                if row.entry.key in rows:
                    raise ParameterError(f"two samples have the key {quoted(row.entry.key)}")
                rows[row.entry.key] = row
            return cls(root, how, rows=rows)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise FileError(path, f"is not the listing of prepared data: {type(error).__name__} {error}") from error

    def open(self, entry: Entry) -> Sample:
        """Read one sample; see `Dataset.open`."""
        row = self._rows[entry.key]
        colour, depth, xyz = self.colour(entry), None, None
        if "depth" in entry.files:
            path = self.file(entry, "depth")
            depth = read_plane(path, name="depth")
            if depth.dtype != np.float32:
                raise FileError(path, f"prepared depth is float32, got {depth.dtype}")
        sample = self.assemble(entry, colour=colour, depth=depth, role="depth", masks="gt", unit=row.unit)
        if row.normalisation is not None and depth is not None:
            normalised = row.normalisation.apply(depth)
            return replace(sample, depth=normalised, valid=normalised > 0, unit="normalised")
        if "xyz" in entry.files:
            path = self.file(entry, "xyz")
            xyz = read_array(path).astype(np.float32, copy=False)
            check_size(path, xyz.shape, partner=next(iter(entry.files.values())), expected=sample.shape)
        return replace(sample, xyz=xyz, intrinsics=row.camera)

    def normalisation(self, entry: Entry) -> Normalisation | None:
        """Return what was done to a sample's depth; None if it is in the unit of the source."""
        return self._rows[entry.key].normalisation

    def camera(self, entry: Entry) -> Camera | None:
        """Return the camera of a sample, for its size and for depth in the unit of the source."""
        return self._rows[entry.key].camera

    def unit(self, entry: Entry) -> str:
        """Return the unit of the source, in which the files are."""
        return self._rows[entry.key].unit


def encode_prepared(
    key: str,
    *,
    rgb: NDArray[np.uint8] | None,
    depth: NDArray[np.float32] | None,
    foreground: NDArray[np.bool_],
    mask: NDArray[np.bool_] | None = None,
    xyz: NDArray[np.float32] | None = None,
) -> dict[str, bytes]:
    """Encode a prepared sample; nothing is written.

    Parameters
    ----------
    key : str
        The source's key; its folders are kept.
    rgb, depth, foreground, mask, xyz : numpy.ndarray
        As in `das3d_aug.preparation.Prepared`; what is None is not written.

    Returns
    -------
    dict of str to bytes
        The content of each file by its relative path, with forward slashes.

    Raises
    ------
    ParameterError
        If the key is not a safe name.
    """
    files = {
        "rgb": rgb is not None and encode_png(rgb),
        "depth": depth is not None and encode_tiff(depth),
        "foreground": encode_mask(foreground),
        "gt": mask is not None and encode_mask(mask),
        "xyz": xyz is not None and encode_tiff(xyz),
    }
    return {_place(key, role): data for role, data in files.items() if data}


@dataclass(frozen=True)
class _Row:
    """A sample in the listing."""

    entry: Entry
    unit: str
    normalisation: Normalisation | None
    camera: Camera | None


def _place(key: str, role: str) -> str:
    *folders, name = safe_parts(key)
    return "/".join(["data", *folders, role, f"{name}.{_SUFFIXES[role]}"])


def _rows(root: Path, listing: Mapping[str, Any]) -> Iterator[_Row]:
    for row in listing["samples"]:
        label = row["label"]
        if label not in (0, 1, None):
            raise ParameterError(f"label must be 0, 1 or null, got {quoted(label)}")
        key, *names = (_text(row[name]) for name in ("key", "split", "defect", "category", "unit"))
        split, defect, category, unit = names
        entry = Entry(
            key=key,
            split=split,
            defect=defect,
            label=label,
            files={role: root / _place(key, role) for role in row["roles"]},
            category=category,
        )
        low_high, camera = row["normalisation"], row["camera"]
        yield _Row(
            entry,
            unit,
            None if low_high is None else Normalisation(**low_high),
            None if camera is None else camera_from_dict(camera),
        )


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ParameterError(f"a name is expected, got {quoted(value)}")
    return value
