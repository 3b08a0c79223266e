"""A detector on data: its figures on labelled test images, and its verdicts on new ones."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from das3d_aug._output import keep_apart, to_json, write_files
from das3d_aug.datasets import Dataset, Sample
from das3d_aug.errors import Das3dError, ParameterError
from das3d_aug.files import encode_png, encode_tiff, open_atomic
from das3d_ref.detector import Detector, Prediction, image_score
from das3d_ref.metrics import evaluate_maps, image_auroc
from das3d_ref.sources import Source, read_pair

__all__ = ["Evaluation", "evaluate", "overlay", "predict_all", "predict_pair"]

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Evaluation:
    """Figures on a test set, and what they were made of.

    Attributes
    ----------
    figures : dict
        As `das3d_ref.metrics.evaluate_maps` names them; the I-AUROC alone if an anomalous image has no mask.
    images : tuple of dict
        ``key``, ``defect``, ``label``, ``score`` and ``verdict`` of each image.
    protocol : dict
        What the figures depend on beside detector and data.
    """

    figures: dict[str, float]
    images: tuple[dict[str, Any], ...]
    protocol: dict[str, Any]

    def to_json(self) -> bytes:
        """Return all of it as JSON; a figure that cannot be said is null."""
        figures = {name: None if math.isnan(figure) else figure for name, figure in self.figures.items()}
        return to_json({"figures": figures, "protocol": self.protocol, "images": self.images})


def evaluate(detector: Detector, source: Source, *, progress: Progress | None = None) -> Evaluation:
    """Judge all test images of a source; maps and masks have the size at which the detector works.

    Parameters
    ----------
    detector : Detector
    source : Source
        Prepared as the detector's own data was (`das3d_ref.sources.open_source` with its configuration).
    progress : callable, optional
        Called with (images done, images in all).

    Raises
    ------
    ParameterError
        If there is no test image, or one without a label.
    """
    if not source.test:
        raise ParameterError(f"{source.dataset.root} has no test images")
    if unknown := [entry.key for entry in source.test if entry.label is None]:
        raise ParameterError(f"{unknown[0]}: is not labelled normal or anomalous, as {len(unknown)} of the test images")
    maps, masks = [], []
    images: list[dict[str, Any]] = []
    marked = True
    for entry in source.test:
        item = source.item(entry, detector.depth_range)
        found = detector.anomaly_map(item)
        score = image_score(found, detector.config.score.window)
        mask = np.zeros(found.shape, bool) if item.sample.mask is None else item.sample.mask
        marked &= item.sample.mask is not None or entry.label == 0
        maps.append(found)
        masks.append(mask)
        images.append(
            {
                "key": entry.key,
                "defect": entry.defect,
                "label": bool(entry.label),
                "score": score,
                "verdict": score > detector.threshold,
            }
        )
        if progress is not None:
            progress(len(images), len(source.test))
    scores, labels = [image["score"] for image in images], [image["label"] for image in images]
    figures = evaluate_maps(maps, masks, scores, labels) if marked else {"I-AUROC": image_auroc(scores, labels)}
    window = detector.config.score.window
    protocol = {
        "resolution": sorted({image.shape for image in maps}),
        "image score": f"largest mean over {window} x {window} pixels",
        "image label": "folder",
        "AUPRO": "every threshold, 8-connected regions, all pixels",
        "threshold": detector.threshold,
    }
    return Evaluation(figures, tuple(images), protocol)


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
    """Judge one image, given by its files (`das3d_ref.sources.read_pair`); otherwise as `predict_all`."""
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
                    f"maps/{key}.tiff": encode_tiff(found.anomaly_map),
                    f"overlays/{key}.png": encode_png(overlay(sample.rgb, found, detector.threshold)),
                }
                write_files(out, files)
            lines.write((json.dumps(line) + "\n").encode())
            if progress is not None:
                progress(number, len(samples))
    return failures


def overlay(rgb: NDArray[np.uint8], prediction: Prediction, threshold: float) -> NDArray[np.uint8]:
    """Return the image with its anomaly map in colours over it, and the outline of what is above the threshold."""
    colours = cv2.applyColorMap(np.rint(prediction.anomaly_map.clip(0, 1) * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)
    share = prediction.anomaly_map.clip(0, 1)[:, :, None]
    mixed = np.rint(rgb * (1 - share) + colours[:, :, ::-1] * share).astype(np.uint8)
    outlines, _ = cv2.findContours(
        (prediction.anomaly_map > threshold).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
    )
    return np.asarray(cv2.drawContours(mixed, outlines, -1, (0, 255, 0), 1), np.uint8)
