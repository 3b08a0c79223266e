"""The sheets of whole folders: some samples before and after the synthesis or the preparation, one row each."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from das3d_aug.colouring import (
    BLUE,
    FAR,
    NEAR,
    RED,
    Image,
    Mask,
    colour_delta,
    colour_depth,
    depth_scale,
    shade,
)
from das3d_aug.datasets import Dataset, Entry, Sample, open_dataset
from das3d_aug.errors import Das3dError, FileError, ParameterError
from das3d_aug.generation import normal_entries
from das3d_aug.generation.formats import colour_of
from das3d_aug.generation.measuring import pixel_area
from das3d_aug.geometry import to_unit
from das3d_aug.preparation import (
    Preparation,
    Prepared,
    parse_size,
    remove_and_resize,
    resize_sample,
    resolve_foreground,
)
from das3d_aug.preview.defects import defects_sheet
from das3d_aug.preview.layout import PAPER, PART, Swatch, legend, line, outlined, row, whole, with_scale_bar
from das3d_aug.randomness import check_seed
from das3d_aug.synthesis import AnomalyPair, Policy, Recipe, find_foreground, synthesize
from das3d_aug.textures import as_source

__all__ = ["OnFailure", "contact_sheet", "ends", "preparation_sheet", "scaled"]

OnFailure = Callable[[str, str], None]

_HEADINGS = (
    "RGB", "depth", "depth after", "change of depth", "mask", "anomalous RGB", "surface before", "surface after",
)  # fmt: skip
_DEPTH, _CHANGE = 1, 3  # columns of these
_PREPARED = ("RGB", "depth", "removed", "RGB after", "depth after")


def contact_sheet(
    source: str | Path,
    *,
    recipe: Recipe | None = None,
    count: int = 6,
    seed: int = 0,
    size: int | str | tuple[int, int] | None = None,
    textures: str | Path | None = None,
    foreground: Policy = "auto",
    layout: str | None = None,
    on_failure: OnFailure | None = None,
    **dataset_options: Any,
) -> Image:
    """Draw samples of a folder before and after the synthesis.

    A folder that has anomalous samples alone, such as `das3d_aug.generation.generate` writes with ``count=``, is drawn
    as it is (`defects_sheet`): no defect is put on another.

    The part is outlined, a bar tells the scale (mm where a camera or points and a unit are known, else px), and a line
    below each row tells which colours are near and far (of heights: high and low), nearer and farther, with their
    values.

    Parameters
    ----------
    source : path
        A folder in any layout that `das3d_aug.datasets.open_dataset` reads.
    recipe : Recipe, optional
        What is drawn; the default recipe without it.
    count : int
        How many rows, spread evenly over the normal samples.
    seed : int
        Seed of the run; a row shows the defect that ``generate`` makes with ``per_image=1`` and this seed, in
        both modalities: neither is dropped, and no sample stays normal.
    size, textures, foreground, layout, **dataset_options
        As for `das3d_aug.generation.generate`.
    on_failure : callable, optional
        Called with (sample, reason) of each sample that cannot be drawn; its row is a line with the reason.

    Returns
    -------
    ndarray of uint8, shape (rows, columns, 3)
        RGB.

    Warns
    -----
    UserWarning
        What is there and not used (`das3d_aug.datasets.Dataset`).

    Raises
    ------
    ParameterError
        If ``count`` < 1 or another argument is wrong.
    FileError
        If the folder has no sample.
    Das3dError
        If none of the samples can be drawn: what the first one raised, with its name.
    """
    _check_count(count)
    seed = check_seed(seed)
    target, recipe = parse_size(size), replace(recipe or Recipe(), dropout=0.0, probability=1.0)
    dataset = open_dataset(source, layout=layout, **dataset_options)
    for sentence in dataset.warnings:
        warnings.warn(f"{source}: {sentence}", stacklevel=2)
    entries = normal_entries(dataset)
    if not entries:
        return _as_they_are(dataset, count, on_failure)
    texture = None if textures is None else as_source(textures)

    def draw(index: int) -> list[Image]:
        sample = resize_sample(dataset.open(entries[index]), target)
        part = foreground if sample.foreground is None else sample.foreground
        pair = synthesize(
            colour_of(sample),
            sample.depth,
            recipe=recipe,
            seed=seed,
            index=index,
            texture=texture,
            foreground=part,
            camera=sample.camera,
            unit=sample.unit,
        )
        inside = sample.foreground
        if sample.depth is not None:
            inside = find_foreground(sample.depth, part, depth_axis=recipe.depth_axis).mask
        return _row(sample, pair, np.ones(sample.shape, np.bool_) if inside is None else inside)

    key = (((0, ((PART, "outline: the part"), ((128, 128, 128), "depth not measured"))),), len(_HEADINGS))
    top = [line(_HEADINGS, len(_HEADINGS)), legend(*key)]
    rows, failures = _rows(entries, _spread(count, len(entries)), draw, len(_HEADINGS), on_failure)
    if failures and len(rows) == len(failures):
        raise failures[0]
    return np.vstack([*top, *rows])


def _as_they_are(dataset: Dataset, count: int, on_failure: OnFailure | None) -> Image:
    """Draw the samples of a folder with the outline of their masks; one that cannot be opened is left out."""
    if not dataset.entries:
        raise FileError(dataset.root, f"has no sample (layout {dataset.layout})")
    opened, failures = [], []
    for index in _spread(count, len(dataset)):
        try:
            opened.append(dataset[index])
        except Das3dError as error:
            failures.append(error)
            if on_failure is not None:
                on_failure(dataset.entries[index].key, str(error))
    if not opened:
        raise failures[0]
    return defects_sheet([(f"{dataset.root.name}: all samples are anomalous, here as they are", opened)])


def _row(sample: Sample, pair: AnomalyPair, inside: Mask) -> list[Image]:
    """Return the pictures of one sample and their caption; a modality that is missing has empty tiles."""
    empty: Image = np.full((*sample.shape, 3), PAPER, np.uint8)
    line_of = whole(inside)
    before_rgb = empty if sample.rgb is None else outlined(sample.rgb, line_of)
    depth = after = change = relief = relief_after = empty
    keys: list[tuple[int, tuple[Swatch, ...]]] = []
    if sample.depth is not None and pair.depth is not None and pair.delta is not None:
        valid = sample.need("valid")
        core = inside & valid if (inside & valid).any() else valid
        still_valid = (pair.depth > 0) & np.isfinite(pair.depth)
        scale = depth_scale(sample.depth, valid, core)
        delta = np.where(still_valid, pair.delta, 0)  # what is lost has no change
        relief, relief_after = shade(sample.depth, pair.depth, valid, core)
        depth = outlined(colour_depth(sample.depth, valid, scale), line_of)
        after = colour_depth(pair.depth, still_valid, scale)
        change = colour_delta(delta, float(np.abs(delta).max()))
        near, far = ends(sample, scale)
        nearer, farther = (_length(float(value), sample.unit) for value in (np.abs(delta.min()), np.abs(delta.max())))
        keys = [
            (_DEPTH, ((NEAR, near), (FAR, far))),
            (_CHANGE, ((BLUE, f"nearer, to {nearer}"), (RED, f"farther, to {farther}"))),
        ]
    if sample.rgb is None:
        depth = scaled(depth, sample, inside)
    else:
        before_rgb = scaled(before_rgb, sample, inside)
    mask = np.repeat((pair.mask > 0).astype(np.uint8)[:, :, None] * 255, 3, axis=2)
    rgb = empty if pair.rgb is None else pair.rgb
    rgb = rgb if rgb.ndim == 3 else np.repeat(rgb[:, :, None], 3, axis=2)
    told = f"{np.count_nonzero(pair.mask)} px changed" if pair.mask.any() else "stays normal"
    caption = f"{sample.entry.key}   {told}; the part is {inside.mean():.0%} of the image"
    columns = len(_HEADINGS)
    tiles = (before_rgb, depth, after, change, mask, rgb, relief, relief_after)
    return [row(tiles), legend(keys, columns), line((caption,), columns)]


def scaled(picture: Image, sample: Sample, inside: Mask) -> Image:
    """Draw a scale bar on a picture of a sample: in mm at the part's depth where that is known, else in px."""
    area = pixel_area(sample, inside)
    pixel, unit = (1.0, "px") if area is None else (area**0.5, "mm")
    return with_scale_bar(picture, sample.shape, pixel, unit)


