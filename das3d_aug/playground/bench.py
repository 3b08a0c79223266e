"""What a playground does for its page: draw a sample, measure a few, write the recipe."""

from __future__ import annotations

import copy
import dataclasses
import math
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from das3d_aug.datasets import Sample, open_dataset
from das3d_aug.errors import Das3dError, FileError
from das3d_aug.files import write_atomic
from das3d_aug.fitting import DefectStatistics, measure, synthetic_samples
from das3d_aug.fitting.samples import anomalous_sample, labelled_defects
from das3d_aug.gallery.encode import Pool, ramp
from das3d_aug.gallery.samples import Found, held
from das3d_aug.generation.formats import colour_of
from das3d_aug.generation.measuring import pixel_area
from das3d_aug.generation.records import Before, Record, in_mm
from das3d_aug.playground.controls import about_kinds, controls, values_of
from das3d_aug.playground.parts import Parts, demo_parts, folder_parts
from das3d_aug.preparation import parse_size, resize_sample
from das3d_aug.randomness import check_seed
from das3d_aug.synthesis import (
    Policy,
    Recipe,
    find_foreground,
    kind_of,
    measure_severity,
    synthesize,
)
from das3d_aug.textures import as_source

__all__ = ["Playground"]

_SIDE = 512  # pixels of what is sent; what is drawn has its own size
_CHUNK = 0.05  # seconds that a page waits for figures, so that a picture never waits long
_WARM = 256  # pixels of the longer side of the part that kernels are compiled with
_RECIPE = "recipe.toml"

Row = list[float | None]  # of a defect: pixels, mm², share of the part's range of depth, mm


