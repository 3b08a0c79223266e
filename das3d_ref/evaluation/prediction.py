"""A detector's verdicts on new images: scores, anomaly maps and overlays."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from das3d_aug.colouring import colour_anomaly
from das3d_aug.datasets import Dataset, Entry, Sample
from das3d_aug.datasets.arranging import read_arranged
from das3d_aug.datasets.base import check_size
from das3d_aug.datasets.stored import Meaning
from das3d_aug.errors import Das3dError, ParameterError
from das3d_aug.files import encode_png, encode_tiff, open_atomic, read_camera_for, read_plane, read_rgb
from das3d_aug.geometry import Camera
from das3d_aug.runs.output_folder import keep_apart, write_files
from das3d_ref.config_sections import Mode
from das3d_ref.evaluation.judge import Progress, map_name
from das3d_ref.evaluation.pictures import seen
from das3d_ref.model import Detector, Prediction

Image = NDArray[np.uint8]

_LEAST, _LINE, _BAR = 224, 22, 52  # pixels of an overlay: the least side of an image, the text above, the scale

__all__ = ["Verdicts", "overlay", "predict_all", "predict_pair", "read_pair"]


@dataclass(frozen=True, kw_only=True)
class Verdicts:
    """What a detector said of a set of images.

    Attributes
    ----------
    failures : tuple of (key, reason)
        The images that could not be judged.
    warnings : tuple of (key, reason)
        Images that were judged in spite of something, such as a background that was kept; what is there and not used.
    judged, anomalous : int
        How many could, and how many of these are anomalous.
    unlike : int or None
        How many of these stand out all over (`das3d_ref.model.Prediction`); None if the detector cannot tell.
    """

    failures: tuple[tuple[str, str], ...]
    warnings: tuple[tuple[str, str], ...] = ()
    judged: int
    anomalous: int
    unlike: int | None = None


def read_pair(
    image: Path,
    *,
    mode: Mode = "rgbd",
    depth: Path | None = None,
    xyz: Path | None = None,
    intrinsics: Path | None = None,
    **meaning: Any,
) -> Sample:
    """Read one image and its geometry, each from a file of its own.

    Parameters
    ----------
    image : pathlib.Path
        As for `das3d_aug.files.read_rgb`; with ``mode="depth"`` and neither depth nor points beside it, the depth.
    mode : {"rgb", "depth", "rgbd"}
        What is needed: "rgb" goes without depth and points, the others need one of the two.
    depth, xyz : pathlib.Path, optional
        An image of depth, or organised points (`das3d_aug.files.clouds`).
    intrinsics : pathlib.Path, optional
        The camera, as for `das3d_aug.files.read_camera_for`.
    **meaning
        What the stored numbers mean, as for `das3d_aug.datasets.stored.Meaning`.

    Raises
    ------
    FileError
        If a file cannot be read, its numbers cannot mean this, or the sizes differ.
    ParameterError
        If depth and points are both there, or needed and not; or the meaning is impossible.
    """
    known = Meaning(**meaning)
    if mode == "depth" and depth is None and xyz is None:
        rgb, depth = None, image
    else:
        rgb = read_rgb(image)
    entry = Entry(key=image.stem, split="", defect="", label=None, files={"depth" if rgb is None else "rgb": image})
    if mode == "rgb" and depth is None and xyz is None:
        return Sample(entry=entry, rgb=rgb, depth=None, valid=None, unit=known.unit or "unknown")
    if known.depth_kind == "range" and intrinsics is None:
        raise ParameterError(f"{image}: depth_kind='range' needs the camera: give intrinsics=")
    points: NDArray[np.float32] | None = None
    if depth is not None and xyz is None:
        path, numbers = depth, read_plane(depth, name="depth")
        camera, notes = _camera(intrinsics, numbers.shape)
        measured = known.measure(depth, numbers, camera)
    elif xyz is not None and depth is None and rgb is not None:
        path, (camera, notes) = xyz, _camera(intrinsics, rgb.shape)
        measured, points, _, camera = read_arranged(
            xyz, meaning=known, width=None, size=(rgb.shape[0], rgb.shape[1]), camera=camera
        )
    else:
        raise ParameterError(f"{image}: needs its depth or its points, one of them: give depth= or xyz=")
    if rgb is not None:
        check_size(path, measured.depth.shape, partner=image, expected=rgb.shape)
    return Sample(
        entry=entry,
        rgb=rgb,
        depth=measured.depth,
        valid=np.isfinite(measured.depth) & (measured.depth > 0),
        unit=measured.unit,
        xyz=points,
        intrinsics=camera,
        warnings=(*notes, *measured.warnings),
        stored=measured.stored,
    )


def _camera(path: Path | None, shape: tuple[int, ...]) -> tuple[Camera | None, tuple[str, ...]]:
    return (None, ()) if path is None else read_camera_for(path, shape)


def predict_all(detector: Detector, dataset: Dataset, out: Path, *, progress: Progress | None = None) -> Verdicts:
    """Judge all images of a data set, one in memory at a time; one that cannot be judged does not stop the others.

    Into ``out`` go ``maps/<key>.tiff`` (float32, the size of the image), ``overlays/<key>.png`` and, in the end,
    ``predictions.jsonl``: a line an image with ``key``, ``score``, ``p_value``, ``threshold``, ``label`` (0 normal, 1
    anomalous), ``verdict`` (that in a word) and ``unlike``, or ``key`` and ``error``.

    Parameters
    ----------
    detector : Detector
    dataset : Dataset
        In any layout; images as the camera gave them.
    out : pathlib.Path
    progress : callable, optional
        Called with (images done, images in all).

    Returns
    -------
    Verdicts

    Raises
    ------
    FileError
        If ``out`` cannot be written, or is in the data set's folder.
    """
    keep_apart(out, dataset.root)
    samples = {entry.key: partial(dataset.open, entry) for entry in dataset.entries}
    found = _predict(detector, samples, out, progress)
    listed = tuple((str(dataset.root), sentence) for sentence in dataset.warnings)
    return replace(found, warnings=listed + found.warnings)


def predict_pair(detector: Detector, image: Path, out: Path, **files: Any) -> Verdicts:
    """Judge one image, given by its files (`das3d_ref.evaluation.prediction.read_pair`); otherwise as `predict_all`."""
    return _predict(detector, {image.stem: partial(read_pair, image, mode=detector.config.mode, **files)}, out, None)


def _predict(
    detector: Detector,
    samples: Mapping[str, Callable[[], Sample]],
    out: Path,
    progress: Progress | None,
) -> Verdicts:
    failures: list[tuple[str, str]] = []
    odd: list[tuple[str, str]] = []
    anomalous = unlike = 0
    with open_atomic(out / "predictions.jsonl") as lines:
        for number, (key, read) in enumerate(samples.items(), start=1):
            line: dict[str, Any] = {"key": key}
            try:
                sample = read()
                odd += [(key, sentence) for sentence in sample.warnings]
                with warnings.catch_warnings(record=True) as caught:
                    warnings.simplefilter("always", UserWarning)
                    found = detector.predict_sample(sample)
                odd += [(key, str(warning.message).removeprefix(f"{key}: ")) for warning in caught]
            except Das3dError as error:
                reason = str(error).removeprefix(f"{key}: ")
                failures.append((key, reason))
                line["error"] = reason
            else:
                anomalous += found.label
                unlike += bool(found.unlike)
                line |= {
                    "score": found.score,
                    "p_value": found.p_value,
                    "threshold": detector.threshold,
                    "label": int(found.label),
                    "verdict": "anomalous" if found.label else "normal",
                    "unlike": found.unlike,
                }
                files = {
                    map_name(key): encode_tiff(found.anomaly_map),
                    f"overlays/{key}.png": encode_png(overlay(seen(sample), found, detector.threshold)),
                }
                write_files(out, files)
            lines.write((json.dumps(line) + "\n").encode())
            if progress is not None:
                progress(number, len(samples))
    return Verdicts(
        failures=tuple(failures),
        warnings=tuple(odd),
        judged=len(samples) - len(failures),
        anomalous=anomalous,
        unlike=None if detector.floors is None else unlike,
    )


def overlay(rgb: Image, prediction: Prediction, threshold: float) -> Image:
    """Draw what was judged beside why: the image with the outline of what is above the threshold, and the anomaly map.

    The map's colours are those of the bar at its side, which ends at 0 and 1 and has a mark at the threshold; score,
    threshold and verdict stand above.  Small images are enlarged.
    """
    times = max(1, -(-_LEAST // min(rgb.shape[:2])))
    height, width = (side * times for side in rgb.shape[:2])
    outlined = np.ascontiguousarray(_enlarged(rgb, times))
    above = _enlarged((prediction.anomaly_map > threshold).astype(np.uint8), times)
    borders, _ = cv2.findContours(above, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(outlined, borders, -1, (0, 255, 0), 1)
    sheet = np.full((_LINE + height, 2 * width + _BAR, 3), 255, np.uint8)
    sheet[_LINE:, :width] = outlined
    sheet[_LINE:, width : 2 * width] = colour_anomaly(_enlarged(prediction.anomaly_map.clip(0, 1), times))
    scale = np.linspace(1, 0, height, dtype=np.float32)[:, None]
    sheet[_LINE:, 2 * width + 4 : 2 * width + 16] = colour_anomaly(scale.repeat(12, axis=1))
    mark = _LINE + round((1 - min(max(threshold, 0.0), 1.0)) * (height - 1))
    sheet[mark - 1 : mark + 1, 2 * width + 2 : 2 * width + 18] = 0
    said = f"{'anomalous' if prediction.label else 'normal'}: score {prediction.score:.3f}, threshold {threshold:.3f}"
    _write(sheet, said, (4, 15))
    for end, baseline in (("1", _LINE + 10), (f"{threshold:.2f}", mark + 4), ("0", _LINE + height - 2)):
        _write(sheet, end, (2 * width + 20, min(max(baseline, _LINE + 10), _LINE + height - 2)))
    return sheet


def _enlarged(image: NDArray[Any], times: int) -> NDArray[Any]:
    return image.repeat(times, axis=0).repeat(times, axis=1)


def _write(sheet: Image, text: str, at: tuple[int, int]) -> None:
    cv2.putText(sheet, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.4, (30, 30, 30), 1, cv2.LINE_AA)
