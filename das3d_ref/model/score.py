"""From an anomaly map to a score, and from scores of good images to a threshold that promises something of new ones.

The threshold is that of split conformal prediction,

    threshold = s_(k), the k-th lowest of n scores,   k = min(n, ceil((n + 1) (1 - a)))

A new good image is above it with probability (n + 1 - k) / (n + 1), at most a where n is large enough (Vovk et al.
2005; Angelopoulos & Bates 2023, section 1).  Of one threshold the share of good images above it is Beta(n + 1 - k, k).
Both hold for images that are like those that were scored: the same parts, camera and light.  Whether they are is told
from the floor of their maps: a defect raises a part of a map, another light, focus, noise or part raises all of it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv

from das3d_aug._arguments import check_finite
from das3d_aug.errors import ParameterError, counted, quoted

__all__ = ["Calibration", "FalsePositives", "image_floor", "image_score", "otherwise_taken"]

_FLOOR = 0.1  # of the part, since a defect may cover most of it
_SHARE, _CHANCE = 0.2, 0.01  # of the images that stand out all over, and of so many by chance: then it is said


def image_score(anomaly_map: NDArray[np.float32], window: int) -> float:
    """Return the largest mean over squares of ``window`` pixels that lie in the image."""
    height, width = anomaly_map.shape
    side = min(window, height, width)
    means = cv2.blur(anomaly_map, (side, side), anchor=(0, 0), borderType=cv2.BORDER_REPLICATE)
    return float(means[: height - side + 1, : width - side + 1].max())


def image_floor(anomaly_map: NDArray[np.float32], part: NDArray[np.bool_] | None) -> float:
    """Return what nine tenths of the part's pixels exceed, of all pixels without a part."""
    inside = anomaly_map if part is None or not part.any() else anomaly_map[part]
    return float(np.quantile(inside, _FLOOR))


def otherwise_taken(floors: Calibration, unlike: int, of: int, *, what: str = "image") -> str | None:
    """Return a sentence if too many images to be chance have a floor above those of all good validation images."""
    if unlike < _SHARE * of or floors.chance(unlike, of) > _CHANCE:
        return None
    return (
        f"{unlike} of {counted(of, what)} differ from the training's all over, not in one place: if light, focus, "
        "noise, distance or part have changed, verdicts mean little; train with good images such as these too"
    )


class FalsePositives(NamedTuple):
    """Share of new good images that a threshold calls anomalous: the mean, and a 90 % interval."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        mean, low, high = (f"{100 * share:.1f}" for share in self)
        return f"{mean} % (90 % interval {low} – {high} %)"


class Calibration:
    """Scores of good images that no network has learnt from.

    Parameters
    ----------
    scores : iterable of float
        At least one.
    name : str
        What errors call them.

    Raises
    ------
    ParameterError
        If there is none, or one is not a finite number.
    """

    def __init__(self, scores: Iterable[float], *, name: str = "good_scores") -> None:
        if isinstance(scores, str | Mapping) or not isinstance(scores, Iterable):
            raise ParameterError(f"{name} must be a list of numbers, got {quoted(scores)}")
        self.scores = sorted(check_finite(name, score) for score in scores)
        if not self.scores:
            raise ParameterError(f"{name} must be at least one number, got none")

    def threshold(self, false_positives: float) -> float:
        """Return the lowest score above which at most this share of new good images is expected.

        Where so few images promise no such share, it is the highest of their scores; `expected` says what that means.

        Raises
        ------
        ParameterError
            If the share is not at least 0 and below 1.
        """
        if not 0 <= false_positives < 1:
            raise ParameterError(f"false_positives must be at least 0 and below 1, got {false_positives!r}")
        count = len(self.scores)
        return self.scores[min(count, math.ceil((count + 1) * (1 - false_positives) - 1e-9)) - 1]

    @property
    def least(self) -> float:
        """Least share of new good images that a threshold can promise to call anomalous, 1 / (n + 1)."""
        return 1 / (len(self.scores) + 1)

    def expected(self, threshold: float) -> FalsePositives:
        """Return which share of new good images is above a threshold that is one of the scores, or beside them."""
        count = len(self.scores)
        above = sum(score > threshold for score in self.scores) + 1
        rank = count + 1 - above
        if rank == 0:
            return FalsePositives(1.0, 0.0, 1.0)
        low, high = (float(betaincinv(above, rank, part)) for part in (0.05, 0.95))
        return FalsePositives(above / (count + 1), low, high)

    def chance(self, above: int, of: int) -> float:
        """Return how likely so many of new good images, or more, are above all scores that are known.

        The highest of all images, known and new, are then new ones; each is as likely to be any of them.
        """
        known = len(self.scores)
        return math.prod((of - k) / (known + of - k) for k in range(above))

    def p_value(self, score: float) -> float:
        """Return the conformal p-value of a score, 1 / (n + 1) … 1: how usual so high a score is among good images.

        Of new good images at most a share p has a p-value of p or less, whatever the part and the detector.
        """
        return (1 + sum(known >= score for known in self.scores)) / (len(self.scores) + 1)
