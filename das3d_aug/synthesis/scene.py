"""Putting defects onto a pair: a canvas for each, filled by its kind, then applied to depth and colour.

In the footprint alone, and where the part is::

    Z' = Z + h lift                                      where it is measured
    Z' = smooth(Z) + (Z - smooth(Z)) at the source       for kinds that move structure
    I' = (1 - cover) s I + cover I_u                     s = shade, times the change of brightness by the new slopes
    I'' = I + contrast (I' - I)                          unless the structure moves, is lost, or changes colour alone

h lift, s and cover are smoothed as often as the defect's softness says.

What is lost shows what lies behind, in the shade that the kind gives it and with a soft edge: the background's plane if
the image has one, nothing measured if not.  A defect that nobody could see (a patch pasted onto its like) is taken
back: its mask would be a wrong label.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from das3d_aug.synthesis.defects import Defect
from das3d_aug.synthesis.kinds import Canvas, DefectKind, kind_named
from das3d_aug.synthesis.kinds.base import Field
from das3d_aug.synthesis.kinds.shapes import smooth
from das3d_aug.synthesis.lay import lay_at
from das3d_aug.synthesis.relight import brightness, smooth_window

__all__ = ["RELIEF", "OtherPart", "Scene"]

RELIEF = 0.35
"""Without a camera, a part's range of depth counts as this share of its extent."""

_VISIBLE = 0.012  # mean change of colour of blocks of 4 x 4 pixels, of full brightness
_BLOCK = 4
_WIDER = 0.2  # of the footprint, blurred
_ASPECT = 0.5
_AROUND = 0.1  # of the part's extent: where its lay is looked for
_CAP = 20.0  # heights, of the relief that a kind sees

Texture = Callable[[Defect, NDArray[np.bool_], int, int], NDArray[np.float32]]


@dataclass(frozen=True, eq=False)
class OtherPart:
    """The part that a donor shows: its colour, depth and pixels as those of a `Scene`."""

    rgb: NDArray[np.float32] | None
    depth: NDArray[np.float32] | None
    inside: NDArray[np.bool_]


