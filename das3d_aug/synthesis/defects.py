"""From defects of any kind to an image pair: placing, filling canvases, and putting them onto depth and colour.

A `Defect` is plain numbers, drawn by `draw_defect`.  `Scene.put` gives it a canvas, lets its kind fill it
(`das3d_aug.synthesis.kinds`), and applies it, in the footprint alone::

    Z' = Z + h lift                                      where it is measured
    Z' = smooth(Z) + (Z - smooth(Z)) at the source       for kinds that move structure
    I' = (1 - cover) s I + cover I_u                     s = shade, times the change of brightness by the new slopes

What is lost shows what lies behind: the background's plane if the image has one, nothing measured if not.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from das3d_aug.randomness import Stream
from das3d_aug.synthesis.kinds import Canvas, DefectKind, kind_named
from das3d_aug.synthesis.relight import brightness, smooth_surface
from das3d_aug.textures import TexturePlan, draw_texture

__all__ = ["Defect", "Scene", "draw_defect"]

RELIEF = 0.35
"""Without a camera, a part's range of depth counts as this share of its extent."""


@dataclass(frozen=True, kw_only=True)
class Defect:
    """One defect in plain numbers.

    Attributes
    ----------
    kind : str
        As `das3d_aug.synthesis.kinds.KINDS` names it.
    place : float
        Its centre: the share of the part's pixels (or of those at its edge) that come before it, row by row.
    size : float
        Its length, over the part's extent (the square root of its area in pixels), or in mm.
    height : float
        Over the part's range of depth, or in mm; positive away from the camera.
    elongation, angle : float
        Width over length; direction of the length in degrees from the column axis.
    seed : int
        64 bits, for all that is random in its shape.
    values : dict
        The kind's own numbers.
    texture : TexturePlan or None
        The foreign texture, of kinds that bring one.
    """

    kind: str
    place: float
    size: float
    height: float
    elongation: float
    angle: float
    seed: int
    values: dict[str, float]
    texture: TexturePlan | None = None