class Playground:
    """A recipe that is tried on good parts.

    Parameters
    ----------
    source : path, optional
        A folder in any layout that `das3d_aug.datasets.open_dataset` reads; without it, parts of the demo set.
    recipe : Recipe, optional
        What the page begins with; `Recipe.realistic` without it.
    seed : int
        What it begins with.
    beside : path, optional
        A folder with labelled defects, whose sizes and heights are shown beside the recipe's.
    out : path, optional
        Where the page may write the recipe; without it, it can only be downloaded.
    command : str
        What the page shows as the command that uses the recipe; ``{seed}`` stands for the seed.
    size, textures, foreground, layout, **dataset_options
        As for `das3d_aug.generation.generate`.
    progress : callable, optional
        Called with (labelled samples measured, samples there are).

    Raises
    ------
    FileError
        If ``source`` has no normal sample, or ``beside`` no labelled defect.
    ParameterError
        If an argument cannot be used.

    Warns
    -----
    UserWarning
        What is there in ``source`` and not used; a plug-in of a kind that cannot be loaded.
    """

    def __init__(
        self,
        source: str | Path | None = None,
        *,
        recipe: Recipe | None = None,
        seed: int = 0,
        beside: str | Path | None = None,
        out: str | Path | None = None,
        command: str = "",
        size: int | str | tuple[int, int] | None = None,
        textures: str | Path | None = None,
        foreground: Policy = "auto",
        layout: str | None = None,
        progress: Callable[[int, int], None] | None = None,
        **dataset_options: Any,
    ) -> None:
        self._recipe, self._seed = recipe or Recipe.realistic(), check_seed(seed)
        self._out = None if out is None else Path(out)
        self._command, self._foreground = command, foreground
        self._texture = None if textures is None else as_source(textures)
        target = parse_size(size)
        if source is None:
            self._parts = demo_parts()
        else:
            self._parts, odd = folder_parts(source, size=target, layout=layout, **dataset_options)
            for sentence in odd:
                warnings.warn(sentence, stacklevel=2)
        self._beside: dict[str, Any] | None = None
        if beside is not None:
            dataset = open_dataset(beside, layout=layout, **dataset_options)
            rows: list[Row] = []
            samples = 0
            for samples, sample in enumerate(labelled_defects(dataset, target), start=1):
                rows += _rows(measure([sample], foreground=foreground), pixel_area(sample, sample.need("mask")))
                if progress is not None:
                    progress(samples, len(dataset))
            if not rows:
                raise FileError(beside, f"has no labelled defect ({dataset.how})")
            self._beside = {"name": Path(beside).resolve().name, "rows": rows, "samples": samples}
        self._turn = threading.Lock()  # warnings are caught for the whole process

    def page(self) -> dict[str, Any]:
        """Return what the page holds at first, as JSON takes it."""
        return {
            "title": self._parts.title,
            "parts": self._parts.names,
            "controls": controls(),
            "about": about_kinds(),
            "presets": {name: values_of(Recipe.named(name)) for name in ("paper", "realistic")},
            "recipe": values_of(self._recipe),
            "seed": self._seed,
            "beside": self._beside,
            "out": None if self._out is None else str(self._out),
            "ramp": ramp(),
        }

    def draw(self, recipe: Recipe, *, seed: int, part: int, whole: bool = True) -> dict[str, Any]:
        """Draw the sample that ``generate`` makes of a part with this recipe and seed.

        Parameters
        ----------
        recipe : Recipe
        seed, part : int
            Of the run, and the position of the part.
        whole : bool
            Whether neither modality is dropped and no sample stays normal, as in previews.

        Returns
        -------
        dict
            ``sample`` and its ``pictures`` as the page of a gallery holds them, what ``generate`` leaves as it was
            (``kept``), and what was warned of (``notes``).

        Raises
        ------
        Das3dError
            If the part cannot be opened, or no defect can be put on it.
        """
        seed = check_seed(seed)
        with self._turn, warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", UserWarning)
            good = self._parts.open(part)
            drawn = dataclasses.replace(recipe, dropout=0.0, probability=1.0) if whole else recipe
            rgb, foreground = colour_of(good), self._foreground if good.foreground is None else good.foreground
            pair = synthesize(
                rgb, good.depth, recipe=drawn, seed=seed, index=part, texture=self._texture, foreground=foreground,
                camera=good.camera, unit=good.unit,
            )  # fmt: skip
            severity = measure_severity(rgb, good.depth, pair, foreground=foreground)
            if good.depth is not None:
                inside = find_foreground(good.depth, foreground, depth_axis=recipe.depth_axis).mask
                good = dataclasses.replace(good, foreground=inside)
            area = pixel_area(good, pair.mask)
            values = {
                "plan": pair.plan.to_dict(),
                "kind": kind_of(pair),
                "severity": dataclasses.asdict(severity),
                "unit": good.unit,
                "measured": {"area": None if area is None else area * int(np.count_nonzero(pair.mask))},
            }
            found = Found(
                entry=good.entry,
                sample=anomalous_sample(good, pair),
                record=Record(path=Path(_RECIPE), values=values, command=self._command.replace("{seed}", str(seed))),
                before=Before(sample=good, instances=pair.instances),
                why="",
            )
            pool = Pool(quick=True)
            sample = held(found, pool, side=_SIDE)
        notes = [*good.warnings, *dict.fromkeys(str(one.message) for one in caught)]
        return {"sample": sample, "pictures": pool.urls, "kept": _kept(recipe, good, seed, part), "notes": notes}

    def figures(self, recipe: Recipe, *, seed: int, start: int, most: int) -> dict[str, Any]:
        """Measure the defects of samples of a recipe, as many as fit into a moment, the parts in turns.

        Parameters
        ----------
        recipe : Recipe
        seed, start : int
            Of the run, and how many samples were measured before these.
        most : int
            How many at most.

        Returns
        -------
        dict
            ``rows``, one a defect (pixels, mm², share of the part's range of depth, mm; None where it is not known),
            ``next``, the ``start`` that comes next, and ``samples``, of which there are defects.

        Raises
        ------
        Das3dError
            If a part cannot be opened, or no defect can be put on it.
        """
        seed, until, last, samples = check_seed(seed), time.monotonic() + _CHUNK, start + most, 0
        rows: list[Row] = []
        few = self._parts.spread()
        with self._turn, warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # `draw` says them
            while True:
                good = self._parts.open(few[start % len(few)])
                drawn = synthetic_samples(
                    [good], recipe=recipe, count=1, seed=seed, epoch=start, textures=self._texture,
                    foreground=self._foreground,
                )  # fmt: skip
                for sample in drawn:
                    found = measure([sample], foreground=self._foreground)
                    rows += _rows(found, pixel_area(good, sample.need("mask")))
                    samples += 1
                start += 1
                if time.monotonic() >= until or start >= last:
                    return {"rows": rows, "next": start, "samples": samples}

    def read(self, toml: bytes) -> dict[str, Any]:
        """Return all fields of the recipe that a TOML file holds.

        Raises
        ------
        FileError
            If it is not TOML, or no recipe.
        """
        return values_of(Recipe.from_toml(_RECIPE, data=toml))

    def save(self, recipe: Recipe) -> dict[str, Any]:
        """Write the recipe to ``out``, if that was given.

        Returns
        -------
        dict
            ``toml``, the text, and ``written``, the file, or None.

        Raises
        ------
        FileError
            If it cannot be written.
        """
        kinds, placement = _above_zero(recipe.kinds), _above_zero(recipe.placement)
        text = (
            dataclasses.replace(recipe, kinds=kinds, placement=placement).to_toml()
            or "# all fields have their defaults\n"
        )
        if self._out is not None:
            write_atomic(self._out, text.encode())
        return {"toml": text, "written": None if self._out is None else str(self._out)}

    def warm(self) -> None:
        """Compile what is drawn with, on a small part, so that the first change is as fast as the others."""
        try:
            part = self._parts.open(0)
        except Das3dError:  # the page says it
            return
        height, width = (max(1, round(side * min(1.0, _WARM / max(part.shape)))) for side in part.shape)
        small = copy.copy(self)
        small._parts = Parts("", ("",), lambda _: resize_sample(part, (height, width)))
        for recipe in (Recipe(), self._recipe, Recipe.realistic(count=(8, 8))):
            try:
                for seed in range(4):
                    small.draw(recipe, seed=seed, part=0)
                small.figures(recipe, seed=0, start=0, most=1)
            except Das3dError:
                continue


