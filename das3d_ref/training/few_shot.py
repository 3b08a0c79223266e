"""A few real defects beside the synthetic ones: learnt from flipped and turned, and every third one validates."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from das3d_aug.errors import ParameterError
from das3d_aug.randomness import Stream
from das3d_ref.config import Config
from das3d_ref.model.inputs import DepthRange, Item, network_input
from das3d_ref.training.examples import Example, SyntheticAnomalies
from das3d_ref.training.images import Source
from das3d_ref.training.run_folder import digest_of

__all__ = ["MixedAnomalies", "RealAnomalies"]

_CHOICE = 4  # stream beside those of the synthetic examples
_EVERY, _LEAST = 3, 3  # one of so many validates, if there are at least so many


class RealAnomalies:
    """The anomalous images of a source.

    Parameters
    ----------
    source : Source
        All images in it that are anomalous by label or mask, in whatever split.
    config : Config
    depth_range : DepthRange or None
        Of the good images.

    Attributes
    ----------
    learnt, held_out : tuple of Item
        To learn from, and to validate with.
    digests : list of str
        SHA-256 of each prepared image, of both: no test image may be among them.

    Raises
    ------
    ParameterError
        If there is none, one has no mask or an empty one, or the networks learn from pairs of a good and an anomalous
        image (``features.encoder`` is "none").
    """

    def __init__(self, source: Source, config: Config, depth_range: DepthRange | None) -> None:
        place = source.data or source.dataset.root
        if config.features.encoder == "none":
            raise ParameterError(
                "real anomalies need features.encoder, as the preset 'practical' has it: networks without one learn "
                "from pairs, and a real defect has no good image beside it"
            )
        entries = source.anomalous
        if not entries:
            raise ParameterError(f"{place} has no image that a folder or a mask says is anomalous")
        items = [source.item(entry, depth_range) for entry in entries]
        for entry, item in zip(entries, items, strict=True):
            if item.sample.mask is None or not item.sample.mask.any():
                raise ParameterError(f"{place}: {entry.key} needs a mask that marks its defects")
        every = _EVERY if len(items) >= _LEAST else len(items) + 1
        self.held_out = tuple(items[every - 1 :: every])
        self.learnt = tuple(item for number, item in enumerate(items) if number % every != every - 1)
        self.digests = [digest_of([item]) for item in items]
        self.config = config

    def example(self, item: Item, *, turn: int = 0) -> Example:
        """Return one as the networks see it; the bits of ``turn`` flip it, and transpose it if it is square."""
        sample = item.sample
        images = network_input(item, sample.rgb, sample.depth, self.config)
        arrays = {**images, "mask": np.asarray(sample.mask, np.float32)[None]}
        return {name: torch.from_numpy(_turned(array, turn)) for name, array in arrays.items()}


class MixedAnomalies(Dataset[Example]):
    """Synthetic examples, some of which are real ones instead: ``data.real_share`` of them.

    Parameters
    ----------
    synthetic : SyntheticAnomalies
    real : RealAnomalies
    seed : int
    """

    def __init__(self, synthetic: SyntheticAnomalies, real: RealAnomalies, *, seed: int) -> None:
        self.synthetic, self.real, self.seed = synthetic, real, seed

    def __len__(self) -> int:
        return len(self.synthetic)

    def __getitem__(self, key: tuple[int, int]) -> Example:
        epoch, index = key
        stream = Stream(self.seed, index=index, epoch=epoch).spawn(_CHOICE)
        if not stream.chance(self.real.config.data.real_share):
            return self.synthetic[key]
        return self.real.example(stream.choice(self.real.learnt), turn=stream.integer(0, 7))


def _turned(array: NDArray[np.float32], turn: int) -> NDArray[np.float32]:
    if turn & 1:
        array = array[:, :, ::-1]
    if turn & 2:
        array = array[:, ::-1]
    if turn & 4 and array.shape[1] == array.shape[2]:
        array = array.transpose(0, 2, 1)
    return np.ascontiguousarray(array)
