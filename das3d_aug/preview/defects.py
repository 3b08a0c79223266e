"""A sheet of labelled defects, rows to be compared with each other: real ones, and those that recipes draw."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from das3d_aug.colouring import Image, Mask, shade
from das3d_aug.datasets import Sample
from das3d_aug.errors import ParameterError
from das3d_aug.preview.layout import PAPER, TILE, line, outlined, row
from das3d_aug.synthesis import find_foreground

__all__ = ["defects_sheet"]


def defects_sheet(rows: Sequence[tuple[str, Sequence[Sample]]]) -> Image:
    """Draw samples with the outline of their masks, a row of colour and one of the surface under each heading.

    Parameters
    ----------
    rows : sequence of (str, sequence of Sample)
        Headings, and what is below each; all rows as wide as the longest.

    Returns
    -------
    ndarray of uint8, shape (rows, columns, 3)
        RGB.

    Raises
    ------
    ParameterError
        If there is no sample.
    """
    columns = max((len(samples) for _, samples in rows), default=0)
    if not columns:
        raise ParameterError("rows must hold at least one sample, got none")
    blank: Image = np.full((TILE, TILE, 3), PAPER, np.uint8)
    out = []
    for heading, samples in rows:
        out.append(line((heading,), columns))
        for draw in (_colour, _surface):
            tiles = [blank if (tile := draw(sample)) is None else _square(tile) for sample in samples]
            if any(tile is not blank for tile in tiles):
                out.append(row([*tiles, *[blank] * (columns - len(tiles))]))
    return np.vstack(out)


def _colour(sample: Sample) -> Image | None:
    return None if sample.rgb is None else outlined(sample.rgb, _marked(sample))


def _surface(sample: Sample) -> Image | None:
    if sample.depth is None:
        return None
    valid = sample.need("valid")
    part = find_foreground(sample.depth, "auto" if sample.foreground is None else sample.foreground).mask
    inside = part & valid if (part & valid).any() else np.ones_like(valid)
    return outlined(shade(sample.depth, sample.depth, valid, inside)[1], _marked(sample))


def _marked(sample: Sample) -> Mask:
    return np.zeros(sample.shape, np.bool_) if sample.mask is None else sample.mask


def _square(tile: Image) -> Image:
    """Put a tile in the middle of a square."""
    rows, columns = tile.shape[:2]
    out: Image = np.full((TILE, TILE, 3), PAPER, np.uint8)
    top, left = (TILE - rows) // 2, (TILE - columns) // 2
    out[top : top + rows, left : left + columns] = tile
    return out
