"""Training examples: normal items with a synthetic defect; made here, by `das3d_aug`, and nowhere else.

An example is keyed by (epoch, index): its defect and its crop depend on these and on the run's seed alone, not on
workers, processes or order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from torch.utils.data import Dataset

from das3d_aug import AnomalyPair, synthesize
from das3d_aug.datasets import Sample
from das3d_aug.errors import ParameterError
from das3d_aug.preparation import Prepared
from das3d_aug.randomness import Stream
from das3d_aug.synthesis.nuisance import Nuisance, vary_normal
from das3d_aug.textures import ArrayTextures, MixedTextures, PlainTextures, ProceduralTextures, TextureSource
from das3d_ref.config import Config
from das3d_ref.model.detector import autocast
from das3d_ref.model.features import FeatureNetwork
from das3d_ref.model.inputs import Item, network_input

__all__ = ["EncodedAnomalies", "Example", "Examples", "SyntheticAnomalies", "check_items"]

_CROP, _NUISANCE, _DONOR = 2, 3, 4  # streams beside those of the synthesis and the order
# A weak part of what `Nuisance` offers: the images bring their own sensor's noise and holes.
_VARIED = Nuisance(
    exposure=(-0.2, 0.2),
    blur=(0.0, 0.1),
    tilt=(0.0, 0.03),
    noise=(0.0, 0.004),
    step=(0.0, 0.0),
    flying=(0.0, 0.0),
    dropout=(0.0, 0.0),
)
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
            _synthesize(sample, recipe=recipe, seed=0)
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
        self.textures = _textures(items, config)

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, key: tuple[int, int]) -> Example:
        epoch, index = key
        item = self.items[index]
        if self.config.data.nuisance:
            item = _varied(item, Stream(self.seed, index=index, epoch=epoch).spawn(_NUISANCE).bits())
        sample = item.sample
        pair = _synthesize(
            sample,
            recipe=self.config.synthesis,
            texture=self.textures,
            seed=self.seed,
            index=index,
            epoch=epoch,
            donor=self._donor(epoch, index) if self.config.data.donors else None,
        )
        normal = network_input(item, sample.rgb, sample.depth, self.config)
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

    def _donor(self, epoch: int, index: int) -> Sample | Prepared | None:
        """Return another item's sample, as large as this one; None if there is none."""
        shape = self.items[index].sample.shape
        others = [k for k, item in enumerate(self.items) if k != index and item.sample.shape == shape]
        if not others:
            return None
        return self.items[Stream(self.seed, index=index, epoch=epoch).spawn(_DONOR).choice(others)].sample


class Examples(Protocol):
    """Examples by (epoch, index)."""

    def __len__(self) -> int: ...

    def __getitem__(self, key: tuple[int, int]) -> Example: ...


class EncodedAnomalies(Dataset[Example]):
    """What the head of a `FeatureNetwork` learns from: examples that are encoded once and then kept.

    Parameters
    ----------
    examples : Examples
        `SyntheticAnomalies`, or some of them real ones instead.
    network : FeatureNetwork
        Fitted.
    precision : str
        In which the encoder computes.
    pairs : int
        Different examples, at least; epochs beyond these repeat the first ones.
    """

    def __init__(self, examples: Examples, network: FeatureNetwork, *, precision: str, pairs: int) -> None:
        self.examples, self.network, self.precision = examples, network, precision
        self.epochs = -(-pairs // len(examples))
        self.known: dict[tuple[int, int], Example] = {}

    def __len__(self) -> int:
        return len(self.examples)

    def __getitem__(self, key: tuple[int, int]) -> Example:
        key = (key[0] % self.epochs, key[1])
        if key not in self.known:
            self.known[key] = self._encoded(self.examples[key])
        return self.known[key]

    def _encoded(self, example: Example) -> Example:
        device = self.network.scale.device
        images = {name: example[name][None].to(device) for name in self.network.names}
        with torch.inference_mode(), autocast(self.precision, device):
            encoded = self.network.encode(images)
        # The head learns at stride 4, where a pixel is anomalous if a quarter of it is.
        mask = functional.avg_pool2d(example["mask"][None], 4, ceil_mode=True) > 0.25
        kept = {name: tensor[0].half().cpu() for name, tensor in encoded.items() if name not in ("evidence", "inside")}
        return {**kept, "mask": mask[0].float()}


def _synthesize(sample: Sample | Prepared, *, donor: Sample | Prepared | None = None, **options: Any) -> AnomalyPair:
    """Put a defect on a sample; a grey image of three channels gets a grey one."""
    rgb, other = sample.rgb, None if donor is None else donor.rgb
    if rgb is not None and (rgb == rgb[:, :, :1]).all():
        rgb = np.ascontiguousarray(rgb[:, :, 0])
        other = None if other is None else np.ascontiguousarray(other[:, :, 0])
    pair = synthesize(
        rgb,
        sample.depth,
        foreground=sample.foreground,
        camera=sample.camera,
        unit=sample.unit,
        donor=None if donor is None else (other, donor.depth, donor.foreground),
        **options,
    )
    if pair.rgb is not None and pair.rgb.ndim == 2:
        pair = replace(pair, rgb=np.repeat(pair.rgb[:, :, None], 3, axis=2))
    return pair


def _varied(item: Item, seed: int) -> Item:
    """Return another normal image of the same part; what is not the part stays as it is."""
    sample = item.sample
    rgb, depth = vary_normal(sample.rgb, sample.depth, nuisance=_VARIED, seed=seed)
    if (part := sample.foreground) is not None:
        rgb = rgb if rgb is None or sample.rgb is None else np.where(part[:, :, None], rgb, sample.rgb)
        depth = depth if depth is None or sample.depth is None else np.where(part, depth, sample.depth)
    return replace(item, sample=replace(sample, rgb=rgb, depth=depth))


def _removed(item: Item, pair: AnomalyPair) -> tuple[Item, NDArray[np.uint8] | None, NDArray[np.float32] | None]:
    """Do to an anomaly what the preparation did to background: what is deeper than the part is a hole through it.

    Where no background was removed (the part fills the frame) there is nothing to be seen through a hole.
    """
    sample = item.sample
    rgb, depth = pair.rgb, pair.depth
    if depth is None or sample.foreground is None or sample.valid is None:
        return item, rgb, depth
    if not (sample.valid & ~sample.foreground).any():
        return item, rgb, depth
    gone = (pair.mask > 0) & (depth > item.normalisation.high)
    if not gone.any():
        return item, rgb, depth
    if rgb is not None and not pair.plan.drop_rgb:
        rgb = np.where(gone[:, :, None], np.uint8(0), rgb)
    if sample.xyz is not None:
        item = replace(item, sample=replace(sample, xyz=np.where(gone[:, :, None], np.float32(0), sample.xyz)))
    return item, rgb, depth


def _textures(items: Sequence[Item], config: Config) -> TextureSource:
    known: dict[str, TextureSource] = {"procedural": ProceduralTextures(), "plain": PlainTextures()}
    images = [item.sample.rgb for item in items if item.sample.rgb is not None]
    known["parts"] = ArrayTextures(images) if images and "parts" in config.data.textures else PlainTextures()
    return MixedTextures([known.get(name, name) for name in config.data.textures])