@dataclass(eq=False)
class Scene:
    """A pair that defects are put on, in float32; what they change is in the arrays.

    Attributes
    ----------
    rgb : ndarray of float32, H x W x 3, or None
        In 0 … 1.
    depth : ndarray of float32, H x W, or None
        0 where nothing was measured.
    inside : ndarray of bool
        The part, with specks in it that were not measured.
    unit : float
        Depth of height 1.
    pitch : float
        Width of a pixel on the part, in the unit of the depth.
    size : float
        Pixels of size 1.
    light : (float, float, float) or None
        Unit vector to the light: rows, columns, towards the camera; None: colour does not follow shape.
    threshold : float
        The change of depth that counts, in its unit.
    plausible : bool
        Whether a defect is at most half as deep as it is wide: a height drawn over the range of the whole part would
        make wells of small dents.
    behind : ndarray of float32, H x W, or None
        Depth of the background, if it is known.
    owner : ndarray of uint16, H x W
        Which defect changed a pixel last: 1 for the first; 0 for none.
    places : mapping of str to ndarray of bool, H x W
        The pixels that `Defect.where` asks for, on the part as it was given.
    donor : OtherPart or None
        From which kinds that can take from another part do.
    """

    rgb: NDArray[np.float32] | None
    depth: NDArray[np.float32] | None
    inside: NDArray[np.bool_]
    unit: float
    pitch: float
    size: float
    light: tuple[float, float, float] | None
    threshold: float
    plausible: bool
    behind: NDArray[np.float32] | None
    owner: NDArray[np.uint16]
    places: Mapping[str, NDArray[np.bool_]]
    donor: OtherPart | None = None

    def put(self, defect: Defect, number: int, texture: Texture | None = None) -> bool:
        """Apply one defect, and say whether it can be seen; one that cannot is taken back.

        ``texture`` gives the foreign texture, h x w x 3, for a defect, its footprint, and where that starts.
        """
        kind = kind_named(defect.kind)
        row, column = self._centre(kind, defect)
        radius = max(defect.size * self.size / 2, 1.5)
        reach = math.ceil(radius * kind.reach) + 2 + defect.softness
        height, width = self.inside.shape
        top, left = max(0, row - reach), max(0, column - reach)
        window = np.s_[top : min(height, row + reach + 1), left : min(width, column + reach + 1)]
        rise = defect.height * self.unit
        if self.plausible:
            steepest = _ASPECT * 2 * radius * defect.elongation * self.pitch
            rise = min(max(rise, -steepest), steepest)
        smoothing = max(2, round(radius / 2))
        canvas = Canvas(
            centre=(row - top, column - left),
            radius=radius,
            elongation=defect.elongation,
            angle=math.radians(self._angle(defect, (row, column))),
            seed=defect.seed,
            inside=self.inside[window],
            relief=self._relief(window, smoothing if kind.relief else None, rise),
        )
        kind.render(canvas, defect.values)
        lift = canvas.lift * np.float32(rise)
        colour = None if self.rgb is None else self.rgb[window]
        depth = None if self.depth is None else self.depth[window].copy()
        if canvas.rows is not None and canvas.columns is not None:
            rows = np.rint(canvas.rows + np.float32(top)).astype(np.int32)
            columns = np.rint(canvas.columns + np.float32(left)).astype(np.int32)
            known = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
            rows, columns = rows.clip(0, height - 1), columns.clip(0, width - 1)
            source: Scene | OtherPart = self if self.donor is None or not kind.donor else self.donor
            canvas.foot &= known & source.inside[rows, columns]
            if self.depth is not None and depth is not None and source.depth is not None:
                there, first, left_most = source.depth[rows, columns], int(rows.min()), int(columns.min())
                box = np.s_[first : int(rows.max()) + 1, left_most : int(columns.max()) + 1]
                beneath = smooth_window(source.depth, source.inside, smoothing, box)[rows - first, columns - left_most]
                lift = smooth_window(self.depth, self.inside, smoothing, window) + (there - beneath) - depth
                lift[(there <= 0) | (depth <= 0)] = 0
            if source.rgb is not None:
                colour = source.rgb[rows, columns]
        shade = canvas.shade
        if self.light is not None and not kind.flat:
            shade = shade * brightness(lift / np.float32(self.pitch), self.light, radius)
        if defect.softness and not kind.moves:  # the lens blurs what the light has made
            canvas.foot |= _soften(canvas.foot, defect.softness, ((lift, 0), (shade, 1), (canvas.cover, 0)))
        foot = canvas.foot & canvas.inside
        if colour is not None:
            before, colour = colour, colour * shade[:, :, None]
            if texture is not None:
                colour += canvas.cover[:, :, None] * (texture(defect, foot, top, left) - colour)
            if not kind.moves and not kind.flat:
                colour = before + np.float32(defect.contrast) * (colour - before)
            if canvas.lost.any():  # a pixel on the edge sees the part and what lies behind
                missing = canvas.lost.astype(np.float32)
                smooth(missing, max(1, defect.softness))
                behind = self._background() * canvas.shade[:, :, None]
                colour += missing[:, :, None] * (behind - colour)
            colour = np.minimum(np.maximum(colour, np.float32(0)), np.float32(1))
        if depth is not None:
            measured = foot & (depth > 0)
            depth[measured] = np.maximum(depth[measured] + lift[measured], np.float32(1e-6 * self.unit))
            gone = foot & canvas.lost & (depth > 0)
            depth[gone] = 0 if self.behind is None else np.maximum(self.behind[window], depth)[gone]
        if not self._seen(window, foot, colour, depth):
            return False
        if colour is not None and self.rgb is not None:
            self.rgb[window][foot] = colour[foot]
        if depth is not None and self.depth is not None:
            self.depth[window][foot] = depth[foot]
        self.owner[window][foot] = number
        return True

    def _centre(self, kind: DefectKind, defect: Defect) -> tuple[int, int]:
        """Find the pixel of a defect's place."""
        place, where = defect.place, self.places[defect.where]
        if kind.place == "edge":
            where = self.inside & ~_eroded(self.inside)
        counts = np.count_nonzero(where, axis=1).cumsum()
        wanted = min(int(place[0] * counts[-1]), int(counts[-1]) - 1)
        row = int(np.searchsorted(counts, wanted, side="right"))
        there = np.flatnonzero(where[row])
        return row, int(there[min(int(place[1] * there.size), there.size - 1)])

    def _angle(self, defect: Defect, centre: tuple[int, int]) -> float:
        """Return the direction of a defect's length in degrees."""
        surface = self.depth if self.rgb is None else self.rgb
        if not defect.follows or surface is None:
            return defect.angle
        known = self.inside if self.depth is None or self.rgb is not None else self.inside & (self.depth > 0)
        lay = lay_at(surface, known, centre, max(4, round(self.size * _AROUND)))
        return defect.angle if lay is None else lay + (defect.angle - 180) / 20

    def _relief(self, window: Any, smoothing: int | None, rise: float) -> NDArray[np.float32]:
        """Return how far the part stands out of its smooth surface, in the defect's height."""
        inside = self.inside[window]
        if smoothing is None or self.depth is None:
            return np.zeros(inside.shape, np.float32)
        here = self.depth[window]
        relief = (smooth_window(self.depth, self.inside, smoothing, window) - here) / np.float32(max(abs(rise), 1e-12))
        relief = np.minimum(np.maximum(relief, np.float32(-_CAP)), np.float32(_CAP))
        relief[~inside | (here <= 0)] = 0
        return np.asarray(relief)

    def _background(self) -> NDArray[np.float32]:
        """Return the colour behind the part: the mean of what is not the part, or a dark grey."""
        outside = ~self.inside
        if self.rgb is None or not outside.any():
            return np.full(3, 0.08, np.float32)
        places = np.flatnonzero(outside)
        some = self.rgb.reshape(-1, 3)[places[:: max(1, places.size // 1024)]]
        return np.asarray(some.astype(np.float64).mean(axis=0), np.float32)

    def _seen(self, window: Any, foot: Any, colour: Any, depth: Any) -> bool:
        """Tell whether colour or depth change more than noise does, on the mean of small blocks."""
        if not foot.any():
            return False
        if depth is not None and self.depth is not None:
            before = self.depth[window]
            if ((depth <= 0) & (before > 0) & foot).any():
                return True
            if _mean_change(depth - before, foot) > self.threshold:
                return True
        if colour is None or self.rgb is None:
            return False
        change = colour - self.rgb[window]  # summed by hand: sum(axis=2) is slow
        grey = (change[:, :, 0] + change[:, :, 1] + change[:, :, 2]) / np.float32(3)
        return bool(_mean_change(grey, foot) > _VISIBLE)


def _soften(foot: NDArray[np.bool_], times: int, fields: Sequence[tuple[Field, float]]) -> NDArray[np.bool_]:
    """Blur what a kind wrote, each with what it has outside, and return where at least a fifth of it is seen."""
    seen = foot.astype(np.float32)
    for field, nothing in fields:
        field[~foot] = nothing
        smooth(field, times)
    smooth(seen, times)
    return seen > np.float32(_WIDER)


def _mean_change(change: NDArray[np.float32], foot: NDArray[np.bool_]) -> float:
    """Return the mean of the absolute mean changes of blocks; a quarter of a block or more lies in the footprint."""
    height, width = (-(-side // _BLOCK) * _BLOCK for side in foot.shape)
    sums, counts = np.zeros((height, width)), np.zeros((height, width))
    sums[: foot.shape[0], : foot.shape[1]] = np.where(foot, change, 0)
    counts[: foot.shape[0], : foot.shape[1]] = foot
    blocks = [a.reshape(height // _BLOCK, _BLOCK, width // _BLOCK, _BLOCK).sum(axis=(1, 3)) for a in (sums, counts)]
    enough = blocks[1] >= min(_BLOCK * _BLOCK // 4, blocks[1].max())
    return float(np.mean(np.abs(blocks[0][enough]) / blocks[1][enough]))


def _eroded(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the pixels whose four neighbours are in the mask too; beyond the image nothing is."""
    wide = np.pad(mask, 1)
    return np.asarray(wide[:-2, 1:-1] & wide[2:, 1:-1] & wide[1:-1, :-2] & wide[1:-1, 2:])
