"""Figures of a detector, or of any detector's maps, on labelled test images."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from das3d_aug.datasets import Dataset, Entry
from das3d_aug.errors import FileError, ParameterError, counted
from das3d_aug.files import contained, encode_tiff, read_plane
from das3d_aug.runs.output_folder import keep_apart, write_files
from das3d_ref.config import Config
from das3d_ref.evaluation.record import Evaluation
from das3d_ref.metrics import REPLICATES, Measured, mark, measure
from das3d_ref.model import Detector
from das3d_ref.model.inputs import DepthRange, Item
from das3d_ref.model.score import image_score, otherwise_taken
from das3d_ref.training import Source
from das3d_ref.training.run_folder import digest_of

__all__ = ["evaluate", "judge_maps", "score_maps", "unseen"]

NO_TEST = (
    "has no test images: put good ones into test/good/ and others, with masks, into test/<defect>/; images without a "
    "label are judged by das3d-ref predict"
)
_SUFFIXES = (".tiff", ".tif", ".npy", ".png")
Progress = Callable[[int, int], None]


class _Judged(NamedTuple):
    """What is known of a test image; without a mask its regions are unknown."""

    anomaly_map: NDArray[Any]
    mask: NDArray[np.bool_] | None
    score: float
    verdict: bool | None


def evaluate(
    detector: Detector,
    source: Source,
    *,
    out: Path | None = None,
    as_published: bool = False,
    progress: Progress | None = None,
) -> Evaluation:
    """Judge all test images of a source; maps and masks have the size at which the detector works.

    Parameters
    ----------
    detector : Detector
    source : Source
        Prepared as the detector's own data was (`das3d_ref.training.open_source` with its configuration).
    out : pathlib.Path, optional
        Where ``maps/<key>.tiff`` go (float32) and are read again; without it all maps are held.
    as_published : bool
        Add AUPRO of 100 thresholds, as many papers have it.
    progress : callable, optional
        Called with (images done, images in all).

    Raises
    ------
    ParameterError
        If there is no test image, or one without a label.
    FileError
        If ``out`` cannot be written, or is in the data set's folder.
    """
    found = unseen(source, detector)
    unlike: list[bool | None] = []

    def find(item: Item) -> NDArray[np.float32]:
        anomaly_map = detector.anomaly_map(item)
        unlike.append(detector.unlike(item, anomaly_map))
        return anomaly_map

    notes = {} if detector.expected is None else {"false positives expected": str(detector.expected)}
    if left_out := len(source.test) - len(found.test):
        notes["left out"] = f"{counted(left_out, 'test image')} that the detector has learnt from"
    evaluation = judge_maps(
        found,
        find,
        window=detector.config.score.window,
        depth_range=detector.depth_range,
        threshold=detector.threshold,
        notes=notes,
        out=out,
        as_published=as_published,
        progress=progress,
    )
    good = [odd for entry, odd in zip(found.test, unlike, strict=True) if not entry.label]
    if good and detector.floors is not None:
        odd = sum(map(bool, good))
        evaluation.protocol["unlike those of the training all over"] = f"{odd} of {len(good)} good test images"
        if sentence := otherwise_taken(detector.floors, odd, len(good), what="good test image"):
            warnings.warn(sentence, stacklevel=2)
    return evaluation


def unseen(source: Source, detector: Detector) -> Source:
    """Return a source without the test images that are among the real anomalies that a detector was trained with.

    Raises
    ------
    ParameterError
        If no anomalous one is left, or they could not be known: images are prepared otherwise than in training.
    """
    seen = set(detector.header.get("anomalies", ()))
    if not seen:
        return source
    if detector.config.preparation != Config.from_dict(detector.header["config"]).preparation:
        raise ParameterError(
            "the detector has learnt from real defects, and knows their images only as they were prepared in training: "
            "leave foreground, distance and fallback as trained"
        )
    test = tuple(entry for entry in source.test if digest_of([source.item(entry, None)]) not in seen)
    if any(entry.label for entry in source.test) and not any(entry.label for entry in test):
        raise ParameterError("nothing is left to measure: the detector has learnt from all anomalous test images")
    return replace(source, test=test)


def judge_maps(
    source: Source,
    find: Callable[[Item], NDArray[np.float32]],
    *,
    window: int,
    depth_range: DepthRange | None = None,
    threshold: float | None = None,
    notes: Mapping[str, str] | None = None,
    out: Path | None = None,
    as_published: bool = False,
    progress: Progress | None = None,
) -> Evaluation:
    """Judge all test images of a source by the maps of any method; otherwise as `evaluate`.

    Parameters
    ----------
    source : Source
    find : callable
        From a prepared image to its anomaly map.
    window : int
        Side of the squares whose largest mean is the image's score.
    depth_range : DepthRange, optional
        That the images are normalised by.
    threshold : float, optional
        Scores above it are anomalous; without it there are no verdicts.
    notes : mapping of str to str, optional
        What else the record says of how it was judged.
    out, as_published, progress
        As for `evaluate`.
    """
    if not source.test:
        raise ParameterError(f"{source.data or source.dataset.root} {NO_TEST}")
    held: dict[str, NDArray[np.float32]] = {}
    if out is not None:
        keep_apart(out, source.dataset.root)

    def judge(entry: Entry) -> _Judged:
        item = source.item(entry, depth_range)
        found = find(item)
        score = image_score(found, window)
        if out is None:
            held[entry.key] = found
        return _Judged(found, item.sample.mask, score, None if threshold is None else score > threshold)

    def again(entry: Entry) -> NDArray[Any]:
        return held[entry.key] if out is None else read_plane(out / map_name(entry.key))

    protocol = {
        "image score": f"largest mean over {window} x {window} pixels",
        "threshold": threshold,
        **(notes or {}),
    }
    return _evaluate(source.test, judge, again, out=out, as_published=as_published, progress=progress, **protocol)


def score_maps(
    dataset: Dataset,
    maps: Path,
    *,
    category: str | None = None,
    out: Path | None = None,
    as_published: bool = False,
    progress: Progress | None = None,
) -> Evaluation:
    """Measure the anomaly maps of any detector at the size of the masks, one in memory at a time.

    The map of an image is the file of its key, ``<category>/test/<defect>/<id>.tiff`` for MVTec 3D-AD, with or without
    the category: a TIFF, npy or 16-bit PNG, larger = more anomalous.  One of another size is resized bilinearly.  The
    score of an image is the largest value of its map, before it is resized.

    Parameters
    ----------
    dataset : Dataset
    maps : pathlib.Path
        The folder of maps.
    category : str, optional
        Which, where there are several.
    out : pathlib.Path, optional
        Where maps go as ``maps/<key>.tiff``: float32, of the size of the masks.
    as_published : bool
        Add AUPRO of 100 thresholds, as many papers have it.
    progress : callable, optional
        Called with (images done, images in all).

    Raises
    ------
    ParameterError
        If there is no test image, one without a label, or several categories and none is named.
    FileError
        If a map is missing, there are two of an image, one cannot be read or holds NaN or infinity, or ``out`` cannot
        be written or overlaps what is read.
    """
    if out is not None:
        keep_apart(out, dataset.root)
        keep_apart(out, maps)
    entries = _test_images(dataset, category)
    files = _find_maps(entries, maps)
    sizes: dict[str, tuple[int, ...]] = {}
    given: set[tuple[int, ...]] = set()
    coarse = 0

    def judge(entry: Entry) -> _Judged:
        nonlocal coarse
        found, eight_bits = _read_map(files[entry.key])
        sample = dataset.open(entry)
        coarse += eight_bits
        sizes[entry.key] = sample.shape
        if found.shape != sample.shape:
            given.add(found.shape)
        return _Judged(_resized(found, sample.shape), sample.mask, float(found.max()), None)

    def again(entry: Entry) -> NDArray[Any]:
        return _resized(_read_map(files[entry.key])[0], sizes[entry.key])

    protocol = {"image score": "largest value of the map", "threshold": None}
    found = _evaluate(entries, judge, again, out=out, as_published=as_published, progress=progress, **protocol)
    if given:
        found.protocol["maps resized bilinearly from"] = sorted(given)
    if coarse:
        found.protocol["maps of 8 bits"] = f"{coarse}: at most 256 different values, so many ties"
    return found


def _evaluate(
    entries: Sequence[Entry],
    judge: Callable[[Entry], _Judged],
    again: Callable[[Entry], NDArray[Any]],
    *,
    out: Path | None,
    as_published: bool,
    progress: Progress | None,
    **protocol: Any,
) -> Evaluation:
    """Judge test images and measure; ``again`` returns the map of an image that was judged."""
    if unknown := [entry.key for entry in entries if entry.label is None]:
        raise ParameterError(f"{unknown[0]}: is not labelled normal or anomalous, as {len(unknown)} of the test images")
    images: list[dict[str, Any]] = []
    marked, sizes, unmarked = [], set(), 0
    for entry in entries:
        found, mask, score, verdict = judge(entry)
        sizes.add(found.shape)
        if mask is None and entry.label == 0:
            mask = np.zeros(found.shape, bool)
        if mask is not None:
            marked.append(mark(found, mask, name=f"the map of {entry.key}"))
            unmarked += entry.label == 1 and not mask.any()
        if out is not None:
            write_files(out, {map_name(entry.key): encode_tiff(found.astype(np.float32, copy=False))})
        label = bool(entry.label)
        images.append({"key": entry.key, "defect": entry.defect, "label": label, "score": score, "verdict": verdict})
        if progress is not None:
            progress(len(images), len(entries))
    measured = measure(
        [image["score"] for image in images],
        [image["label"] for image in images],
        maps=map(again, entries),
        marked=marked if len(marked) == len(entries) else None,
        as_published=as_published,
    )
    protocol = {
        "resolution": sorted(sizes),
        "image label": "folder",
        **protocol,
        "AUPRO": "every threshold, 8-connected regions, all pixels",
        "intervals": _intervals_of(measured, [image["label"] for image in images]),
    }
    if as_published:
        protocol["AUPRO (100 thresholds)"] = "at normal pixels of equally spaced ranks"
    if unmarked:
        protocol["anomalous images without a marked pixel"] = unmarked
    return Evaluation(
        measured.figures,
        tuple(images),
        protocol,
        measured.intervals,
        measured.curves,
        replicates=measured.replicates,
    )


def _intervals_of(measured: Measured, labels: Sequence[bool]) -> str:
    """Say how intervals were found, or why there are none."""
    if not measured.intervals:
        bad = sum(labels)
        return f"none: they need two good and two anomalous images, and there are {len(labels) - bad} and {bad}"
    text = f"middle 95 % of {REPLICATES} replicates, good and anomalous images drawn apart"
    one_region = not math.isnan(measured.figures.get("P-AUROC", math.nan)) and "P-AUROC" not in measured.intervals
    return text + ("; none of pixels, since one image alone has marked ones" if one_region else "")


def map_name(key: str) -> str:
    return f"maps/{key}.tiff"


def _test_images(dataset: Dataset, category: str | None) -> tuple[Entry, ...]:
    tested = dataset.select(split="test")
    names = sorted({entry.category for entry in tested.entries})
    if category is None and len(names) > 1:
        raise ParameterError(f"category must be named, {dataset.root} has {', '.join(names)}")
    if category is not None and category not in names:
        known = ", ".join(filter(None, names)) or "none by name"
        raise ParameterError(f"category {category!r} has no test images in {dataset.root}; there are {known}")
    if not tested.entries:
        raise ParameterError(f"{dataset.root} {NO_TEST}")
    return tested.select(category=category).entries


def _find_maps(entries: Sequence[Entry], folder: Path) -> dict[str, Path]:
    """Return the file of each image's map by its key."""
    files: dict[str, Path] = {}
    missing = []
    for entry in entries:
        names = dict.fromkeys((entry.key, entry.key.removeprefix(f"{entry.category}/")))
        paths = [path for name in names for suffix in _SUFFIXES if (path := folder / f"{name}{suffix}").is_file()]
        if len(paths) > 1:
            raise FileError(paths[1], f"is a second map of {entry.key}, as {paths[0]}; keep one of them")
        if paths:
            files[entry.key] = contained(folder, paths[0])
        else:
            missing.append(folder / f"{entry.key}.tiff")
    if missing:
        raise FileError(
            missing[0], f"no such map (nor .npy or .png), as for {len(missing)} of {len(entries)} test images"
        )
    return files


def _read_map(path: Path) -> tuple[NDArray[np.floating], bool]:
    """Return a map, and whether it was stored in 8 bits."""
    plane = read_plane(path)
    floats: NDArray[np.floating] = plane.astype(np.float32 if np.can_cast(plane.dtype, np.float32) else np.float64)
    if not np.isfinite(floats).all():
        raise FileError(path, "holds NaN or infinity; write finite numbers, larger = more anomalous")
    return floats, plane.dtype.itemsize == 1


def _resized(found: NDArray[np.floating], size: tuple[int, ...]) -> NDArray[Any]:
    if found.shape == size:
        return found
    return np.asarray(cv2.resize(found, size[::-1], interpolation=cv2.INTER_LINEAR))
