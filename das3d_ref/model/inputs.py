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
from das3d_aug.errors import ParameterError
from das3d_aug.geometry import move_along_rays, normals, to_unit
from das3d_aug.preparation import Preparation, Prepared, depth_range
from das3d_ref.config import Config

__all__ = ["DepthRange", "Item", "as_item", "network_input", "preparation_of", "to_item"]


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
    rows, columns = ndimage.distance_transform_edt(~sample.need("valid"), return_distances=False, return_indices=True)
    return Item(sample, normalisation, rows * np.int32(sample.shape[1]) + columns)


def network_input(
    item: Item, rgb: NDArray[np.uint8], depth: NDArray[np.float32], config: Config
) -> dict[str, NDArray[np.float32]]:
    """Return what the mode looks at: ``rgb``, 3 x H x W, and ``depth``, 1 or 4 x H x W, all in (0, 1).

    Parameters
    ----------
    item : Item
        Whose images these are, as they were or with a defect: the same pixels are measured.
    rgb : ndarray of uint8, H x W x 3
    depth : ndarray of float32, H x W
        In the unit of the item's sample; 0 where nothing was measured.
    config : Config
        Its mode, and whether there are normals.
    """
    images = {}
    if config.mode != "depth":
        images["rgb"] = rgb.transpose(2, 0, 1).astype(np.float32) / np.float32(255)
    if config.mode != "rgb":
        images["depth"] = item.normalisation.apply(depth.ravel()[item.nearest])[None].clip(0, 1)
    if config.mode != "rgb" and config.data.normals:
        if item.sample.xyz is None:
            raise ParameterError("data.normals needs points: the data has neither xyz nor a camera")
        x, y, z = surface = normals(move_along_rays(item.sample.xyz, depth)).transpose(2, 0, 1)
        z[(x == 0) & (y == 0) & (z == 0)] = -1
        images["depth"] = np.concatenate([images["depth"], surface / 2 + np.float32(0.5)])
    return images


@dataclass(frozen=True)
class DepthRange:
    """The nearest and the farthest depth of a set of images, in ``unit``."""

    low: float
    high: float
    unit: str

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
    return to_item(sample, depth_range(sample) if span is None else span.normalisation(sample.unit))


def preparation_of(config: Config) -> Preparation:
    """Return how images are prepared on disk: depth in its unit, and points if there are to be normals."""
    return replace(config.preparation, normalise="none", xyz=config.data.normals and config.mode != "rgb")
