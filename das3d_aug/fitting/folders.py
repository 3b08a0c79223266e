"""The same of folders: a recipe fitted to the labelled defects of a set, and the gap between two sets."""

from __future__ import annotations

import dataclasses
import itertools
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from das3d_aug.datasets import Dataset, Sample, open_dataset
from das3d_aug.errors import FileError, counted
from das3d_aug.fitting.distance import Gap, gap
from das3d_aug.fitting.fit import FEWEST, fit
from das3d_aug.fitting.samples import good_parts, labelled_defects, synthetic_samples
from das3d_aug.fitting.statistics import DefectStatistics, measure
from das3d_aug.preparation import parse_size
from das3d_aug.randomness import check_seed
from das3d_aug.synthesis import Policy, Recipe
from das3d_aug.textures import as_source

__all__ = ["FittedRecipe", "fit_folder", "gap_folders", "worded"]

_ROUGH = 20  # defects
_SWALLOWED = 0.5  # of the part
_WHOLE = 0.9  # of the image: no defect, but an inverted mask, or one of the part
_PARTS = 40
_DRAWN = 200  # samples that stand for a recipe
_SHOWN = 6


@dataclass(frozen=True, kw_only=True, eq=False)
class FittedRecipe:
    """A recipe that was fitted to the defects of a folder, and what it was fitted from and to.

    Attributes
    ----------
    recipe, start : Recipe
        The fitted one, and where it started.
    statistics : DefectStatistics
        Of the real defects.
    before, after : Gap
        Between 200 samples of either recipe and the real defects, which the fit has seen.
    pictures : tuple of (str, tuple of Sample)
        Six real samples, six of the recipe before and six after, each row with its heading.
    warnings : tuple of str
        What makes the fit rough, a sentence each.
    """

    recipe: Recipe
    start: Recipe
    statistics: DefectStatistics
    before: Gap
    after: Gap
    pictures: tuple[tuple[str, tuple[Sample, ...]], ...]
    warnings: tuple[str, ...]

    def changes(self) -> dict[str, tuple[Any, Any]]:
        """Return what the fit moved, from what to what: by the field, or the kind as ``kinds.dent``."""
        start, end = (_flat(recipe) for recipe in (self.start, self.recipe))
        return {name: (start[name], value) for name, value in end.items() if start[name] != value}

    def to_toml(self) -> str:
        """Return the recipe as `das3d_aug.Recipe.from_toml` reads it: what differs from the defaults, and why."""
        lines = [f"# Fitted to {len(self.statistics)} labelled defects on {len(self.statistics.count)} samples, from:"]
        before = _fields(self.start)
        moved = {name: before[name] for name in dict.fromkeys(one.partition(".")[0] for one in self.changes())}
        lines += [f"# {name}: {worded(before)}" for name, before in moved.items()]
        return "\n".join(lines) + "\n" + self.recipe.to_toml()


def fit_folder(
    source: str | Path,
    *,
    recipe: Recipe | None = None,
    seed: int = 0,
    size: int | str | tuple[int, int] | None = None,
    textures: str | Path | None = None,
    foreground: Policy = "auto",
    layout: str | None = None,
    progress: Callable[[int, int], None] | None = None,
    **dataset_options: Any,
) -> FittedRecipe:
    """Fit a recipe to the labelled defects of a folder; nothing is written.

    Parameters
    ----------
    source : path
        A folder in any layout that `das3d_aug.datasets.open_dataset` reads, with masks of some defects, and with good
        images, of which forty are used.
    recipe : Recipe, optional
        Where to start; `Recipe.realistic` without it.
    size : int, "HxW" or (height, width), optional
        Of the images that are measured; without it their own, or that of a longer side of 512 pixels if it is larger.
    seed, textures, foreground, layout, **dataset_options
        As for `das3d_aug.generation.generate`.
    progress : callable, optional
        Called with (kinds tried, kinds to try).

    Returns
    -------
    FittedRecipe

    Raises
    ------
    FileError
        If the folder has fewer than five labelled defects, or no good image, or most masks mark the whole image.
    ParameterError
        If an argument cannot be used.
    """
    seed, target = check_seed(seed), parse_size(size)
    start = Recipe.realistic() if recipe is None else recipe
    dataset = open_dataset(source, layout=layout, **dataset_options)
    parts = good_parts(dataset, target, most=_PARTS)
    if not parts:
        raise FileError(source, f"has no normal sample to draw defects on ({dataset.how})")
    real, whole = _measured(source, dataset, target, foreground)
    if len(real) < FEWEST:
        how_many = f"{len(real)} labelled defects" if len(real) else "no labelled defect"
        raise FileError(source, f"has {how_many}, and a fit needs masks of at least {FEWEST} ({dataset.how})")
    source_of = None if textures is None else as_source(textures)
    fitted = fit(real, parts, recipe=start, seed=seed, textures=source_of, foreground=foreground, progress=progress)
    pictures = [("real", tuple(_spread(labelled_defects(dataset, target), len(real.count))))]
    gaps = []
    for heading, one in (("before", start), ("after", fitted)):
        drawn = synthetic_samples(parts, recipe=one, count=_DRAWN, seed=seed, textures=source_of, foreground=foreground)
        shown = list(itertools.islice(drawn, _SHOWN))
        gaps.append(gap(measure(itertools.chain(shown, drawn), foreground=foreground), real))
        pictures.append((heading, tuple(shown)))
    return FittedRecipe(
        recipe=fitted,
        start=start,
        statistics=real,
        before=gaps[0],
        after=gaps[1],
        pictures=tuple(pictures),
        warnings=(*dataset.warnings, *_doubts(real, whole)),
    )