def draw_defect(
    stream: Stream,
    kind: DefectKind,
    *,
    size: tuple[float, float] | None = None,
    height: tuple[float, float] | None = None,
    operations: int = 3,
) -> Defect:
    """Draw a defect of a kind; its own ranges hold where none is given."""
    low, high = size or kind.size
    least, most = (0.0, 0.0) if kind.height == (0.0, 0.0) else height or kind.height
    sign = kind.sign or stream.choice((-1, 1))
    return Defect(
        kind=kind.name,
        place=stream.uniform(),
        size=stream.log_uniform(low, high),
        height=sign * (stream.log_uniform(least, most) if most > 0 else 0.0),
        elongation=stream.uniform(*kind.elongation),
        angle=stream.uniform(0.0, 360.0),
        seed=stream.bits(),
        values=kind.draw(stream),
        texture=draw_texture(stream, operations=operations) if kind.texture else None,
    )


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
        The part.
    unit : float
        Depth of height 1.
    pitch : float
        Width of a pixel on the part, in the unit of the depth.
    size : float
        Pixels of size 1.
    light : (float, float, float)
        Unit vector to the light: rows, columns, towards the camera.
    behind : ndarray of float32, H x W, or None
        Depth of the background, if it is known.
    owner : ndarray of uint16, H x W
        Which defect changed a pixel last: 1 for the first; 0 for none.
    """

    rgb: NDArray[np.float32] | None
    depth: NDArray[np.float32] | None
    inside: NDArray[np.bool_]
    unit: float
    pitch: float
    size: float
    light: tuple[float, float, float]
    behind: NDArray[np.float32] | None
    owner: NDArray[np.uint16]

    def put(self, defect: Defect, number: int, texture: Callable[[NDArray[np.bool_], int, int], Any] | None) -> None:
        """Apply one defect; ``texture`` gives the foreign texture for a footprint at (top, left)."""
        kind = kind_named(defect.kind)
        row, column = self._centre(kind, defect)
        radius = max(defect.size * self.size / 2, 1.5)
        reach = math.ceil(radius * kind.reach) + 2
        height, width = self.inside.shape
        top, left = max(0, math.floor(row) - reach), max(0, math.floor(column) - reach)
        bottom, right = min(height, math.ceil(row) + reach + 1), min(width, math.ceil(column) + reach + 1)
        window = np.s_[top:bottom, left:right]
        moves = kind.height == (0.0, 0.0) and not kind.texture
        smooth = None
        relief = np.zeros((bottom - top, right - left), np.float32)
        if self.depth is not None and (kind.relief or moves):
            smooth = smooth_surface(self.depth, self.inside, max(2, round(radius / 2)))
            if kind.relief:
                relief = (smooth[window] - self.depth[window]) / np.float32(max(abs(defect.height) * self.unit, 1e-12))
                relief = np.minimum(np.maximum(relief, np.float32(-20)), np.float32(20))
                relief[~(self.inside[window] & (self.depth[window] > 0))] = 0
        canvas = Canvas(
            centre=(row - top, column - left),
            radius=radius,
            elongation=defect.elongation,
            angle=math.radians(defect.angle),
            seed=defect.seed,
            inside=self.inside[window],
            relief=relief,
        )
        kind.render(canvas, defect.values)
        foot = canvas.foot & canvas.inside
        lift = canvas.lift * np.float32(defect.height * self.unit)
        if canvas.rows is not None and canvas.columns is not None:
            rows = np.rint(canvas.rows + np.float32(top)).astype(np.int32)
            columns = np.rint(canvas.columns + np.float32(left)).astype(np.int32)
            known = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
            rows, columns = rows.clip(0, height - 1), columns.clip(0, width - 1)
            foot &= known & self.inside[rows, columns]
            if smooth is not None and self.depth is not None:
                there, here = self.depth[rows, columns], self.depth[window]
                lift = smooth[window] + (there - smooth[rows, columns]) - here
                lift[~((there > 0) & (here > 0))] = 0
            if self.rgb is not None:
                moved = self.rgb[rows, columns]
                self.rgb[window] = np.where(foot[:, :, None], moved, self.rgb[window])
        self._colour(window, foot, canvas, lift, None if moves else radius, texture)
        self._deepen(window, foot, canvas.lost, lift)
        self.owner[window][foot] = number

    def _centre(self, kind: DefectKind, defect: Defect) -> tuple[int, int]:
        """Find the pixel of a place."""
        where = self.inside
        if kind.place == "edge":
            where = where & ~_eroded(where)
        counts = where.sum(axis=1).cumsum()
        wanted = min(int(defect.place * counts[-1]), int(counts[-1]) - 1)
        row = int(np.searchsorted(counts, wanted, side="right"))
        before = int(counts[row - 1]) if row else 0
        return row, int(np.flatnonzero(where[row])[wanted - before])

    def _colour(self, window: Any, foot: Any, canvas: Canvas, lift: Any, radius: float | None, texture: Any) -> None:
        if self.rgb is None:
            return
        shade = canvas.shade
        if radius is not None:
            shade = shade * brightness(lift / np.float32(self.pitch), self.light, radius)
        colour = self.rgb[window] * shade[:, :, None]
        if texture is not None:
            foreign = texture(foot, window[0].start, window[1].start)
            colour += canvas.cover[:, :, None] * (foreign - colour)
        if canvas.lost.any():
            colour[canvas.lost] = self._background()
        colour = np.minimum(np.maximum(colour, np.float32(0)), np.float32(1))
        self.rgb[window] = np.where(foot[:, :, None], colour, self.rgb[window])

    def _background(self) -> NDArray[np.float32]:
        """Return the colour behind the part: the mean of what is not the part, or a dark grey."""
        outside = ~self.inside
        if self.rgb is None or not outside.any():
            return np.full(3, 0.08, np.float32)
        return np.asarray(
            self.rgb[outside][:: max(1, int(outside.sum()) // 1024)].astype(np.float64).mean(axis=0), np.float32
        )

    def _deepen(self, window: Any, foot: Any, lost: Any, lift: Any) -> None:
        if self.depth is None:
            return
        here = self.depth[window]
        measured = foot & (here > 0)
        here[measured] += lift[measured]
        gone = foot & lost
        here[gone] = 0 if self.behind is None else np.maximum(self.behind[window], here)[gone]


def _eroded(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the pixels whose four neighbours are in the mask too; beyond the image nothing is."""
    wide = np.pad(mask, 1)
    return np.asarray(wide[:-2, 1:-1] & wide[2:, 1:-1] & wide[1:-1, :-2] & wide[1:-1, 2:])
