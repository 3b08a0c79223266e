"""Contact sheets: what a recipe, or the preparation, does to some samples, one row each.

Colours are stretched to robust percentiles of the foreground, because a defect of a millimetre is invisible
on a scale that also holds the background.  The shaded surface is Lambert's cosine law on the normals of the
depth map, (dZ/dx, dZ/dy, 1) with z towards the camera; both pictures of a row have one scale, to compare.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from das3d_aug.datasets import Sample, open_dataset
from das3d_aug.errors import FileError, ParameterError
from das3d_aug.generation import normal_entries
from das3d_aug.preparation import Preparation, parse_size, remove_and_resize, resize_sample
from das3d_aug.randomness import check_seed
from das3d_aug.synthesis import Policy, Recipe, find_foreground, synthesize
from das3d_aug.textures import TextureSource, as_source

__all__ = ["contact_sheet", "preparation_sheet", "shade"]

_TILE, _GAP, _LINE = 224, 6, 26
_PAPER, _INK, _GREY = (232, 232, 232), (40, 40, 40), 128
_BLUE, _RED = np.array([33.0, 102.0, 172.0]), np.array([178.0, 24.0, 43.0])
_LIGHT = np.array([-1.0, -1.0, 1.4]) / np.linalg.norm([-1.0, -1.0, 1.4])
_HEADINGS = ("RGB", "depth", "delta", "mask", "anomalous RGB", "surface before", "surface after")
_PREPARED = ("RGB", "depth", "removed", "RGB after", "depth after")

_Image = npt.NDArray[np.uint8]
_Depth = npt.NDArray[np.float32]
_Mask = npt.NDArray[np.bool_]


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
    **dataset_options: Any,
) -> _Image:
    """Draw samples of a folder before and after the synthesis.

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

    Returns
    -------
    ndarray of uint8, shape (rows, columns, 3)
        RGB.

    Raises
    ------
    ParameterError
        If ``count`` < 1 or another argument is wrong.
    FileError
        If the folder has no normal sample or a file cannot be read.
    """
    if count < 1:
        raise ParameterError(f"count must be at least 1, got {count}")
    seed = check_seed(seed)
    target, recipe = parse_size(size), replace(recipe or Recipe(), dropout=0.0, probability=1.0)
    dataset = open_dataset(source, layout=layout, **dataset_options)
    entries = normal_entries(dataset)
    if not entries:
        raise FileError(source, f"has no normal sample (layout {dataset.layout})")
    texture = None if textures is None else as_source(textures)
    rows, failures = [_line(_HEADINGS, len(_HEADINGS))], []
    for index in _spread(count, len(entries)):
        try:
            sample = resize_sample(dataset.open(entries[index]), target)
            rows += _row(sample, recipe, seed=seed, index=index, texture=texture, foreground=foreground)
        except (FileError, ParameterError) as error:  # one bad sample does not hide the others
            failures.append(error)
            rows.append(_line((f"{entries[index].key}   {error}",), len(_HEADINGS)))
    if len(failures) == len(rows) - 1:
        raise failures[0]
    return np.vstack(rows)


def _row(
    sample: Sample, recipe: Recipe, *, seed: int, index: int, texture: TextureSource | None, foreground: Policy
) -> list[_Image]:
    """Return the pictures of one sample and their caption; a modality that is missing has empty tiles."""
    pair = synthesize(
        sample.rgb,
        sample.depth,
        recipe=recipe,
        seed=seed,
        index=index,
        texture=texture,
        foreground=foreground if sample.foreground is None else sample.foreground,
        camera=sample.intrinsics,
        unit=sample.unit,
    )
    empty = np.full((*sample.shape, 3), _PAPER, np.uint8)
    depth_tile = delta_tile = before = after = empty
    change = "changed" if pair.mask.any() else "stays normal"
    if sample.depth is not None and pair.depth is not None and pair.delta is not None:
        valid = sample.need("valid")
        given = sample.foreground
        found = find_foreground(sample.depth, foreground, depth_axis=recipe.depth_axis)
        inside = found.mask if given is None else given
        inside = inside & valid if (inside & valid).any() else valid
        peak = float(np.abs(pair.delta).max())
        before, after = shade(sample.depth, pair.depth, valid, inside)
        depth_tile, delta_tile = _colour_depth(sample.depth, valid, inside), _diverging(pair.delta, peak)
        change = f"|delta| <= {peak:.3g} {sample.unit}" if pair.mask.any() else "stays normal"
    tiles = (
        empty if sample.rgb is None else sample.rgb,
        depth_tile,
        delta_tile,
        np.repeat((pair.mask > 0).astype(np.uint8)[:, :, None] * 255, 3, axis=2),
        empty if pair.rgb is None else pair.rgb,
        before,
        after,
    )
    return [np.hstack([_tile(tile) for tile in tiles]), _line((f"{sample.entry.key}   {change}",), len(_HEADINGS))]


def preparation_sheet(
    source: str | Path,
    *,
    settings: Preparation | None = None,
    count: int = 6,
    layout: str | None = None,
    **dataset_options: Any,
) -> _Image:
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
    if count < 1:
        raise ParameterError(f"count must be at least 1, got {count}")
    settings = replace(settings or Preparation(), size=None, pad=False, fallback="keep")
    dataset = open_dataset(source, layout=layout, **dataset_options)
    if not dataset.entries:
        raise FileError(source, f"has no sample (layout {dataset.layout})")
    rows = [_line(_PREPARED, len(_PREPARED))]
    for index in _spread(count, len(dataset.entries)):
        entry = dataset.entries[index]
        try:
            sample = dataset.open(entry)
            prepared = remove_and_resize(sample, settings)
        except (FileError, ParameterError) as error:  # the run reports it and goes on with the others
            rows.append(_line((f"{entry.key}   {error}",), len(_PREPARED)))
            continue
        removed = prepared.need("valid") & ~prepared.foreground
        tiles = (
            sample.need("rgb"),
            _colour_depth(sample.need("depth"), sample.need("valid"), sample.need("valid")),
            np.where(removed[:, :, None], (sample.need("rgb") * 0.4 + _RED * 0.6).astype(np.uint8), sample.need("rgb")),
            prepared.need("rgb"),
            _colour_depth(prepared.need("depth"), prepared.need("valid"), prepared.foreground),
        )
        caption = f"{entry.key}   {prepared.warning or f'{removed.mean():.0%} removed'}"
        rows += [np.hstack([_tile(tile) for tile in tiles]), _line((caption,), len(_PREPARED))]
    return np.vstack(rows)


def _spread(count: int, total: int) -> list[int]:
    """Choose ``count`` of the first ``total`` numbers, evenly."""
    chosen: list[int] = np.unique(np.linspace(0, total - 1, min(count, total)).round().astype(int)).tolist()
    return chosen


def _colour_depth(depth: _Depth, valid: _Mask, inside: _Mask) -> _Image:
    low, high = np.percentile(depth[inside if inside.sum() > 0.01 * valid.sum() else valid], (2, 98))
    scaled = np.clip((np.where(valid, depth, low) - low) / max(high - low, 1e-12), 0, 1)
    colours = np.empty((*depth.shape, 3), np.uint8)
    colours[:, :, ::-1] = cv2.applyColorMap((scaled * 255).astype(np.uint8), cv2.COLORMAP_VIRIDIS)
    colours[~valid] = _GREY
    return colours


def _diverging(delta: _Depth, peak: float) -> _Image:
    """Blue (towards the camera) – white (0) – red (away from it)."""
    share = (delta / (peak or 1.0))[:, :, None]
    end = np.where(share < 0, _BLUE, _RED)
    colours: _Image = np.rint(255.0 + np.abs(share) * (end - 255.0)).astype(np.uint8)
    return colours


def shade(before: _Depth, after: _Depth, valid: _Mask, inside: _Mask) -> tuple[_Image, _Image]:
    """Return the relief of two depth images under the same light, H x W x 3.

    Parameters
    ----------
    before, after : ndarray of float32, H x W
        Distances from the camera, in any unit.
    valid : ndarray of bool, H x W
        Where they were measured.
    inside : ndarray of bool, H x W
        The part, whose slopes in ``after`` set the scale.
    """
    slopes = [_slopes(depth, valid) for depth in (before, after)]
    # All but the steepest tenth of the part becomes at most 45 degrees; its edge does not count.
    core = cv2.erode(inside.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    steepness = np.hypot(*slopes[1])[core if core.any() else inside]
    scale = 1.0 / max(float(np.percentile(steepness, 90)), 1e-12)
    first, second = (_lambert(dx * scale, dy * scale, valid) for dx, dy in slopes)
    return first, second


def _slopes(depth: _Depth, valid: _Mask) -> tuple[_Depth, _Depth]:
    """Central differences per pixel of the slightly smoothed depth, 0 where a neighbour is invalid."""
    weight = cv2.GaussianBlur(valid.astype(np.float32), (0, 0), 1.0)
    # Invalid pixels take no part: the blur of the valid depth is divided by the blur of validity.
    blurred = cv2.GaussianBlur(np.where(valid, depth, np.float32(0)), (0, 0), 1.0)
    smooth = blurred / np.maximum(weight, np.float32(1e-6))
    whole = cv2.erode(valid.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    dx = cv2.Sobel(smooth, cv2.CV_32F, 1, 0, ksize=1, scale=0.5)
    dy = cv2.Sobel(smooth, cv2.CV_32F, 0, 1, ksize=1, scale=0.5)
    return np.where(whole, dx, np.float32(0)), np.where(whole, dy, np.float32(0))


def _lambert(dx: _Depth, dy: _Depth, valid: _Mask) -> _Image:
    cosine = (dx * _LIGHT[0] + dy * _LIGHT[1] + _LIGHT[2]) / np.sqrt(dx * dx + dy * dy + 1.0)
    grey = np.rint(40.0 + 215.0 * np.clip(cosine, 0, 1)).astype(np.uint8)
    grey[~valid] = _GREY
    return np.repeat(grey[:, :, None], 3, axis=2)


def _tile(image: _Image) -> _Image:
    """Fit a picture into the width of a column, with a margin."""
    height, width = image.shape[:2]
    factor = _TILE / max(height, width)
    rows, columns = max(round(height * factor), 1), max(round(width * factor), 1)
    method = cv2.INTER_AREA if factor < 1 else cv2.INTER_NEAREST
    tile = np.full((rows + _GAP, _TILE + _GAP, 3), _PAPER, np.uint8)
    left = (_TILE - columns) // 2
    tile[:rows, left : left + columns] = cv2.resize(image, (columns, rows), interpolation=method)
    return tile


def _line(texts: tuple[str, ...], columns: int) -> _Image:
    """One line of text, each text at the left edge of its column."""
    line = np.full((_LINE, columns * (_TILE + _GAP), 3), _PAPER, np.uint8)
    for column, text in enumerate(texts):
        place = (column * (_TILE + _GAP) + 4, _LINE - 9)
        plain = text.encode("ascii", "replace").decode()
        cv2.putText(line, plain, place, cv2.FONT_HERSHEY_SIMPLEX, 0.5, _INK, 1, cv2.LINE_AA)
    return line