def _kept(recipe: Recipe, good: Sample, seed: int, part: int) -> str:
    """Say which modalities of a part the sample in a data set of the recipe has as they were, and why; "" if none."""
    plan = recipe.draw(good.shape, seed=seed, index=part)
    held = {"colour": (good.rgb, plan.drop_rgb), "depth": (good.depth, plan.drop_depth)}
    there = {name: drop or not plan.anomalous for name, (image, drop) in held.items() if image is not None}
    why = "probability" if not plan.anomalous else "dropout" if recipe.modality == "rgbd" else "modality"
    kept = " and ".join(name for name, drop in there.items() if drop)
    return f"{kept} ({why})" if kept else ""


def _above_zero(weights: Mapping[str, float] | None) -> dict[str, float] | None:
    """Leave out weights of 0: what is drawn is the same."""
    return None if weights is None else {name: weight for name, weight in weights.items() if weight}


def _rows(found: DefectStatistics, area: float | None) -> Iterator[Row]:
    """Yield the figures of each defect; ``area`` is what a pixel covers in mm²."""
    scale, unit = in_mm(1.0, found.unit)
    for pixels, height, change in zip(found.pixels, found.height, found.depth_change, strict=True):
        moved = change * scale if unit == "mm" else math.nan
        figures = (pixels, math.nan if area is None else pixels * area, height, moved)
        yield [None if math.isnan(figure) else float(f"{figure:.4g}") for figure in figures]


def field_of(error: Das3dError) -> str | None:
    """Return the field that an error of a recipe is about; None if it is about none."""
    first = str(error).replace(".", " ").split(" ", 1)[0]
    names = {f.name for f in dataclasses.fields(Recipe) if f.init}
    return first if first in names else "kinds" if first == "kind" else None
