"""A sheet of the kinds of defects, each on the same part."""

from __future__ import annotations

import numpy as np

from das3d_aug.colouring import Image, shade
from das3d_aug.datasets.demo import make_part
from das3d_aug.preview.layout import line, outlined, row
from das3d_aug.synthesis import AnomalyPair, Recipe, synthesize
from das3d_aug.synthesis.kinds import KINDS

__all__ = ["kinds_sheet"]

_ACROSS = 3
_SIDE = 224
_ATTEMPTS = 50
_LEAST = 0.15  # of the part, or what a kind's own range allows: to be seen on a sheet


def kinds_sheet(*, seed: int = 0) -> Image:
    """Draw a defect of every kind on a part of the demo set: its colour with the mask's outline, and its surface.

    Parameters
    ----------
    seed : int
        Of the defects.

    Returns
    -------
    ndarray of uint8, shape (rows, columns, 3)
        RGB; three kinds side by side, their names above them.
    """
    part = make_part("biscuit", seed=0, index=0, size=_SIDE)
    inside = part.valid & part.foreground
    rows = []
    names = list(KINDS)
    for first in range(0, len(names), _ACROSS):
        tiles: list[Image] = []
        for name in names[first : first + _ACROSS]:
            pair = _example(name, part.rgb, part.depth, inside, seed)
            assert pair.rgb is not None
            assert pair.depth is not None
            tiles += [outlined(pair.rgb, pair.mask > 0), shade(part.depth, pair.depth, pair.depth > 0, inside)[1]]
        blank = [np.full_like(tiles[0], 232)] * (2 * _ACROSS - len(tiles))
        texts = [text for name in names[first : first + _ACROSS] for text in (name, "")]
        rows += [line(texts, 2 * _ACROSS), row([*tiles, *blank])]
    return np.vstack(rows)


def _example(name: str, rgb: Image, depth: np.ndarray, inside: np.ndarray, seed: int) -> AnomalyPair:
    """Return the first pair of a kind that shows."""
    least, most = KINDS[name].size
    size = (min(max(_LEAST, least), most), most)
    recipe = Recipe(kinds={name: 1.0}, count=(1, 1), size=size, dropout=0.0)
    pairs = (
        synthesize(rgb, depth, recipe=recipe, seed=seed, index=index, foreground=inside) for index in range(_ATTEMPTS)
    )
    best = None
    for best in pairs:
        if best.mask.any():
            break
    assert best is not None
    return best
