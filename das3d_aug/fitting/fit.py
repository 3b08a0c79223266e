"""A recipe brought near to real defects: ranges through quantiles, weights of kinds through what each kind looks like.

Real defects tell how long, deep and many they are, and nothing of kinds.  So of every kind of the recipe some
defects are drawn on good parts and measured, and the mixture of kinds whose cumulative distributions come nearest to
those of the real ones is sought: non-negative least squares, with a prior that pulls to the recipe's own weights, the
more the fewer defects there are, and a floor for every kind.

Ranges are log-uniform: those whose quantiles come nearest to the real ones.  What is drawn is not what is measured,
so ranges move by what the mixture lacks, and weights are sought again, twice.

How often a kind that goes both ways is a dent is the share of dents among the real ones.  How many lie near the edge is
the share whose mixture with the other places comes nearest to the real distances to the edge.

What is moved: ``kinds``, ``count``, ``size``, ``placement``; with depth ``height`` and ``dents``; for the paper's kind
``area`` and, with depth, ``magnitude``.  Everything else stays.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from das3d_aug._arguments import check_whole
from das3d_aug.datasets import Sample
from das3d_aug.errors import ParameterError
from das3d_aug.fitting.distance import COMPARED, compared
from das3d_aug.fitting.samples import synthetic_samples
from das3d_aug.fitting.statistics import DefectStatistics, measure
from das3d_aug.synthesis import Policy, Recipe
from das3d_aug.synthesis.defects import SKEWED
from das3d_aug.synthesis.kinds import kind_named
from das3d_aug.textures import TextureSource

__all__ = ["FEWEST", "fit"]

FEWEST = 5
"""Defects that a recipe can be fitted to."""

_FLOOR = 0.25  # of its share: what a kind keeps, whatever the defects say
_PRIOR = 1.0  # over the number of defects
_ALIKE = 0.01  # and what stays however many there are: cracks, cuts and scratches have much the same figures
_ROUNDS = 3
_LEVELS = np.arange(0.1, 0.95, 0.1)  # of quantiles that ranges are fitted to
_TELLING = [name for name in COMPARED if name not in ("count", "edge")]  # a place tells no kind
_GRID = np.arange(0.05, 1, 0.1)  # the same, of those at which distributions are compared
_SURE = 100.0  # how much it counts that shares add up to 1
_PLACED = 4  # times the samples of a kind, of those that tell places
_CLEAR = 0.1  # of the share near the edge: a smaller change may be chance
_MOST = 32  # defects of a sample, as the recipe has it
_LIMITS = {"size": (1e-3, 2.0), "height": (1e-3, 4.0), "area": (1e-5, 0.5), "magnitude": (1e-3, 4.0)}
_FACTOR = {"size": 2.0, "height": 3.0, "area": 10.0, "magnitude": 3.0}  # what is drawn over what is measured, at most

Values = NDArray[np.float64]
Range = tuple[float, float]


def fit(
    statistics: DefectStatistics,
    parts: Sequence[Sample],
    *,
    recipe: Recipe | None = None,
    draws: int = 24,
    seed: int = 0,
    textures: str | Path | TextureSource | None = None,
    foreground: Policy = "auto",
    progress: Callable[[int, int], None] | None = None,
) -> Recipe:
    """Bring a recipe near to measured defects; the same for the same arguments.

    Parameters
    ----------
    statistics : DefectStatistics
        Of the real defects, at least five; below about twenty, the ranges are rough.
    parts : sequence of Sample
        Good parts of the same set and size, on which kinds are tried.
    recipe : Recipe, optional
        Where to start, and what a few defects do not move far from; `Recipe.realistic` without it.
    draws : int
        Samples that are drawn of each kind, three times, and eight times for the places.
    seed, textures, foreground
        As for `das3d_aug.synthesize`.
    progress : callable, optional
        Called with (kinds tried, kinds to try).

    Returns
    -------
    Recipe

    Raises
    ------
    ParameterError
        If there are fewer than five defects, no part, or the recipe's lengths are not relative to the part.
    """
    if len(statistics) < FEWEST:
        raise ParameterError(f"statistics must be of at least {FEWEST} labelled defects, got {len(statistics)}")
    check_whole("draws", draws, 1, 10**5)
    found = Recipe.realistic() if recipe is None else recipe
    if found.length_unit != "relative" or found.magnitude_unit != "range":
        raise ParameterError("recipe must have length_unit 'relative' and magnitude_unit 'range' to be fitted")
    own = {SKEWED: 1.0} if found.kinds is None else {name: weight for name, weight in found.kinds.items() if weight > 0}

    def looks_of(recipe: Recipe, epoch: int, count: int) -> DefectStatistics:
        drawn = synthetic_samples(
            parts, recipe=recipe, count=count, seed=seed, epoch=epoch, textures=textures, foreground=foreground
        )
        return measure(drawn, foreground=foreground)

    found = ranged = _ranged(found, statistics, own)
    total, done = _ROUNDS * len(own), 0
    for turn in range(_ROUNDS):
        library = {}
        for number, name in enumerate(own):
            one = found if found.kinds is None else replace(found, kinds={name: 1.0}, count=(1, 1))
            looks = looks_of(one, 1 + number, draws)
            if len(looks):  # some kinds cannot be seen on some parts
                library[name] = looks
            done += 1
            if progress is not None:
                progress(done, total)
        if not library:
            raise ParameterError("recipe has no kind that leaves anything to measure on these parts: name other kinds")
        shares = _shares(statistics, library, own)
        if found.kinds is not None:
            found = _weighed(found, statistics, library, own, shares)
        if turn + 1 < _ROUNDS:
            found = _corrected(found, ranged, statistics, library, shares)
    if found.kinds is None:
        return found
    return _placed(found, statistics, lambda recipe: looks_of(recipe, 0, _PLACED * draws))


def _ranged(recipe: Recipe, real: DefectStatistics, own: Mapping[str, float]) -> Recipe:
    """Set the ranges to those of the real defects."""
    ranges: dict[str, Any] = {}
    for field, (values, of_kind) in _figures(real).items():
        if values.size >= FEWEST and any(of_kind == (name == SKEWED) for name in own):
            logs = np.log(values)
            ends = np.clip(_ends(np.quantile(logs, _LEVELS)), logs.min(), logs.max())
            ranges[field] = _limited(field, ends)
    dents, bumps = real.signs(recipe.mask_threshold)
    if recipe.kinds is not None and dents + bumps >= FEWEST:
        ranges["dents"] = round((dents + _PRIOR * recipe.dents) / (dents + bumps + _PRIOR), 3)
    return replace(recipe, **ranges)


def _corrected(
    recipe: Recipe,
    ranged: Recipe,
    real: DefectStatistics,
    library: Mapping[str, DefectStatistics],
    shares: Mapping[str, float],
) -> Recipe:
    """Move the ranges by as much as the mixture's quantiles lie off, in the median: both ends by the same factor.

    A defect is shallower than its peak, and the filter of the paper's kind widens it; but they stay within a factor of
    what was measured.  Kinds without height say nothing of heights.
    """
    ranges: dict[str, Any] = {}
    for field, (values, of_kind) in _figures(real).items():
        mixed = [
            (found, np.full(found.size, share / found.size))
            for name, share in shares.items()
            if of_kind == (name == SKEWED) and not (field == "height" and kind_named(name).flat)
            if (found := _figures(library[name])[field][0]).size
        ]
        if values.size < FEWEST or not mixed:
            continue
        drawn, weight = (np.concatenate(column) for column in zip(*mixed, strict=True))
        off = np.median(np.quantile(np.log(values), _LEVELS) - _weighted_quantiles(np.log(drawn), weight))
        first, most = np.log(getattr(ranged, field)), np.log(_FACTOR[field])
        moved = np.log(getattr(recipe, field)) + off - first
        ranges[field] = _limited(field, first + np.clip(moved, -most, most))
    return replace(recipe, **ranges)


def _figures(statistics: DefectStatistics) -> dict[str, tuple[Values, bool]]:
    """Return, by the field of a recipe that rules it, what is measured, and whether the paper's kind has that field."""
    height = np.abs(statistics.height[np.isfinite(statistics.height)])
    height = height[height > 0]
    in_all = np.bincount(statistics.sample, statistics.area)
    return {
        "size": (statistics.length, False),
        "height": (height, False),
        "area": (in_all, True),
        "magnitude": (height, True),
    }


