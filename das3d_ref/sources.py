"""Where training and test images come from: any layout of `das3d_aug.datasets`, prepared once and kept.

The prepared images lie in a folder of the cache that is named for the source and the settings, so runs of other modes
and seeds share them.  Their depth keeps its unit; it is normalised here, by the range of each image or of all normal
training images.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import PartialState

from das3d_aug._output import HEADER
from das3d_aug.datasets import Entry, Sample, open_dataset
from das3d_aug.datasets.base import Dataset, check_size
from das3d_aug.datasets.prepared import Normalisation
from das3d_aug.errors import FileError, ParameterError
from das3d_aug.files import read_json, read_plane, read_rgb
from das3d_aug.geometry import points_to_depth, read_camera, to_unit
from das3d_aug.pointclouds import read_organized
from das3d_aug.preparation import prepare
from das3d_aug.preprocessing import Preparation, Prepared, depth_range
from das3d_ref.config import Config
from das3d_ref.data import Item, to_item

__all__ = ["DepthRange", "Source", "as_item", "in_turn", "open_source", "preparation_of", "read_pair"]

_HELD_OUT = 10  # without a validation split, one normal training image in so many validates


@dataclass(frozen=True)
class DepthRange:
    """The nearest and the farthest depth of a set of images, in ``unit``."""

    low: float
    high: float
    unit: str

    def normalisation(self, unit: str) -> Normalisation:
        """Return the map of this range to (0, 1) for depth in another unit."""
        return Normalisation(to_unit(self.low, self.unit, unit), to_unit(self.high, self.unit, unit))


@dataclass(frozen=True)
class Source:
    """The prepared images of one category.

    Attributes
    ----------
    dataset : Dataset
        Prepared images, depth in its unit.
    train, validation, test : tuple of Entry
        Normal images to learn from, normal images to validate with, and what is tested.
    warnings : tuple of (key, reason)
        Images of which the background was kept, because no plane was found (``preparation.fallback = "keep"``).
    """

    dataset: Dataset
    train: tuple[Entry, ...]
    validation: tuple[Entry, ...]
    test: tuple[Entry, ...]
    warnings: tuple[tuple[str, str], ...] = ()

    def depth_range(self, config: Config) -> DepthRange | None:
        """Return the range of all training images, or None if each image has its own."""
        if config.preparation.normalise != "dataset":
            return None
        samples = map(self.dataset.open, self.train)
        found = [DepthRange(span.low, span.high, sample.unit) for sample in samples for span in [depth_range(sample)]]
        return DepthRange(min(span.low for span in found), max(span.high for span in found), found[0].unit)

    def item(self, entry: Entry, span: DepthRange | None) -> Item:
        """Open an image as the networks take it."""
        return as_item(self.dataset.open(entry), span)


def as_item(sample: Sample | Prepared, span: DepthRange | None) -> Item:
    """Give a prepared sample the normalisation of its set, or of itself.

    Raises
    ------
    ParameterError
        If its unit cannot be converted to that of the set.
    """
    return to_item(sample, depth_range(sample) if span is None else span.normalisation(sample.unit))


def preparation_of(config: Config) -> Preparation:
    """Return how images are prepared on disk: depth in its unit, and points if there are to be normals."""
    return replace(config.preparation, normalise="none", xyz=config.data.normals and config.mode != "rgb")


def open_source(
    data: str | Path,
    *,
    category: str | None = None,
    config: Config,
    cache: str | Path,
    workers: int = 0,
    progress: Callable[[int, int], None] | None = None,
    **options: Any,
) -> Source:
    """Prepare one category of a data set, or find it prepared.

    Images of the split "train" are learnt from, or all where there are no splits, except those that are known to be
    anomalous.  Without a split "validation" every tenth of them validates.

    Parameters
    ----------
    data : path
        A folder in any layout that `das3d_aug.datasets.open_dataset` reads; also one that `das3d_aug.preparation`
        wrote with the same settings and without normalisation.
    category : str, optional
        Which, where there are several.
    config : Config
        Its ``preparation`` says what is done.
    cache : path
        Where prepared images are kept.
    workers : int
        Processes that prepare.
    progress : callable, optional
        Called with (images prepared, images in all).
    **options
        As for `open_dataset`: ``layout``, ``depth_scale`` …

    Raises
    ------
    FileError
        If the data cannot be read, an image cannot be prepared, or it was prepared with other settings.
    ParameterError
        If there is no such category, or none is named and there are several.
    """
    root = Path(data)
    dataset = open_dataset(root, **options)
    names = sorted({entry.category for entry in dataset.entries})
    if category is None and len(names) > 1:
        raise ParameterError(f"category must be named, {root} has {', '.join(names)}")
    if category is not None and category not in names:
        known = ", ".join(name for name in names if name) or "none by name"
        raise ParameterError(f"category {category!r} is not in {root}; there are {known}")
    settings = preparation_of(config)
    warnings: tuple[tuple[str, str], ...] = ()
    if dataset.layout == "prepared":
        _check_settings(root, settings)
    else:
        folder = root / category if category is not None and (root / category).is_dir() else root
        key = json.dumps([str(folder.resolve()), settings.to_dict(), options], sort_keys=True, default=str)
        out = Path(cache) / f"{folder.resolve().name}-{hashlib.sha256(key.encode()).hexdigest()[:12]}"
        made = in_turn(lambda: _prepare(folder, out, settings, workers, progress, options))
        dataset, warnings = open_dataset(out, layout="prepared"), made or ()
    entries = [entry for entry in dataset.entries if category in (None, entry.category)]
    normal = [entry for entry in entries if entry.label != 1]
    train = [entry for entry in normal if entry.split == "train"] or [entry for entry in normal if not entry.split]
    validation = [entry for entry in normal if entry.split == "validation"]
    if not validation:
        validation = train[::_HELD_OUT]
        train = [entry for number, entry in enumerate(train) if number % _HELD_OUT]
    test = [entry for entry in entries if entry.split == "test"]
    return Source(dataset, tuple(train), tuple(validation), tuple(test), warnings)


def read_pair(
    rgb: Path,
    *,
    depth: Path | None = None,
    xyz: Path | None = None,
    intrinsics: Path | None = None,
    depth_scale: float = 1.0,
    unit: str = "unknown",
) -> Sample:
    """Read one image and its geometry, each from a file of its own.

    Parameters
    ----------
    rgb : pathlib.Path
        As for `das3d_aug.files.read_rgb`.
    depth, xyz : pathlib.Path
        One of them: an image of depth, or organised points (`das3d_aug.pointclouds`).
    intrinsics : pathlib.Path, optional
        The camera, as for `das3d_aug.geometry.read_camera`.
    depth_scale : float
        Stored numbers per unit.
    unit : str
        "m" or "mm".

    Raises
    ------
    FileError
        If a file cannot be read, or the sizes differ.
    ParameterError
        If there is not one of depth and points, or the scale is not positive.
    """
    if not 0 < depth_scale < float("inf"):
        raise ParameterError(f"depth_scale must be positive, got {depth_scale!r}")
    image, points = read_rgb(rgb), None
    with np.errstate(over="ignore"):  # beyond float32 is inf, which is invalid
        if depth is not None and xyz is None:
            z = (read_plane(depth, name="depth") / np.float64(depth_scale)).astype(np.float32)
            check_size(depth, z.shape, partner=rgb, expected=image.shape)
        elif xyz is not None and depth is None:
            points = (read_organized(xyz, width=image.shape[1]).xyz / np.float64(depth_scale)).astype(np.float32)
            check_size(xyz, points.shape, partner=rgb, expected=image.shape)
            z = points_to_depth(points)
        else:
            raise ParameterError(f"{rgb}: needs its depth or its points, one of them: give --depth or --xyz")
    entry = Entry(key=rgb.stem, split="", defect="", label=None, files={"rgb": rgb})
    camera = None if intrinsics is None else read_camera(intrinsics)
    valid = np.isfinite(z) & (z > 0)
    return Sample(entry=entry, rgb=image, depth=z, valid=valid, unit=unit, xyz=points, intrinsics=camera)


def in_turn(work: Callable[[], Any]) -> Any:
    """Let one process of each machine do something that only one can do at a time; the others wait.

    Returns
    -------
    What ``work`` returned; None where others did it.
    """
    state = PartialState(cpu=not torch.accelerator.is_available())  # or processes on CPUs do not find each other
    result = None
    for turn in range(state.num_processes):
        if turn == state.process_index and state.is_local_main_process:
            result = work()
        state.wait_for_everyone()
    return result


def _prepare(
    folder: Path,
    out: Path,
    settings: Preparation,
    workers: int,
    progress: Callable[[int, int], None] | None,
    options: Mapping[str, Any],
) -> tuple[tuple[str, str], ...]:
    summary = prepare(folder, out, settings=settings, workers=workers, wait=True, progress=progress, **options)
    if summary.failures:
        (path, reason), others = summary.failures[0], len(summary.failures) - 1
        raise FileError(path, f"{reason}; mend or remove it" + (f", and {others} more" if others else ""))
    return summary.warnings


def _check_settings(root: Path, settings: Preparation) -> None:
    """Refuse a prepared folder that differs from what a detector would do to new images."""
    path = root / HEADER
    found = read_json(path).get("settings", {})
    wanted = json.loads(json.dumps(settings.to_dict()))
    other = [
        f"{name} {found.get(name)!r}, not {value!r}"
        for name, value in wanted.items()
        if found.get(name) != value and not (name == "xyz" and found.get(name))
    ]
    if other:
        raise FileError(path, f"prepared with {'; '.join(other)}: change preparation.…, or give the source of {root}")