def ends(sample: Sample, scale: tuple[float, float]) -> tuple[str, str]:
    """Name the near and the far end of a scale of depth, of heights as the source has them."""
    stand_off = None if sample.stored is None else sample.stored.stand_off
    if stand_off is None:
        return f"near {_length(scale[0], sample.unit)}", f"far {_length(scale[1], sample.unit)}"
    high, low = (_length(stand_off - value, sample.unit) for value in scale)
    return f"high {high}", f"low {low}"


def _length(value: float, unit: str) -> str:
    with contextlib.suppress(ParameterError):  # its length is not known
        value, unit = float(to_unit(value, unit, "mm")), "mm"
    return f"{float(f'{value:.4g}'):g} {unit}"


def preparation_sheet(
    source: str | Path,
    *,
    settings: Preparation | None = None,
    count: int = 6,
    layout: str | None = None,
    on_failure: OnFailure | None = None,
    **dataset_options: Any,
) -> Image:
    """Draw samples of a folder before and after the preparation, at their own size; what is removed is red.

    Parameters
    ----------
    source : path
        A folder in any layout that `das3d_aug.datasets.open_dataset` reads.
    settings : Preparation, optional
        What is done; `Preparation.paper` without it.  A sample without a plane is shown as it is, one that cannot
        be prepared has a line with the reason.
    count : int
        How many rows, spread evenly over all samples.
    layout, **dataset_options
        As for `das3d_aug.datasets.open_dataset`.
    on_failure : callable, optional
        As for `contact_sheet`.

    Returns
    -------
    ndarray of uint8, shape (rows, columns, 3)
        RGB.

    Raises
    ------
    ParameterError
        If ``count`` < 1 or another argument is wrong.
    FileError
        If the folder has no sample.
    """
    _check_count(count)
    settings = replace(settings or Preparation(), size=None, pad=False, fallback="keep")
    dataset = open_dataset(source, layout=layout, **dataset_options)
    if not dataset.entries:
        raise FileError(source, f"has no sample (layout {dataset.layout})")
    decisions = resolve_foreground(dataset, settings) if settings.foreground == "auto" else {}

    def draw(index: int) -> list[Image]:
        entry = dataset.entries[index]
        policy = decisions[entry.category].policy if decisions else settings.foreground
        return _prepared_row(dataset, entry, replace(settings, foreground=policy))

    rows, _ = _rows(dataset.entries, _spread(count, len(dataset.entries)), draw, len(_PREPARED), on_failure)
    return np.vstack([line(_PREPARED, len(_PREPARED)), *rows])