def _ends(quantiles: Values) -> Values:
    """Return the ends of the uniform distribution whose quantiles come nearest to these, by least squares."""
    slope, low = np.polyfit(_LEVELS, quantiles, 1)
    return np.array([low, low + slope])


def _limited(field: str, ends: Values) -> Range:
    """Return a range, from logarithms, of three digits."""
    first, last = np.clip(np.exp(ends), *_LIMITS[field])
    return float(f"{first:.3g}"), float(f"{last:.3g}")


def _weighted_quantiles(values: Values, weight: Values) -> Values:
    order = np.argsort(values, kind="stable")
    share = np.cumsum(weight[order])
    return np.asarray(values[order][np.searchsorted(share, _LEVELS * share[-1])])


def _shares(
    real: DefectStatistics, library: Mapping[str, DefectStatistics], own: Mapping[str, float]
) -> dict[str, float]:
    """Return which share of all defects is of each kind, so that their mixture is like the real ones."""
    from scipy.optimize import nnls  # here: it takes a moment to load

    names = [name for name in _TELLING if np.isfinite(getattr(real, name)).sum() >= FEWEST]
    wanted, looks = (
        compared(real, dict.fromkeys(names)),
        [compared(one, dict.fromkeys(names)) for one in library.values()],
    )
    levels, every = [], np.concatenate(looks)
    for column, drawn in zip(wanted.T, every.T, strict=True):
        known = [values[np.isfinite(values)] for values in (column, drawn)]
        levels.append(np.sort(np.concatenate([np.quantile(values, _GRID) for values in known if values.size])))
    prior = np.array([own[name] * _per_sample(one) for name, one in library.items()])
    prior /= prior.sum()
    below = [_cumulative(one, levels) for one in looks]
    strength = np.sqrt((_PRIOR / len(real) + _ALIKE) / prior)
    matrix = np.concatenate([np.stack(below, axis=1), np.diag(strength), np.full((1, len(prior)), _SURE)])
    target = np.concatenate([_cumulative(wanted, levels), strength * prior, [_SURE]])
    floor = _FLOOR * prior
    found = floor + nnls(matrix, target - matrix @ floor)[0]
    return dict(zip(library, (found / found.sum()).tolist(), strict=True))


