"""From prepared samples to what the networks see; synthesis happens here, by `das3d_aug`, and nowhere else.

A training example is keyed by (epoch, index): its defect and its crop depend on these and on the run's seed
alone, not on workers, processes or order.

Depth goes in normalised to (0, 1), every pixel without a measurement at the depth of the nearest measured one.
With ``normals`` three channels follow, (n + 1) / 2 of the surface's unit normals, and a plane that faces the camera
where there is none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor
from torch.utils.data import Dataset

from das3d_aug import AnomalyPair, synthesize
from das3d_aug.datasets import Sample
from das3d_aug.datasets.prepared import Normalisation
from das3d_aug.errors import ParameterError
from das3d_aug.geometry import move_along_rays, normals
from das3d_aug.preprocessing import Prepared
from das3d_aug.randomness import Stream
from das3d_aug.textures import MixedTextures, PlainTextures, ProceduralTextures, TextureSource
from das3d_ref.config import Config

__all__ = ["Example", "Item", "Steps", "SyntheticAnomalies", "check_items", "network_input", "to_item"]

_ORDER, _CROP = 1, 2  # streams beside that of the synthesis
_LEAST_SIDE = 16  # pixels; SSIM looks 5 pixels beyond the edge

Example = dict[str, Tensor]
"""``rgb`` and ``depth`` as they go in, ``normal_rgb`` and ``normal_depth`` as they should come out, and ``mask``."""


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
    rows, columns = ndimage.distance_transform_edt(~sample.valid, return_distances=False, return_indices=True)
    return Item(sample, normalisation, rows * np.int32(sample.depth.shape[1]) + columns)


def check_items(items: Sequence[Item], config: Config) -> None:
    """Refuse normal items that training could not use, before a worker meets them.

    Raises
    ------
    ParameterError
        If their sizes differ (after the crop) or are too small, or there is one that no defect can be put on.
    """
    recipe = replace(config.synthesis, probability=1.0, dropout=0.0)
    sizes = {}
    for item in items:
        sample = item.sample
        key = sample.entry.key if isinstance(sample, Sample) else "image"
        try:
            synthesize(sample.rgb, sample.depth, recipe=recipe, seed=0, foreground=sample.foreground)
        except ParameterError as error:
            raise ParameterError(f"{key}: {error}") from error
        height, width = (min(side, config.data.crop or side) for side in sample.depth.shape)
        if min(height, width) < _LEAST_SIDE:
            raise ParameterError(f"{key}: is {height} x {width}; a side needs at least {_LEAST_SIDE} pixels")
        sizes[height, width] = key
    if len(sizes) > 1:
        (size, key), (other, partner) = list(sizes.items())[:2]
        raise ParameterError(
            f"{key}: is {size[0]} x {size[1]}, {partner} is {other[0]} x {other[1]}; set preparation.size, or a "
            "smaller data.crop"
        )


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


class SyntheticAnomalies(Dataset[Example]):
    """Normal items with a defect on each, drawn anew for every epoch.

    Parameters
    ----------
    items : sequence of Item
    config : Config
    seed : int
        Of the defects; the run's own for training, another one for validation.
    crop : int
        Side of a random square; 0: the whole image.
    """

    def __init__(self, items: Sequence[Item], config: Config, *, seed: int, crop: int) -> None:
        self.items, self.config, self.seed, self.crop = items, config, seed, crop
        self.textures = _textures(config)

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, key: tuple[int, int]) -> Example:
        epoch, index = key
        item = self.items[index]
        sample = item.sample
        pair = synthesize(
            sample.rgb,
            sample.depth,
            recipe=self.config.synthesis,
            seed=self.seed,
            index=index,
            epoch=epoch,
            foreground=sample.foreground,
            texture=self.textures,
        )
        normal = network_input(item, sample.rgb, sample.depth, self.config)
        arrays = {
            **network_input(*_removed(item, pair), self.config),
            **{f"normal_{name}": image for name, image in normal.items()},
            "mask": (pair.mask > 0)[None].astype(np.float32),
        }
        if crop := self.crop:
            stream = Stream(self.seed, index=index, epoch=epoch).spawn(_CROP)
            top, left = (stream.integer(0, max(side - crop, 0)) for side in sample.depth.shape)
            arrays = {name: array[:, top : top + crop, left : left + crop] for name, array in arrays.items()}
        return {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in arrays.items()}


def _removed(item: Item, pair: AnomalyPair) -> tuple[Item, NDArray[np.uint8], NDArray[np.float32]]:
    """Do to an anomaly what the preparation does to background: what is deeper than the part is a hole through it."""
    sample = item.sample
    rgb, depth = pair.rgb, pair.depth
    gone = (pair.mask > 0) & (depth > item.normalisation.high)
    if sample.foreground is None or not gone.any():
        return item, rgb, depth
    if not pair.plan.drop_rgb:
        rgb = np.where(gone[:, :, None], np.uint8(0), rgb)
    if sample.xyz is not None:
        item = replace(item, sample=replace(sample, xyz=np.where(gone[:, :, None], np.float32(0), sample.xyz)))
    return item, rgb, depth


def _textures(config: Config) -> TextureSource:
    known: dict[str, TextureSource] = {"procedural": ProceduralTextures(), "plain": PlainTextures()}
    return MixedTextures([known.get(name, name) for name in config.data.textures])


class Steps:
    """The (epoch, index) keys of this process's share of every step's batch, a list a step.

    Every epoch goes through all indices once, in an order of its own; a batch may reach into the next one.  All
    processes together see the batches that a single one would see.

    Parameters
    ----------
    length : int
        Indices, 0 … length - 1.
    batch : int
        Keys of a step, over all processes; a multiple of ``world``.
    seed : int
        Of the order.
    first, last : int
        The steps: first … last - 1.
    rank, world : int
        Which process of how many.
    """

    def __init__(
        self, length: int, *, batch: int, seed: int, first: int, last: int, rank: int = 0, world: int = 1
    ) -> None:
        self.length, self.seed = length, seed
        self.batch, self.first, self.last = batch, first, last
        self.share = range(rank * (batch // world), (rank + 1) * (batch // world))

    def __len__(self) -> int:
        return self.last - self.first

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        order: tuple[int, list[int]] = (-1, [])
        for step in range(self.first, self.last):
            keys = []
            for place in self.share:
                epoch, position = divmod(step * self.batch + place, self.length)
                if order[0] != epoch:
                    order = (epoch, _order(self.length, seed=self.seed, epoch=epoch))
                keys.append((epoch, order[1][position]))
            yield keys


def _order(length: int, *, seed: int, epoch: int) -> list[int]:
    """Return a random order of the indices below ``length``."""
    stream = Stream(seed, epoch=epoch).spawn(_ORDER)
    return sorted(range(length), key=[stream.bits() for _ in range(length)].__getitem__)