def _measured(
    folder: str | Path, dataset: Dataset, size: tuple[int, int] | None, foreground: Policy
) -> tuple[DefectStatistics, tuple[int, ...]]:
    """Return the figures of labelled defects, and the samples of these whose mask marks nearly all of the image."""
    keys: list[str] = []
    whole: list[int] = []

    def watched() -> Iterator[Sample]:
        for sample in labelled_defects(dataset, size):
            if sample.need("mask").mean() > _WHOLE:
                whole.append(len(keys))
            keys.append(sample.entry.key)
            yield sample

    found = measure(watched(), foreground=foreground)
    if 2 * len(whole) > len(keys):
        raise FileError(folder, f"{_says_nothing(whole, len(keys))} ({keys[whole[0]]})")
    return found, tuple(whole)


def _says_nothing(whole: Sequence[int], total: int) -> str:
    marks = "mark" if len(whole) > 1 else "marks"
    return (
        f"{len(whole)} of {counted(total, 'mask')} of labelled samples {marks} more than {_WHOLE:.0%} of the image: a "
        "mask marks the defect alone, so it may be inverted, or be that of the part"
    )


def _doubts(real: DefectStatistics, whole: Sequence[int]) -> Iterator[str]:
    """Say what makes figures of real defects rough, or wrong."""
    if len(real) < _ROUGH:
        yield f"{len(real)} labelled defects are few: below {_ROUGH}, ranges and weights are rough"
    if whole:
        yield _says_nothing(whole, len(real.count))
    covered = np.bincount(real.sample, real.area) > _SWALLOWED
    covered[[*whole]] = False
    if swallowed := int(np.count_nonzero(covered)):
        yield (
            f"on {swallowed} of {len(real.count)} samples the defects cover more than half of what was found as the "
            "part: say foreground='all' where it fills the frame, else give masks of the part"
        )


def _flat(recipe: Recipe) -> dict[str, Any]:
    """Return the fields of a recipe, its kinds as fields of their own."""
    fields = _fields(recipe)
    return fields | {f"kinds.{kind}": weight for kind, weight in (fields.pop("kinds") or {}).items()}


def _fields(recipe: Recipe) -> dict[str, Any]:
    fields = {f.name: getattr(recipe, f.name) for f in dataclasses.fields(recipe) if f.init}
    return fields | {"placement": recipe.placement or {"anywhere": 1.0}}


def worded(value: Any) -> str:
    """Say a value of `FittedRecipe.changes` as people read it."""
    if value is None:
        return "each kind's own"
    if isinstance(value, dict):
        return ", ".join(f"{name} {worded(inner)}" for name, inner in value.items())
    return " … ".join(f"{end:g}" for end in value) if isinstance(value, tuple) else f"{value:g}"


def _spread(samples: Any, total: int) -> Any:
    """Yield some samples, spread evenly over all."""
    step = max(total // _SHOWN, 1)
    return itertools.islice(samples, 0, step * _SHOWN, step)


def gap_folders(
    a: str | Path,
    b: str | Path,
    *,
    size: int | str | tuple[int, int] | None = None,
    foreground: Policy = "auto",
    layout: str | None = None,
    **dataset_options: Any,
) -> Gap:
    """Say how far the labelled defects of two folders are from each other.

    Parameters
    ----------
    a, b : path
        Folders in any layout, such as a generated set and a real one.
    size, foreground, layout, **dataset_options
        As for `fit_folder`, the same for both.

    Returns
    -------
    Gap

    Warns
    -----
    UserWarning
        What is there and not used (`das3d_aug.datasets.Dataset`).

    Raises
    ------
    FileError
        If one of them has no labelled defect, or most of its masks mark the whole image.
    ParameterError
        If an argument cannot be used.
    """
    target = parse_size(size)
    found = []
    for folder in (a, b):
        dataset = open_dataset(folder, layout=layout, **dataset_options)
        for sentence in dataset.warnings:
            warnings.warn(f"{folder}: {sentence}", stacklevel=2)
        found.append(_measured(folder, dataset, target, foreground)[0])
        if not len(found[-1]):
            raise FileError(folder, f"has no labelled defect: no mask of an anomalous sample ({dataset.how})")
    return gap(*found)
