"""One HTML file that shows an evaluation to people: figures, curves and every test image; it works offline.

The page holds all it needs: pictures as WebP of at most 224 pixels, and for the worst images a surface of at most
72 x 72 points as base64 (depth in 16 bits, where 0 is not measured; anomaly and light in 8), which plotly.js draws.
Worst are the images that lie farthest on the wrong side of the threshold.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from numpy.typing import NDArray
from plotly.offline import get_plotlyjs

from das3d_aug.colouring import ANOMALY, colour_anomaly
from das3d_aug.datasets import Sample
from das3d_aug.files import write_atomic
from das3d_ref.evaluation.judge import Progress
from das3d_ref.evaluation.pictures import (
    colour_range,
    fit,
    outline,
    part_of,
    resized,
    shaded,
    share_of,
)
from das3d_ref.evaluation.record import Evaluation, Table
from das3d_ref.metrics import image_auroc
from das3d_ref.model.detector import versions

__all__ = ["by_defect", "write_report"]

Map = NDArray[np.float32]
Image = NDArray[np.uint8]
_PICTURE, _SURFACE, _SURFACES = 224, 72, 150  # pixels, points, images
_GOOD, _LOSSLESS = 75, 101  # qualities of WebP, as OpenCV counts


@dataclass(frozen=True)
class _Card:
    """What the gallery shows of an image."""

    key: str
    defect: str
    score: float
    margin: float
    outcome: str
    wrong: bool
    pictures: dict[str, str]
    size: tuple[int, int]
    outline: str
    surface: dict[str, Any] | None


def write_report(
    path: str | Path,
    evaluation: Evaluation,
    *,
    title: str,
    open_sample: Callable[[str], Sample],
    open_map: Callable[[str], Map],
    tables: Iterable[Table] = (),
    progress: Progress | None = None,
) -> None:
    """Write the report of one evaluation, of whatever detector.

    Parameters
    ----------
    path : path
        The HTML file.
    evaluation : Evaluation
    title : str
    open_sample : callable
        Takes a key of the evaluation's images, returns the sample.
    open_map : callable
        Takes the same key, returns the anomaly map, H x W; it is stretched to the size of the sample.
    tables : iterable of (caption, header, rows), optional
        Shown below the table by defect.
    progress : callable, optional
        Called with (images done, images in all).

    Raises
    ------
    ParameterError
        If there is no image, or a map is not H x W of finite numbers.
    FileError
        If the file cannot be written, or a sample or map cannot be read.
    """
    images = evaluation.images
    low, high = colour_range(open_map(image["key"]) for image in images)
    threshold = evaluation.protocol.get("threshold")
    middle = _between(images) if threshold is None else threshold
    cards = []
    for number, image in enumerate(images, start=1):
        share = share_of(open_map(image["key"]), low, high)
        cards.append(_card(image, open_sample(image["key"]), share, middle))
        if progress is not None:
            progress(number, len(images))
    cards.sort(key=lambda card: -card.margin)
    page = Environment(
        loader=PackageLoader("das3d_ref.evaluation", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    text = page.get_template("report.html").render(
        title=title,
        summary=_summary(images, threshold),
        figures=[
            (name, _figure(figure), " – ".join(_figure(end) for end in evaluation.intervals.get(name, ())))
            for name, figure in evaluation.figures.items()
        ],
        intervals=evaluation.intervals,
        tables=[by_defect(images), *tables],
        cards=cards,
        defects=sorted({card.defect for card in cards}),
        judged=threshold is not None,
        middle=f"{middle:.4g}",
        surfaces=sum(card.surface is not None for card in cards[:_SURFACES]),
        range=[f"{end:.3g}" for end in (low, high)],
        colours=ANOMALY,
        protocol={name: _plain(value) for name, value in evaluation.protocol.items()},
        versions=versions(),
        data={
            "curves": evaluation.curves,
            "scores": {
                kind: [image["score"] for image in images if image["label"] == label]
                for kind, label in (("good", False), ("anomalous", True))
            },
            "threshold": threshold,
            "range": [low, high],
            "colours": ANOMALY,
            "surfaces": {str(number): card.surface for number, card in enumerate(cards[:_SURFACES])},
        },
        plotly=get_plotlyjs(),
    )
    write_atomic(path, text.encode())


def by_defect(images: Sequence[dict[str, Any]]) -> Table:
    """Return the table of the kinds of defects: how many there are, how well each is told from the good images."""
    good = [image["score"] for image in images if not image["label"]]
    rows: list[tuple[Any, ...]] = []
    for label in (False, True):
        for defect in sorted({image["defect"] for image in images if image["label"] == label}):
            same = [image for image in images if (image["label"], image["defect"]) == (label, defect)]
            scores = [image["score"] for image in same]
            auroc = image_auroc(good + scores, [False] * len(good) + [True] * len(scores)) if label else math.nan
            judged = [image["verdict"] for image in same if image["verdict"] is not None]
            called = f"{sum(judged)} of {len(judged)}" if judged else "–"
            rows.append((defect or "unnamed", len(same), _figure(auroc), f"{np.median(scores):#.4g}", called))
    header = ("defect", "images", "I-AUROC against good", "median score", "called anomalous")
    return "Kinds of defects", header, rows


def _card(image: dict[str, Any], sample: Sample, share: Map, middle: float) -> _Card:
    """``share`` is the anomaly map in 0 … 1; the margin is positive on the wrong side of ``middle``."""
    height, width = sample.shape
    label, verdict = image["label"], image["verdict"]
    light = None if sample.depth is None else shaded(sample)
    size = fit(sample.shape, _PICTURE)
    seen = {"colour": sample.rgb, "surface": light}
    pictures = {name: _webp(resized(image, size), _GOOD) for name, image in seen.items() if image is not None}
    pictures["anomaly"] = _webp(colour_anomaly(resized(share, size)), _LOSSLESS)
    outcomes = {(True, False): "missed", (False, True): "false alarm", (True, True): "found", (False, False): "passed"}
    return _Card(
        key=image["key"],
        defect=image["defect"] or "unnamed",
        score=image["score"],
        margin=(middle - image["score"]) if label else (image["score"] - middle),
        outcome="not judged" if verdict is None else outcomes[label, verdict],
        wrong=verdict is not None and verdict != label,
        pictures=pictures,
        size=(width, height),
        outline="" if sample.mask is None else "".join(map(_path, outline(sample.mask))),
        surface=None if light is None else _surface(sample, share, light[:, :, 0]),
    )


def _surface(sample: Sample, share: Map, light: Image) -> dict[str, Any]:
    """Return a small surface and its anomaly; flying points are cut off at three times the middle range of depth."""
    size = fit(light.shape, _SURFACE)
    part = part_of(sample)
    weight = resized(part.astype(np.float32), size)
    depth = resized(np.where(part, sample.need("depth"), np.float32(0)), size)
    there = weight >= 0.5
    depth = np.divide(depth, weight, out=np.zeros_like(depth), where=there)
    low = high = 0.0
    if there.any():
        near, far = np.percentile(depth[there], (2, 98))
        low = float(max(depth[there].min(), 2 * near - far))
        high = float(min(depth[there].max(), 2 * far - near))
    steps = 1 + np.rint((depth.clip(low, high) - low) / ((high - low) or 1.0) * 65534)
    return {
        "width": size[0],
        "height": size[1],
        "low": low,
        "high": high,
        "unit": sample.unit,
        "depth": _base64(np.where(there, steps, 0).astype("<u2")),
        "anomaly": _base64(np.rint(resized(share, size) * 255).astype(np.uint8)),
        "light": _base64(resized(light, size)),
    }


def _webp(picture: Image, quality: int) -> str:
    _, code = cv2.imencode(".webp", picture[:, :, ::-1], [cv2.IMWRITE_WEBP_QUALITY, quality])
    return f"data:image/webp;base64,{_base64(code)}"


def _base64(array: NDArray[Any]) -> str:
    return base64.b64encode(array.tobytes()).decode()


def _path(border: NDArray[np.int32]) -> str:
    """Return a polygon through the middles of pixels as an SVG path."""
    return "M" + " ".join(f"{x + 0.5:g},{y + 0.5:g}" for x, y in border) + "Z"


def _between(images: Sequence[dict[str, Any]]) -> float:
    """Return the score halfway between the medians of good and anomalous images: the threshold where there is none."""
    kinds = ([image["score"] for image in images if image["label"] == label] for label in (False, True))
    return float(np.mean([np.median(scores) for scores in kinds if scores]))


def _summary(images: Sequence[dict[str, Any]], threshold: float | None) -> str:
    bad = [image for image in images if image["label"]]
    good = [image for image in images if not image["label"]]
    counts = f"{len(images)} test images: {len(good)} good and {len(bad)} anomalous."
    if threshold is None:
        return f"{counts} There is no threshold, so there are no verdicts."
    missed = sum(not image["verdict"] for image in bad)
    alarms = sum(image["verdict"] for image in good)
    return (
        f"{counts} At the threshold {threshold:.4g}, {missed} of the {len(bad)} anomalous images are missed "
        f"and {alarms} of the {len(good)} good ones are called anomalous."
    )


def _figure(value: float) -> str:
    """Write a figure; one that cannot be said is a dash."""
    return "–" if math.isnan(value) else f"{value:.3f}"


def _plain(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, float):
        return f"{value:.6g}"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
