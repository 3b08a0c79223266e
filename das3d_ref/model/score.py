"""From an anomaly map to a score, and from scores of good images to a threshold that promises something of new ones.

The threshold is that of split conformal prediction,

    threshold = s_(k), the k-th lowest of n scores,   k = min(n, ceil((n + 1) (1 - a)))

A new good image is above it with probability (n + 1 - k) / (n + 1), at most a where n is large enough (Vovk et al.
2005; Angelopoulos & Bates 2023, section 1).  Of one threshold the share of good images above it is Beta(n + 1 - k, k).
Both hold for images that are like those that were scored: the same parts, camera and light.
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
from das3d_aug.errors import ParameterError, quoted

__all__ = ["Calibration", "FalsePositives", "image_score"]


def image_score(anomaly_map: NDArray[np.float32], window: int) -> float:
    """Return the largest mean over squares of ``window`` pixels that lie in the image."""
    height, width = anomaly_map.shape
    side = min(window, height, width)
    means = cv2.blur(anomaly_map, (side, side), anchor=(0, 0), borderType=cv2.BORDER_REPLICATE)
    return float(means[: height - side + 1, : width - side + 1].max())


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

    Raises
    ------
    ParameterError
        If there is none, or one is not a finite number.
    """

    def __init__(self, scores: Iterable[float]) -> None:
        if isinstance(scores, str | Mapping) or not isinstance(scores, Iterable):
            raise ParameterError(f"good_scores must be a list of numbers, got {quoted(scores)}")
        self.scores = sorted(check_finite("good_scores", score) for score in scores)
        if not self.scores:
            raise ParameterError("good_scores must be at least one number, got none")

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

    def p_value(self, score: float) -> float:
        """Return the conformal p-value of a score, 1 / (n + 1) … 1: how usual so high a score is among good images.

        Of new good images at most a share p has a p-value of p or less, whatever the part and the detector.
        """
        return (1 + sum(known >= score for known in self.scores)) / (len(self.scores) + 1)