def _cumulative(rows: Values, levels: Sequence[Values]) -> Values:
    """Return the share of defects that is below each level of each figure, every figure of the same weight.

    One that was not measured is below none, and the highest level is beyond all that were.
    """
    found = []
    for column, steps in zip(rows.T, levels, strict=True):
        ends = np.append(steps, np.inf)
        found.append((column[:, None] < ends).mean(axis=0) / np.sqrt(ends.size))
    return np.concatenate(found)


def _per_sample(statistics: DefectStatistics) -> float:
    return len(statistics) / len(statistics.count)


def _weighed(
    recipe: Recipe,
    real: DefectStatistics,
    library: Mapping[str, DefectStatistics],
    own: Mapping[str, float],
    shares: Mapping[str, float],
) -> Recipe:
    """Set weights that give these shares of all defects, and how many a sample has; an unseen kind keeps its weight.

    Some kinds leave more than one defect each, as masks count them.
    """
    drawn = {name: share / _per_sample(library[name]) for name, share in shares.items()}
    scale = sum(own[name] for name in drawn) / sum(drawn.values())
    weights = {**(recipe.kinds or {}), **{name: float(f"{scale * one:.3g}") for name, one in drawn.items()}}
    each = 1 / sum(drawn.values())
    low = int(np.clip(round(np.quantile(real.count, 0.1) / each), 1, _MOST))
    high = int(np.clip(round(2 * real.count.mean() / each - low), low, _MOST))  # the mean is the real one
    return replace(recipe, kinds=weights, count=(low, high))


def _placed(recipe: Recipe, real: DefectStatistics, looks: Callable[[Recipe], DefectStatistics]) -> Recipe:
    """Set the share near the edge by least squares on the cumulative distances to it, with a prior for what it was."""
    others = {name: weight for name, weight in (recipe.placement or {"anywhere": 1.0}).items() if name != "edge"}
    if not any(others.values()):
        others = {"anywhere": 1.0}
    at = [one.edge[:, None] for one in (real, looks(replace(recipe, placement={"edge": 1.0})))]
    at.append(looks(replace(recipe, placement=others)).edge[:, None])
    if not all(len(one) for one in at):
        return recipe
    levels = [np.sort(np.concatenate([np.quantile(one, _GRID) for one in at]))]
    wanted, near, spread = (_cumulative(one, levels) for one in at)
    before = 0.0
    if recipe.placement is not None:
        before = recipe.placement.get("edge", 0.0) / sum(recipe.placement.values())
    more, off = near - spread, wanted - spread - before * (near - spread)
    share = float(np.clip(before + more @ off / (more @ more + _PRIOR / len(real)), 0, 1))
    if abs(share - before) < _CLEAR:
        return recipe
    scale = (1 - share) / sum(others.values())
    weights = {name: scale * weight for name, weight in others.items()} | {"edge": share}
    return replace(recipe, placement={name: round(weight, 3) for name, weight in weights.items()})
