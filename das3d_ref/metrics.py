"""How good anomaly maps and scores are.

Labels and masks are true where anomalous, scores and maps larger where more anomalous.  AUPRO is that of the MVTec
3D-AD evaluation: every threshold counts, regions are 8-connected, all pixels take part, measured or not.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from das3d_aug.errors import ParameterError

__all__ = ["FIGURES", "aupro", "evaluate_maps", "image_auroc"]

_LIMITS = (0.3, 0.1, 0.05, 0.01)

FIGURES = ("I-AUROC", "P-AUROC", "AP", *(f"AUPRO@{limit:g}" for limit in _LIMITS))
"""The names of what `evaluate_maps` returns."""

Maps = Sequence[NDArray[np.floating]]
Masks = Sequence[NDArray[np.bool_]]


def image_auroc(scores: Sequence[float], labels: Sequence[bool]) -> float:
    """Return the area under the ROC curve of image scores; NaN if only one class is there."""
    if len(set(labels)) < 2:
        return float("nan")
    from sklearn.metrics import roc_auc_score  # here, since it loads slowly

    return float(roc_auc_score(labels, scores))


def aupro(maps: Maps, masks: Masks, *, limits: Sequence[float] = _LIMITS) -> dict[float, float]:
    """Return the area under the per-region overlap curve up to each false-positive rate, divided by it.

    At a threshold t, a region's overlap is the share of its pixels with a map value above t, and the false-positive
    rate the share of the normal pixels of all images.  The curve joins the points of all thresholds by lines.

    Parameters
    ----------
    maps : sequence of ndarray, H x W
    masks : sequence of ndarray of bool, H x W
    limits : sequence of float
        In (0, 1].

    Returns
    -------
    dict of float to float
        NaN if there is no region or no normal pixel.

    Raises
    ------
    ParameterError
        If maps and masks do not fit.
    """
    if len(maps) != len(masks) or any(a.shape != b.shape for a, b in zip(maps, masks, strict=True)):
        raise ParameterError("maps and masks must be as many, and of the same shapes")
    labelled = [ndimage.label(mask, np.ones((3, 3))) for mask in masks]
    regions = sum(count for _, count in labelled)
    normal = sum(int(np.count_nonzero(~np.asarray(mask, bool))) for mask in masks)
    if not regions or not normal:
        return {limit: float("nan") for limit in limits}
    values, rises = [], []
    for image, (labels, _) in zip(maps, labelled, strict=True):
        sizes = np.bincount(labels.ravel())
        values.append(np.asarray(image, np.float64).ravel())
        rises.append(np.where(labels == 0, 0.0, 1.0 / (sizes[labels] * regions)).ravel())
    flat, rise = np.concatenate(values), np.concatenate(rises)
    order = np.argsort(-flat, kind="stable")
    flat, rise = flat[order], rise[order]
    last_of_tie = np.append(flat[1:] != flat[:-1], True)
    rate = np.concatenate([[0.0], (np.cumsum(rise == 0.0) / normal)[last_of_tie]])
    overlap = np.concatenate([[0.0], np.cumsum(rise)[last_of_tie]])
    areas = {}
    for limit in limits:
        inside = int(np.searchsorted(rate, limit, side="right"))
        x, y = np.append(rate[:inside], limit), np.append(overlap[:inside], np.interp(limit, rate, overlap))
        areas[limit] = float(np.trapezoid(y, x) / limit)
    return areas


def evaluate_maps(maps: Maps, masks: Masks, scores: Sequence[float], labels: Sequence[bool]) -> dict[str, float]:
    """Return image AUROC, pixel AUROC, pixel average precision and AUPRO at its limits, named as in `FIGURES`.

    What cannot be said, because one class is missing, is NaN.
    """
    from sklearn.metrics import average_precision_score, roc_auc_score  # here, since it loads slowly

    truth = np.concatenate([np.asarray(mask, bool).ravel() for mask in masks])
    flat = np.concatenate([image.ravel() for image in maps])
    both = truth.any() and not truth.all()
    return {
        "I-AUROC": image_auroc(scores, labels),
        "P-AUROC": float(roc_auc_score(truth, flat)) if both else float("nan"),
        "AP": float(average_precision_score(truth, flat)) if both else float("nan"),
        **{f"AUPRO@{limit:g}": area for limit, area in aupro(maps, masks).items()},
    }
