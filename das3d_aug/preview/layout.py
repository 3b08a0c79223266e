"""How a sheet is put together: tiles side by side, lines of text, an outline, a scale bar, a legend."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeAlias

import cv2
import numpy as np

from das3d_aug.colouring import Image, Mask

__all__ = ["PAPER", "PART", "TILE", "Swatch", "legend", "line", "outlined", "row", "whole", "with_scale_bar"]

TILE, GAP, LINE = 224, 6, 26
PAPER, _INK, PART = (232, 232, 232), (40, 40, 40), (255, 0, 200)
_BAR = 0.3  # of a tile's width, at most
_HOLE = 5e-4  # of the image: smaller holes of a part are pixels that were not measured
_FONT = cv2.FONT_HERSHEY_SIMPLEX

Swatch: TypeAlias = tuple[Sequence[float] | None, str]
"""A colour, or None, and what it means."""


def row(tiles: Sequence[Image]) -> Image:
    """Put pictures side by side, each fitted into a column."""
    return np.hstack([_tile(picture) for picture in tiles])


def line(texts: Sequence[str], columns: int) -> Image:
    """Return one line of text, each text at the left edge of its column."""
    out = _empty(columns)
    for column, text in enumerate(texts):
        _write(out, text, (column * (TILE + GAP) + 4, LINE - 9))
    return out


def legend(places: Sequence[tuple[int, Sequence[Swatch]]], columns: int) -> Image:
    """Return one line of colours and what they mean, from the left edge of a column on each."""
    out = _empty(columns)
    for column, swatches in places:
        left = column * (TILE + GAP) + 4
        for colour, text in swatches:
            if colour is not None:
                out[7 : LINE - 7, left : left + 12] = np.rint(colour)
                left += 17
            left += _write(out, text, (left, LINE - 9), size=0.42) + 10
    return out


def outlined(picture: Image, part: Mask) -> Image:
    """Draw the outline of the part on a picture, at the size at which a tile shows it."""
    rows, columns = _fitted(picture)
    out = _resized(picture)
    inside = cv2.resize(part.astype(np.uint8), (columns, rows), interpolation=cv2.INTER_NEAREST)
    # Beyond the frame there is no part: one that fills the image is framed.
    core = cv2.erode(inside, np.ones((3, 3), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=0)
    out[(inside > 0) & (core == 0)] = PART
    return out


def whole(part: Mask) -> Mask:
    """Fill the holes of a part that are too small to be seen, each of which would be a speck of outline."""
    _, labels, found, _ = cv2.connectedComponentsWithStats((~part).astype(np.uint8), connectivity=4)
    tiny = found[:, cv2.CC_STAT_AREA] <= max(1.0, _HOLE * part.size)
    tiny[0] = False  # the part itself
    return np.asarray(part | tiny[labels])


def with_scale_bar(picture: Image, of: tuple[int, int], pixel: float, unit: str) -> Image:
    """Draw a bar of a round length on a picture that shows an image of H x W pixels, each ``pixel`` units wide."""
    out = _resized(picture)
    width = pixel * of[1] / out.shape[1]  # of a pixel of the tile
    length = _round_below(_BAR * TILE * width)
    end = 8 + max(round(length / width), 1)
    base = out.shape[0] - 8
    text = f"{length:g} {unit}"
    (wide, high), _ = cv2.getTextSize(text, _FONT, 0.42, 1)
    out[max(base - 13 - high, 0) : base + 3, 5 : max(end, 8 + wide) + 4] = 255
    out[base - 3 : base, 8:end] = 0
    cv2.putText(out, text, (8, base - 8), _FONT, 0.42, (0, 0, 0), 1, cv2.LINE_AA)
    return out


def _round_below(length: float) -> float:
    """Return the largest of 1, 2 and 5 times a power of ten that is not above a length."""
    power = 10.0 ** math.floor(math.log10(length))
    return float(next(step for step in (5, 2, 1) if step * power <= length * (1 + 1e-9)) * power)


def _fitted(picture: Image) -> tuple[int, int]:
    """Return the rows and columns that a picture has as a tile."""
    height, width = picture.shape[:2]
    factor = TILE / max(height, width)
    return max(round(height * factor), 1), max(round(width * factor), 1)


def _resized(picture: Image) -> Image:
    rows, columns = _fitted(picture)
    method = cv2.INTER_AREA if rows < picture.shape[0] else cv2.INTER_NEAREST
    return np.array(cv2.resize(picture, (columns, rows), interpolation=method), np.uint8)


def _tile(picture: Image) -> Image:
    """Fit a picture into the width of a column, with a margin."""
    rows, columns = _fitted(picture)
    out: Image = np.full((rows + GAP, TILE + GAP, 3), PAPER, np.uint8)
    left = (TILE - columns) // 2
    out[:rows, left : left + columns] = _resized(picture)
    return out


def _empty(columns: int) -> Image:
    return np.full((LINE, columns * (TILE + GAP), 3), PAPER, np.uint8)


def _write(out: Image, text: str, place: tuple[int, int], *, size: float = 0.5) -> int:
    """Write text and return how wide it is, in pixels."""
    plain = text.encode("ascii", "replace").decode()
    cv2.putText(out, plain, place, _FONT, size, _INK, 1, cv2.LINE_AA)
    return int(cv2.getTextSize(plain, _FONT, size, 1)[0][0])
