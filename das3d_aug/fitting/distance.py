"""How far two sets of defects are from each other: figure by figure, and for a classifier that is told all figures.

Lengths and areas are compared as logarithms.  The classifier is a logistic regression on the figures and their
squares; it is asked about samples that it has not seen, of which all defects are left out together.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from das3d_aug.errors import ParameterError
from das3d_aug.fitting.statistics import DefectStatistics

__all__ = ["COMPARED", "Distance", "Gap", "compared", "gap"]

_FOLDS = 5
_SEED = 20  # of the folds
_PENALTY = 1.0  # on squared weights: the prior of scikit-learn's C = 1
_FEWEST = 2  # values on either side

Values = NDArray[np.float64]


def _log(values: Values) -> Values:
    return np.asarray(np.log10(values))


def _plain(values: Values) -> Values:
    return values


COMPARED: Mapping[str, Callable[[Values], Values]] = {
    "length": _log, "area": _log, "elongation": _log, "count": _plain, "luminance": _plain, "colour": _plain,
    "height": _plain, "edge": _plain,
}  # fmt: skip
"""What is compared, and on which scale."""


@dataclass(frozen=True, kw_only=True)
class Distance:
    """How far one figure of two sets is apart.

    Attributes
    ----------
    medians : (float, float)
        Of either set.
    wasserstein : float
        Mean distance by which the one distribution has to be moved to become the other, over the standard deviation
        of both together; 0 if they are alike.  Lengths, areas and elongations as logarithms.
    ks : float
        Kolmogorov's and Smirnov's: the largest difference of the cumulative distributions, 0 … 1.
    """

    medians: tuple[float, float]
    wasserstein: float
    ks: float


@dataclass(frozen=True, kw_only=True)
class Gap:
    """How far two sets of defects are apart.

    Attributes
    ----------
    defects, samples : (int, int)
        How many there are in either set.
    distances : mapping of str to Distance
        By the name of the figure (`DefectStatistics`); one that a set does not have is left out.
    auroc : float
        Of a classifier that tells the sets apart, on samples that it has not seen: 0.5 if it cannot, 1 if it always
        can; NaN with fewer than two samples on a side.  Below 0.5 it is chance: sets are not more than alike.
    """

    defects: tuple[int, int]
    samples: tuple[int, int]
    distances: Mapping[str, Distance]
    auroc: float

    @property
    def auroc_error(self) -> float:
        """Standard error of ``auroc`` for so many samples, as Hanley and McNeil (1982) estimate it; NaN as that is."""
        a, b = self.samples
        area = max(self.auroc, 1 - self.auroc)
        first, second = area / (2 - area), 2 * area**2 / (1 + area)
        of_both = area * (1 - area) + (a - 1) * (first - area**2) + (b - 1) * (second - area**2)
        return math.sqrt(of_both / (a * b)) if of_both > 0 else of_both

    @property
    def wasserstein(self) -> float:
        """Mean of the figures' distances; NaN if both sets have none in common."""
        return float(np.mean([one.wasserstein for one in self.distances.values()])) if self.distances else math.nan


def gap(a: DefectStatistics, b: DefectStatistics) -> Gap:
    """Compare two sets of defects; the same for the same figures.

    Parameters
    ----------
    a, b : DefectStatistics
        As `measure` returns them, at a like size of image.

    Returns
    -------
    Gap

    Raises
    ------
    ParameterError
        If one of them has no defect.
    """
    for name, one in (("a", a), ("b", b)):
        if not len(one):
            raise ParameterError(f"{name} must have at least one labelled defect, got none")
    from scipy.stats import ks_2samp, wasserstein_distance  # here: it takes a second to load

    distances = {}
    for name, scale in COMPARED.items():
        first, second = (values[np.isfinite(values)] for values in (getattr(a, name), getattr(b, name)))
        if min(first.size, second.size) < _FEWEST:
            continue
        x, y = scale(first), scale(second)
        spread = float(np.concatenate([x, y]).std())
        distances[name] = Distance(
            medians=(float(np.median(first)), float(np.median(second))),
            wasserstein=float(wasserstein_distance(x, y)) / spread if spread > 0 else 0.0,
            ks=float(ks_2samp(x, y, method="asymp").statistic),
        )
    return Gap(
        defects=(len(a), len(b)),
        samples=(len(a.count), len(b.count)),
        distances=distances,
        auroc=_told_apart(compared(a, distances), compared(b, distances), a.sample, b.sample),
    )


def compared(statistics: DefectStatistics, names: Mapping[str, object]) -> Values:
    """Return a row for each defect of some figures on their scales, the count being that of its sample."""
    columns = [
        COMPARED[name](statistics.count[statistics.sample] if name == "count" else getattr(statistics, name))
        for name in names
    ]
    return np.stack(columns, axis=1) if columns else np.zeros((len(statistics), 0))


def _told_apart(a: Values, b: Values, of_a: NDArray[np.int64], of_b: NDArray[np.int64]) -> float:
    """Return the mean AUROC over folds of whole samples, half of each set's weight on either side."""
    samples = [int(of.max()) + 1 for of in (of_a, of_b)]
    folds = min(_FOLDS, *samples)
    if folds < 2 or not a.shape[1]:
        return math.nan
    shuffled = np.random.default_rng(_SEED)
    fold = np.concatenate([(shuffled.permutation(n) % folds)[of] for n, of in zip(samples, (of_a, of_b), strict=True)])
    rows, label = np.concatenate([a, b]), np.repeat([0.0, 1.0], [len(a), len(b)])
    found = []
    for one in range(folds):
        seen = fold != one
        told = _classifier(rows[seen], label[seen])
        found.append(_auroc(told(rows[~seen]), label[~seen]))
    return float(np.mean(found))


def _classifier(rows: Values, label: Values) -> Callable[[Values], Values]:
    """Learn from rows which side they are of; return a function from rows to log odds."""
    from scipy.optimize import minimize

    middle = np.array(
        [np.median(column[np.isfinite(column)]) if np.isfinite(column).any() else 0.0 for column in rows.T]
    )

    def features(rows: Values) -> Values:
        filled = np.where(np.isfinite(rows), rows, middle)
        scaled = (filled - centre) / spread
        return np.concatenate([scaled, np.minimum(scaled**2, 9.0), np.ones((len(rows), 1))], axis=1)

    known = np.where(np.isfinite(rows), rows, middle)
    centre, spread = known.mean(axis=0), np.maximum(known.std(axis=0), 1e-12)
    x, sign = features(rows), 2 * label - 1
    share = label.mean()
    weight = np.where(label > 0, 0.5 / share, 0.5 / (1 - share))
    penalised = np.append(np.ones(x.shape[1] - 1), 0.0)

    def loss(w: Values) -> tuple[float, Values]:
        odds = sign * (x @ w)
        error = weight * np.logaddexp(0, -odds)
        slope = -weight * sign / (1 + np.exp(np.minimum(odds, 500)))
        return float(error.sum() + _PENALTY / 2 * (penalised * w * w).sum()), x.T @ slope + _PENALTY * penalised * w

    found = minimize(loss, np.zeros(x.shape[1]), jac=True, method="L-BFGS-B")
    return lambda rows: features(rows) @ found.x


def _auroc(score: Values, label: Values) -> float:
    from scipy.stats import rankdata

    ones, zeros = np.count_nonzero(label > 0), np.count_nonzero(label == 0)
    return float((rankdata(score)[label > 0].sum() - ones * (ones + 1) / 2) / (ones * zeros))
