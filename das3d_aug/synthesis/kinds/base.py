"""What a kind of defect is: two functions, one that draws numbers and one that fills a canvas with them.

A canvas is the window of the image around one defect.  A kind says there, pixel by pixel, what happens to the
depth (`Canvas.lift`), to the colour (`Canvas.cover`, `Canvas.shade`), which pixels are lost, and from where the
part's own structure is moved (`Canvas.rows`, `Canvas.columns`); what it marks in `Canvas.foot` is its footprint, and
nothing outside it changes.  How that becomes an image, `das3d_aug.synthesis.scene` knows, once for all kinds.

Only + - x / and square roots are used on pixels: their results are the same on every machine.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from das3d_aug.randomness import Stream

__all__ = ["Canvas", "DefectKind", "Field", "Values", "step", "unit"]

Field: TypeAlias = NDArray[np.float32]
Values: TypeAlias = Mapping[str, float]


@dataclass(eq=False)
class Canvas:
    """The window of one defect; all arrays are H x W of the window.

    Attributes
    ----------
    centre : (float, float)
        Row and column of the defect's centre, in pixels of the window.
    radius : float
        Half the defect's size, in pixels.
    elongation : float
        Its width over its length, in (0, 1].
    angle : float
        Of its length, in radians from the column axis.
    seed : int
        64 bits for `das3d_aug.randomness.Stream` and for noise.
    inside : ndarray of bool
        The part.
    relief : ndarray of float32
        The part's own height above its smooth surface, in the defect's height; zero without depth.
    lift : ndarray of float32
        Written: the change of depth in the defect's height, + away from the camera.
    cover : ndarray of float32
        Written: share of a foreign texture, 0 … 1.
    shade : ndarray of float32
        Written: factor on the colour before that.
    lost : ndarray of bool
        Written: where the part is gone and what lies behind it is seen.
    foot : ndarray of bool
        Written: the footprint.
    rows, columns : ndarray of float32 or None
        Written by kinds that move structure: from where each pixel takes colour and height, in pixels of the window.
    """

    centre: tuple[float, float]
    radius: float
    elongation: float
    angle: float
    seed: int
    inside: NDArray[np.bool_]
    relief: Field
    lift: Field = field(init=False)
    cover: Field = field(init=False)
    shade: Field = field(init=False)
    lost: NDArray[np.bool_] = field(init=False)
    foot: NDArray[np.bool_] = field(init=False)
    rows: Field | None = None
    columns: Field | None = None

    def __post_init__(self) -> None:
        shape = self.inside.shape
        self.lift, self.cover = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        self.shade = np.ones(shape, np.float32)
        self.lost, self.foot = np.zeros(shape, np.bool_), np.zeros(shape, np.bool_)

    @property
    def along(self) -> tuple[float, float]:
        """Return the direction of the defect's length as steps of row and column."""
        return math.sin(self.angle), math.cos(self.angle)

    def grid(self) -> tuple[Field, Field]:
        """Return the coordinates along and across the defect in its radius, 0 at the centre: each H x W."""
        row, column = self.centre
        y = ((np.arange(self.inside.shape[0], dtype=np.float32) - np.float32(row)) / np.float32(self.radius))[:, None]
        x = ((np.arange(self.inside.shape[1], dtype=np.float32) - np.float32(column)) / np.float32(self.radius))[None]
        sine, cosine = (np.float32(step) for step in self.along)
        return y * sine + x * cosine, y * cosine - x * sine


@dataclass(frozen=True, kw_only=True)
class DefectKind:
    """A kind of defect.

    Attributes
    ----------
    name : str
        As recipes and masks name it.
    about : str
        What it is on a real part, in one sentence.
    draw : callable
        From a stream to the numbers of its own, each with a name.
    render : callable
        From a canvas and these numbers to what it writes into the canvas.
    size : (float, float)
        Of its length, over the extent of the part (the square root of its area), drawn log-uniformly.
    height : (float, float)
        Over the part's range of depth, drawn log-uniformly; (0, 0): it has none.
    sign : {-1, 0, 1}
        +1 only away from the camera, -1 only towards it, 0 either.
    elongation : (float, float)
        Width over length.
    place : {"part", "edge"}
        Where its centre lies: anywhere on the part, or at its edge.
    follows : float
        Chance that its length runs along the lay of the surface, 0 … 1.
    reach : float
        Half the side of the window in its radius.
    texture : bool
        Whether it brings a foreign texture.
    relief : bool
        Whether it asks for `Canvas.relief`.
    moves : bool
        Whether it moves the part's own structure (`Canvas.rows`, `Canvas.columns`).
    donor : bool
        Whether these are rows and columns of another good part, where one is given.
    added : mapping of str to float
        Numbers that ``draw`` gained since plans were first written, and what they are in plans without them.
    """

    name: str
    about: str
    draw: Callable[[Stream], dict[str, float]]
    render: Callable[[Canvas, Values], None]
    size: tuple[float, float] = (0.02, 0.5)
    height: tuple[float, float] = (0.03, 0.4)
    sign: Literal[-1, 0, 1] = 0
    elongation: tuple[float, float] = (0.4, 1.0)
    place: Literal["part", "edge"] = "part"
    follows: float = 0.0
    reach: float = 1.3
    texture: bool = False
    relief: bool = False
    moves: bool = False
    donor: bool = False
    added: Mapping[str, float] = field(default_factory=dict)

    @property
    def flat(self) -> bool:
        """Whether it has no height of its own."""
        return self.height == (0.0, 0.0)


def unit(values: NDArray[Any]) -> Field:
    """Cut to 0 … 1."""
    return np.asarray(np.minimum(np.maximum(values, np.float32(0)), np.float32(1)))


def step(values: NDArray[Any]) -> Field:
    """Cut to 0 … 1 with flat ends: t² (3 - 2 t)."""
    t = unit(values)
    return np.asarray(t * t * (np.float32(3) - np.float32(2) * t))
