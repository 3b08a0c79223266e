"""How good anomaly maps and scores are: exact figures of all thresholds, and how sure they are.

Labels and masks are true where anomalous, scores and maps larger where more anomalous.  All pixels take part, measured
or not; the regions of a mask are 8-connected, as in the evaluation of MVTec 3D-AD.

A threshold that falls past a value v of an anomalous pixel finds the anomalous pixels of that value, while the
false-positive rate goes from a, the share of the normal pixels above v, to b, the share not below v.  A curve over the
false-positive rate is so a sum of ramps, one for each v: 0 up to a, 1 from b on, a line between them (for ties a curve
joins its points by lines).  Up to a limit L the area under a ramp is

    L − (a + b) / 2  if b <= L,     (L − a)² / (2 (b − a))  if a < L < b,     0  if L <= a.

Weighted by shares of the anomalous pixels this is the pixel AUROC, by shares of each region the area under the
per-region overlap curve (AUPRO).  So of the normal pixels only two counts for each v are needed: the maps are read
twice, one at a time, and what is held are the anomalous pixels and one chunk (`das3d_ref.metrics.counting`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from das3d_aug.errors import ParameterError
from das3d_aug.randomness import check_seed
from das3d_ref.metrics.counting import Counts, Marked, count, mark

__all__ = [
    "FIGURES",
    "PUBLISHED",
    "REPLICATES",
    "Marked",
    "Measured",
    "aupro",
    "evaluate_maps",
    "image_auroc",
    "interval",
    "mark",
    "measure",
]

_LIMITS = (0.3, 0.1, 0.05, 0.01)
_AUPRO = tuple(f"AUPRO@{limit:g}" for limit in _LIMITS)
_THRESHOLDS = 100
_TOGETHER = 100  # replicates, to bound memory
_POINTS = 500  # of a curve
_FEWEST = 2  # images that tell how much images differ

FIGURES = ("I-AUROC", "P-AUROC", "AP", "F1", *_AUPRO)
"""The names of what `evaluate_maps` returns; AP and F1, the best of all thresholds, are of pixels."""

PUBLISHED = tuple(f"{name} ({_THRESHOLDS} thresholds)" for name in _AUPRO)
"""The names of what `measure` adds with ``as_published``."""

REPLICATES = 1000
"""How often a test set is drawn anew for the intervals."""

Array = NDArray[Any]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Measured:
    """Figures by name, 95 % intervals, curves and replicates of those that can be said.

    A curve is (x, y) of at most 500 points: ROC of the images, PRO of the pixels up to a false-positive rate of 0.3.
    The replicates of two methods on the same images, in the same order, are of the same draws, so that their difference
    is that of pairs.
    """

    figures: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    curves: dict[str, tuple[list[float], list[float]]]
    replicates: dict[str, Floats] = field(repr=False, compare=False)


def image_auroc(scores: Sequence[float], labels: Sequence[bool]) -> float:
    """Return the area under the ROC curve of image scores; NaN if only one class is there.

    Raises
    ------
    ParameterError
        If scores and labels are not as many, or a score is NaN.
    """
    return float(_area(*_roc(scores, labels, np.ones((1, len(scores)))), 1.0)[0])


def aupro(
    maps: Sequence[Array],
    masks: Sequence[NDArray[np.bool_]],
    *,
    limits: Sequence[float] = _LIMITS,
    thresholds: int | None = None,
) -> dict[float, float]:
    """Return the area under the per-region overlap curve up to each false-positive rate, divided by it.

    At a threshold, a region's overlap is the share of its pixels with a map value not below it, and the false-positive
    rate the share of the normal pixels of all images.  The curve joins the points of all thresholds by lines.

    Parameters
    ----------
    maps : sequence of ndarray, H x W
        Read twice, one at a time; compared as float32, or as float64 if one has a type that float32 does not hold.
    masks : sequence of ndarray of bool, H x W
        Read once.
    limits : sequence of float
        In (0, 1].
    thresholds : int, optional
        Only so many: values of normal pixels at equal steps of rank, as 3D-ADS and its successors publish (100).
        The false-positive rate is then that of the rank, and the overlap is of what is above the threshold.

    Returns
    -------
    dict of float to float
        NaN if there is no region or no normal pixel.

    Raises
    ------
    ParameterError
        If maps and masks do not fit, a map holds NaN, or a limit or number is impossible.
    """
    if wrong := [limit for limit in limits if not 0 < limit <= 1]:
        raise ParameterError(f"limits must be above 0 and at most 1, got {wrong[0]!r}")
    if thresholds is not None and thresholds < 2:
        raise ParameterError(f"thresholds must be at least 2, got {thresholds!r}")
    counts, _ = count(maps, _mark_all(maps, masks), by_image=False)
    return {limit: float(_aupro(counts, limit, thresholds)) for limit in limits}


def evaluate_maps(
    maps: Sequence[Array], masks: Sequence[NDArray[np.bool_]], scores: Sequence[float], labels: Sequence[bool]
) -> dict[str, float]:
    """Return the figures named in `FIGURES`; what cannot be said, because one class is missing, is NaN.

    Maps and masks are as for `aupro`, and so are the errors.
    """
    return measure(scores, labels, maps=maps, marked=_mark_all(maps, masks), replicates=0).figures


def measure(
    scores: Sequence[float],
    labels: Sequence[bool],
    *,
    maps: Iterable[Array] = (),
    marked: Sequence[Marked] | None = None,
    as_published: bool = False,
    replicates: int = REPLICATES,
    seed: int = 0,
) -> Measured:
    """Return figures, intervals and curves.

    An interval holds the middle 95 % of a figure in replicates of the test set: as many good and as many anomalous
    images, each drawn with replacement.  The I-AUROC of a replicate is exact, and so are the others if the anomalous
    pixels have at most 1000 values; of more, neighbours are taken as tied (`das3d_ref.metrics.counting.count`), which
    moved no figure of a replicate by 0.001 in the tests.  Of one image alone nothing can be said about others: there is
    no interval with fewer than two good or two anomalous images, and none of pixels unless two images have a region.

    Parameters
    ----------
    scores : sequence of float
    labels : sequence of bool
    maps : iterable of ndarray, H x W
        Read once, in the order of ``marked``.
    marked : sequence of Marked, optional
        What `mark` found; without it only the images are judged.
    as_published : bool
        Add the figures named in `PUBLISHED`, which get no interval.
    replicates : int
        0: no intervals.
    seed : int
        Of the replicates.

    Raises
    ------
    ParameterError
        As for `image_auroc`.
    """
    seed = check_seed(seed)
    start, end, recall = _roc(scores, labels, np.ones((1, len(scores))))
    figures = {"I-AUROC": float(_area(start, end, recall, 1.0)[0])}
    curves = {} if np.isnan(figures["I-AUROC"]) else {"ROC": _thinned(np.append(0, end), np.append(0, recall))}
    by_image = None
    if marked is not None:
        counts, by_image = count(maps, marked, by_image=replicates > 0)
        figures |= {name: float(figure) for name, figure in _figures(counts).items()}
        if as_published:
            published = [float(_aupro(counts, limit, _THRESHOLDS)) for limit in _LIMITS]
            figures |= dict(zip(PUBLISHED, published, strict=True))
        if counts.known:
            curves["PRO"] = _pro_curve(counts)
    if marked is not None and sum(one.regions > 0 for one in marked) < _FEWEST:
        by_image = None
    samples = _replicates(scores, labels, by_image, replicates, seed) if replicates else {}
    intervals = {name: found for name, sample in samples.items() if (found := interval(sample)) is not None}
    return Measured(figures, intervals, curves, samples)


def interval(sample: Floats) -> tuple[float, float] | None:
    """Return where the middle 95 % of replicates lie; None if no replicate could be measured."""
    known = sample[~np.isnan(sample)]  # a replicate may have no region
    if not known.size:
        return None
    low, high = np.quantile(known, [0.025, 0.975])
    return float(low), float(high)


def _mark_all(maps: Sequence[Array], masks: Sequence[NDArray[np.bool_]]) -> list[Marked]:
    if not 0 < len(maps) == len(masks):
        raise ParameterError(f"maps and masks must be as many, got {len(maps)} and {len(masks)}")
    return [mark(image, mask, name=f"map {k}") for k, (image, mask) in enumerate(zip(maps, masks, strict=True))]


def _figures(counts: Counts) -> dict[str, Floats]:
    """Return the figures of pixels of each set; NaN where one class is missing."""
    recall, rates, overlap = counts.recall, counts.rates, counts.overlap
    taken = counts.found + counts.not_below
    figures = {
        "P-AUROC": _area(*rates, recall, 1.0),
        "AP": (np.diff(recall, prepend=0) * counts.found / np.maximum(taken, 1)).sum(axis=-1),
        "F1": (2 * counts.found / np.maximum(taken + counts.anomalous[..., None], 1)).max(axis=-1, initial=0),
        **{name: _area(*rates, overlap, limit) for name, limit in zip(_AUPRO, _LIMITS, strict=True)},
    }
    return {name: np.where(counts.known, figure, np.nan) for name, figure in figures.items()}


def _aupro(counts: Counts, limit: float, thresholds: int | None) -> Floats:
    """Return the area of one set; NaN where one class is missing."""
    if not counts.known:
        return np.asarray(np.nan)
    ramps = (*counts.rates, counts.overlap) if thresholds is None else _sampled(counts, thresholds)
    return _area(*ramps, limit)


def _sampled(counts: Counts, thresholds: int) -> tuple[Floats, Floats, Floats]:
    """Return the ramps between the points of a curve at normal pixels of equally spaced ranks, and at (1, 1).

    A value is above the normal pixel of rank k (the smallest has 0) if more than k normal pixels are below it.
    """
    normal = int(counts.normal)
    ranks = np.linspace(0, normal - 1, thresholds, dtype=int)[::-1]
    rates = np.append(1 - (ranks + 1) / normal, 1)
    places = np.searchsorted(counts.not_below, normal - ranks)
    overlap = np.append(np.append(0, counts.overlap)[places], 1)
    return np.append(0, rates[:-1]), rates, overlap


def _area(start: Floats, end: Floats, height: Floats, limit: float) -> Floats:
    """Return the area under a curve up to a limit, divided by it; along the last axis.

    Ramp k lifts the curve from ``height[k - 1]`` (0 at first) to ``height[k]``, from x = ``start[k]`` to ``end[k]``.
    """
    width = np.where(end > start, end - start, 1)
    ramp = np.where(end <= limit, limit - (start + end) / 2, np.maximum(limit - start, 0) ** 2 / (2 * width))
    area: Floats = (np.diff(height, prepend=0) * ramp).sum(axis=-1) / limit
    return area.clip(0, 1)  # rounding leads out of it


def _roc(scores: Sequence[float], labels: Sequence[bool], times: Floats) -> tuple[Floats, Floats, Floats]:
    """Return the ramps of the ROC curve of images for each row of how often they count; NaN if one class is missing."""
    if not 0 < len(scores) == len(labels):
        raise ParameterError(f"scores and labels must be as many, got {len(scores)} and {len(labels)}")
    values, truth = np.asarray(scores, np.float64), np.asarray(labels, bool)
    if np.isnan(values).any():
        raise ParameterError(f"scores must not be NaN, number {int(np.flatnonzero(np.isnan(values))[0])} is")
    order = np.argsort(-values)
    values, truth, times = values[order], truth[order], times[:, order]
    first_of_tie = np.flatnonzero(np.append(True, values[1:] != values[:-1]))
    good, bad = (np.add.reduceat(times * (truth == label), first_of_tie, axis=1) for label in (False, True))
    end, recall = good.cumsum(axis=1), bad.cumsum(axis=1)
    with np.errstate(invalid="ignore"):
        return (end - good) / end[:, -1:], end / end[:, -1:], recall / recall[:, -1:]


def _replicates(
    scores: Sequence[float], labels: Sequence[bool], by_image: Counts | None, replicates: int, seed: int
) -> dict[str, Floats]:
    truth = np.asarray(labels, bool)
    if min(np.count_nonzero(truth), np.count_nonzero(~truth)) < _FEWEST:
        return {}
    times = _draw(truth, replicates, seed)
    samples = {"I-AUROC": _area(*_roc(scores, labels, times), 1.0)}
    if by_image is not None:
        parts = [_figures(by_image.drawn(part)) for part in np.array_split(times, -(-replicates // _TOGETHER))]
        samples |= {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return samples


def _draw(labels: NDArray[np.bool_], replicates: int, seed: int) -> Floats:
    """Return how often each replicate has each image, replicates x images."""
    random = np.random.default_rng(seed)
    times = np.zeros((replicates, labels.size))
    for label in (False, True):
        members = np.flatnonzero(labels == label)
        if members.size:
            times[:, members] = random.multinomial(members.size, np.full(members.size, 1 / members.size), replicates)
    return times


def _pro_curve(counts: Counts) -> tuple[list[float], list[float]]:
    start, end = counts.rates
    overlap, limit = counts.overlap, _LIMITS[0]
    x = np.concatenate([[0], np.stack([start, end], axis=1).ravel(), [1]])
    y = np.concatenate([[0], np.stack([np.append(0, overlap[:-1]), overlap], axis=1).ravel(), [1]])
    inside = x <= limit
    return _thinned(np.append(x[inside], limit), np.append(y[inside], np.interp(limit, x, y)))


def _thinned(x: Floats, y: Floats) -> tuple[list[float], list[float]]:
    """Keep at most 500 points of a rising curve, at equal steps along it."""
    way = np.append(0, np.cumsum(np.diff(x) / x[-1] + np.diff(y)))
    kept = np.unique(np.searchsorted(way, np.linspace(0, way[-1], _POINTS))) if x.size > _POINTS else slice(None)
    return x[kept].tolist(), y[kept].tolist()
