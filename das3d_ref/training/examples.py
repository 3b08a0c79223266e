"""Training examples: normal items with a synthetic defect; made here, by `das3d_aug`, and nowhere else.

An example is keyed by (epoch, index): its defect and its crop depend on these and on the run's seed alone, not on
workers, processes or order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from das3d_aug import AnomalyPair, synthesize
from das3d_aug.datasets import Sample
from das3d_aug.errors import ParameterError
from das3d_aug.randomness import Stream
from das3d_aug.textures import MixedTextures, PlainTextures, ProceduralTextures, TextureSource
from das3d_ref.config import Config
from das3d_ref.model.inputs import Item, network_input

__all__ = ["Example", "SyntheticAnomalies", "check_items"]

_CROP = 2  # a stream beside those of the synthesis and the order
_LEAST_SIDE = 16  # pixels; SSIM looks 5 pixels beyond the edge
Example = dict[str, Tensor]
"""``rgb`` and ``depth`` as they go in, ``normal_rgb`` and ``normal_depth`` as they should come out, and ``mask``."""


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
            synthesize(sample.need("rgb"), sample.need("depth"), recipe=recipe, seed=0, foreground=sample.foreground)
        except ParameterError as error:
            raise ParameterError(f"{key}: {error}") from error
        height, width = (min(side, config.data.crop or side) for side in sample.shape)
        if min(height, width) < _LEAST_SIDE:
            raise ParameterError(f"{key}: is {height} x {width}; a side needs at least {_LEAST_SIDE} pixels")
        sizes[height, width] = key
    if len(sizes) > 1:
        (size, key), (other, partner) = list(sizes.items())[:2]
        raise ParameterError(
            f"{key}: is {size[0]} x {size[1]}, {partner} is {other[0]} x {other[1]}; set preparation.size, or a "
            "smaller data.crop"
        )


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
            sample.need("rgb"),
            sample.need("depth"),
            recipe=self.config.synthesis,
            seed=self.seed,
            index=index,
            epoch=epoch,
            foreground=sample.foreground,
            texture=self.textures,
        )
        normal = network_input(item, sample.need("rgb"), sample.need("depth"), self.config)
        arrays = {
            **network_input(*_removed(item, pair), self.config),
            **{f"normal_{name}": image for name, image in normal.items()},
            "mask": (pair.mask > 0)[None].astype(np.float32),
        }
        if crop := self.crop:
            stream = Stream(self.seed, index=index, epoch=epoch).spawn(_CROP)
            top, left = (stream.integer(0, max(side - crop, 0)) for side in sample.shape)
            arrays = {name: array[:, top : top + crop, left : left + crop] for name, array in arrays.items()}
        return {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in arrays.items()}


def _removed(item: Item, pair: AnomalyPair) -> tuple[Item, NDArray[np.uint8], NDArray[np.float32]]:
    """Do to an anomaly what the preparation does to background: what is deeper than the part is a hole through it."""
    sample = item.sample
    rgb, depth = pair.rgb, pair.depth
    if rgb is None or depth is None:
        raise ParameterError("training needs colour and depth of every image; one of them is missing")
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