def _prepared_row(dataset: Dataset, entry: Entry, settings: Preparation) -> list[Image]:
    sample = dataset.open(entry)
    prepared = remove_and_resize(sample, settings)
    before, after = _depth_tile(sample, sample.valid), _depth_tile(prepared, prepared.foreground)
    rgb = before if sample.rgb is None else sample.rgb
    removed = ~prepared.foreground if prepared.valid is None else prepared.valid & ~prepared.foreground
    tiles = (
        rgb,
        before,
        np.where(removed[:, :, None], (rgb * 0.4 + np.array(RED) * 0.6).astype(np.uint8), rgb),
        after if prepared.rgb is None else prepared.rgb,
        after,
    )
    caption = f"{entry.key}   {prepared.warning or f'{removed.mean():.0%} removed'}"
    return [row(tiles), line((caption,), len(_PREPARED))]


def _depth_tile(images: Sample | Prepared, part: NDArray[np.bool_] | None) -> Image:
    """Return the depth in colours; grey where there is none."""
    depth, valid = images.depth, images.valid
    if depth is None or valid is None or part is None:
        return np.full((*images.shape, 3), 128, np.uint8)
    return colour_depth(depth, valid, depth_scale(depth, valid, part))


def _check_count(count: int) -> None:
    if count < 1:
        raise ParameterError(f"count must be at least 1, got {count}")


def _spread(count: int, total: int) -> list[int]:
    """Choose ``count`` of the first ``total`` numbers, evenly."""
    chosen: list[int] = np.unique(np.linspace(0, total - 1, min(count, total)).round().astype(int)).tolist()
    return chosen


def _rows(
    entries: Sequence[Entry],
    chosen: Sequence[int],
    draw: Callable[[int], list[Image]],
    columns: int,
    on_failure: OnFailure | None,
) -> tuple[list[Image], list[Das3dError]]:
    """Draw samples; one that cannot be drawn is a line with the reason and does not hide the others."""
    rows, failures = [], []
    for index in chosen:
        try:
            rows += draw(index)
        except Das3dError as error:
            named = isinstance(error, FileError) or str(error).startswith(entries[index].key)
            failures.append(error if named else ParameterError(f"{entries[index].key}: {error}"))
            rows.append(line((f"{entries[index].key}   {error}",), columns))
            if on_failure is not None:
                on_failure(entries[index].key, str(error))
    return rows, failures
