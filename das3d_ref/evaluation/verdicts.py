"""A detector's verdicts on new images: scores, anomaly maps and overlays."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from das3d_aug.datasets import Dataset, Entry, Sample
from das3d_aug.datasets.base import check_size
from das3d_aug.errors import Das3dError, ParameterError
from das3d_aug.files import encode_png, encode_tiff, open_atomic, read_camera_for, read_organized, read_plane, read_rgb
from das3d_aug.geometry import points_to_depth
from das3d_aug.runs.folder import keep_apart, write_files
from das3d_ref.evaluation.judge import Progress, _map_name
from das3d_ref.model import Detector, Prediction
from das3d_ref.model.detector import heat_map

__all__ = ["overlay", "predict_all", "predict_pair", "read_pair"]


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
        One of them: an image of depth, or organised points (`das3d_aug.files.clouds`).
    intrinsics : pathlib.Path, optional
        The camera, as for `das3d_aug.files.read_camera_for`.
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
    camera, notes = (None, ()) if intrinsics is None else read_camera_for(intrinsics, z.shape)
    valid = np.isfinite(z) & (z > 0)
    return Sample(
        entry=entry, rgb=image, depth=z, valid=valid, unit=unit, xyz=points, intrinsics=camera, warnings=notes
    )


def predict_all(
    detector: Detector, dataset: Dataset, out: Path, *, progress: Progress | None = None
) -> list[tuple[str, str]]:
    """Judge all images of a data set, one in memory at a time; one that cannot be judged does not stop the others.

    Into ``out`` go ``maps/<key>.tiff`` (float32, the size of the image), ``overlays/<key>.png`` and, in the end,
    ``predictions.jsonl``: a line an image with ``key``, ``score`` and ``label`` (0 normal, 1 anomalous), or ``key`` and
    ``error``.

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
    list of (key, reason)
        The images that could not be judged.

    Raises
    ------
    FileError
        If ``out`` cannot be written, or is in the data set's folder.
    """
    keep_apart(out, dataset.root)
    samples = {entry.key: partial(dataset.open, entry) for entry in dataset.entries}
    return _predict(detector, samples, out, progress)


def predict_pair(detector: Detector, rgb: Path, out: Path, **files: Any) -> list[tuple[str, str]]:
    """Judge one image, given by its files (`das3d_ref.evaluation.verdicts.read_pair`); otherwise as `predict_all`."""
    return _predict(detector, {rgb.stem: partial(read_pair, rgb, **files)}, out, None)


def _predict(
    detector: Detector,
    samples: Mapping[str, Callable[[], Sample]],
    out: Path,
    progress: Progress | None,
) -> list[tuple[str, str]]:
    failures = []
    with open_atomic(out / "predictions.jsonl") as lines:
        for number, (key, read) in enumerate(samples.items(), start=1):
            line: dict[str, Any] = {"key": key}
            try:
                sample = read()
                found = detector.predict_sample(sample)
            except Das3dError as error:
                failures.append((key, str(error)))
                line["error"] = str(error)
            else:
                line |= {"score": found.score, "label": int(found.label)}
                files = {
                    _map_name(key): encode_tiff(found.anomaly_map),
                    f"overlays/{key}.png": encode_png(overlay(sample.rgb, found, detector.threshold)),
                }
                write_files(out, files)
            lines.write((json.dumps(line) + "\n").encode())
            if progress is not None:
                progress(number, len(samples))
    return failures


def overlay(rgb: NDArray[np.uint8], prediction: Prediction, threshold: float) -> NDArray[np.uint8]:
    """Return the image with its anomaly map in colours over it, and the outline of what is above the threshold."""
    share = prediction.anomaly_map.clip(0, 1)[:, :, None]
    mixed = np.rint(rgb * (1 - share) + heat_map(prediction.anomaly_map) * share).astype(np.uint8)
    outlines, _ = cv2.findContours(
        (prediction.anomaly_map > threshold).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
    )
    return np.asarray(cv2.drawContours(mixed, outlines, -1, (0, 255, 0), 1), np.uint8)
