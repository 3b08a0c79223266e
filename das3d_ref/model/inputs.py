"""From prepared samples to what the networks see.

Depth goes in normalised to (0, 1), every pixel without a measurement at the depth of the nearest measured one.
With ``normals`` three channels follow, (n + 1) / 2 of the surface's unit normals, and a plane that faces the camera
where there is none.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from das3d_aug.datasets import Sample
from das3d_aug.datasets.prepared import Normalisation
from das3d_aug.errors import ParameterError, quoted
from das3d_aug.geometry import move_along_rays, normals, to_unit
from das3d_aug.preparation import Preparation, Prepared, depth_range
from das3d_ref.config import Config
from das3d_ref.model.relief import RESIDUALS, relief

__all__ = [
    "DepthRange",
    "Item",
    "as_item",
    "check_seen",
    "depth_channels",
    "network_input",
    "preparation_of",
    "to_item",
]


_CALLED = {"rgb": "colour", "depth": "depth"}


@dataclass(frozen=True, eq=False)
class Item:
    """A prepared sample and what turns it into an input.

    Attributes
    ----------
    sample : Sample or Prepared
        Its depth in its own unit.
    normalisation : Normalisation
        Of its depth to (0, 1).
    nearest : ndarray of int32
        Flat index of the nearest pixel with a measured depth, H x W.
    """

    sample: Sample | Prepared
    normalisation: Normalisation
    nearest: NDArray[np.int32]


def to_item(sample: Sample | Prepared, normalisation: Normalisation) -> Item:
    """Find the nearest measured pixel of every pixel of a sample."""
    if sample.valid is None:
        return Item(sample, normalisation, np.arange(np.prod(sample.shape), dtype=np.int32).reshape(sample.shape))
    return Item(sample, normalisation, nearest_measured(sample.valid))


def nearest_measured(valid: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Return the flat index of the nearest measured pixel of every pixel, H x W."""
    rows, columns = ndimage.distance_transform_edt(~valid, return_distances=False, return_indices=True)
    found: NDArray[np.int32] = rows * np.int32(valid.shape[1]) + columns
    return found


def network_input(
    item: Item, rgb: NDArray[np.uint8] | None, depth: NDArray[np.float32] | None, config: Config
) -> dict[str, NDArray[np.float32]]:
    """Return what the mode looks at: ``rgb``, 3 x H x W, and ``depth``, 1 or 4 x H x W, all in (0, 1).

    Where there is an encoder, ``depth`` is `das3d_ref.model.relief.relief` of the normalised depth instead.

    Parameters
    ----------
    item : Item
        Whose images these are, as they were or with a defect: the same pixels are measured.
    rgb : ndarray of uint8, H x W x 3, or None
    depth : ndarray of float32, H x W, or None
        In the unit of the item's sample; 0 where nothing was measured.
    config : Config
        Its mode, and whether there are normals.

    Raises
    ------
    ParameterError
        If what the mode looks at is None, or there are to be normals and there are no points.
    """
    check_seen(rgb, depth, config)
    images = {}
    if config.mode != "depth" and rgb is not None:
        images["rgb"] = rgb.transpose(2, 0, 1).astype(np.float32) / np.float32(255)
    if config.mode != "rgb" and depth is not None and config.features.encoder != "none":
        images["depth"] = _relief(item, depth)
    elif config.mode != "rgb" and depth is not None:
        images["depth"] = item.normalisation.apply(depth.ravel()[item.nearest])[None].clip(0, 1)
        if config.data.normals:
            images["depth"] = np.concatenate([images["depth"], _surface(item, depth)])
    return images


def depth_channels(config: Config) -> int:
    """Return how many channels `network_input` gives depth."""
    if config.features.encoder != "none":
        return RESIDUALS + 1
    return 4 if config.data.normals else 1


def check_seen(rgb: object | None, depth: object | None, config: Config) -> None:
    """Refuse a pair that lacks what the mode looks at.

    Raises
    ------
    ParameterError
        Naming what there is not.
    """
    for name, image in (("rgb", rgb), ("depth", depth)):
        if image is None and config.mode in (name, "rgbd"):
            raise ParameterError(f"mode {config.mode!r} looks at {_CALLED[name]}, and there is none")


def _relief(item: Item, depth: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the residuals in parts of the normalisation's range, which leaves nothing out however far it lies."""
    measured, part = depth > 0, item.sample.foreground
    known = item.sample.valid
    nearest = item.nearest if known is None or not (known & ~measured).any() else nearest_measured(measured)
    span = item.normalisation
    height = (depth.ravel()[nearest] - np.float32(span.low)) / np.float32((span.high - span.low) or 1)
    inside = np.ones(depth.shape, np.bool_) if part is None else part.ravel()[item.nearest]
    return relief(height, measured=measured, part=inside)


def _surface(item: Item, depth: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the normals as three channels."""
    if item.sample.xyz is None:
        raise ParameterError("data.normals needs points: the data has neither xyz nor a camera")
    x, y, z = surface = normals(move_along_rays(item.sample.xyz, depth)).transpose(2, 0, 1)
    z[(x == 0) & (y == 0) & (z == 0)] = -1
    return np.asarray(surface / 2 + np.float32(0.5))


@dataclass(frozen=True)
class DepthRange:
    """The nearest and the farthest depth of a set of images, in ``unit``."""

    low: float
    high: float
    unit: str

    def __post_init__(self) -> None:
        Normalisation(self.low, self.high)  # which checks them
        if not isinstance(self.unit, str):
            raise ParameterError(f"unit must be a name, got {quoted(self.unit)}")

    def normalisation(self, unit: str) -> Normalisation:
        """Return the map of this range to (0, 1) for depth in another unit."""
        return Normalisation(to_unit(self.low, self.unit, unit), to_unit(self.high, self.unit, unit))


def as_item(sample: Sample | Prepared, span: DepthRange | None) -> Item:
    """Give a prepared sample the normalisation of its set, or of itself.

    Raises
    ------
    ParameterError
        If its unit cannot be converted to that of the set.
    """
    if sample.depth is None:
        return to_item(sample, Normalisation(0.0, 1.0))
    return to_item(sample, depth_range(sample) if span is None else span.normalisation(sample.unit))


def preparation_of(config: Config) -> Preparation:
    """Return how images are prepared on disk: depth in its unit, and points if there are to be normals."""
    return replace(config.preparation, normalise="none", xyz=config.data.normals and config.mode != "rgb")
