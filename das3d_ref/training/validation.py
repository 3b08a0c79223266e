"""Validation: good images that nothing has learnt from, and the same synthetic anomalies of them each time."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from das3d_aug.errors import ParameterError
from das3d_ref.config import Config
from das3d_ref.metrics import evaluate_maps
from das3d_ref.model.detector import anomaly_map, autocast
from das3d_ref.model.features import FeatureNetwork
from das3d_ref.model.inputs import Item, network_input
from das3d_ref.model.score import image_floor, image_score
from das3d_ref.training.examples import Example, SyntheticAnomalies

__all__ = ["Validation", "tensors_of"]

_OWN = 2**63  # added to the run's seed: no validation defect is a training defect


class Validation:
    """Good images to validate with.

    Parameters
    ----------
    items : sequence of Item
    config : Config
    device : torch.device
    real : sequence of Example
        Real anomalies, judged beside the synthetic ones.

    Raises
    ------
    ParameterError
        If none of the synthetic anomalies has a defect.
    """

    def __init__(
        self, items: Sequence[Item], config: Config, *, device: torch.device, real: Sequence[Example] = ()
    ) -> None:
        self.items, self.config, self.device, self.real = items, config, device, real
        self.anomalies = SyntheticAnomalies(items, config, seed=config.seed + _OWN, crop=0)
        if not any(example["mask"].any() for example in self._drawn()):
            raise ParameterError("no validation image gets a defect; raise training.validation_anomalies")

    def calibrated(self, whole: FeatureNetwork, head: torch.nn.Module) -> FeatureNetwork:
        """Return the network with another head, its evidence standardised on the good images."""
        network = copy.copy(whole)
        network._modules = {**whole._modules, "head": head}
        network._buffers = dict(whole._buffers)
        with torch.inference_mode(), autocast(self.config.training.precision, self.device):
            network.calibrate(network.encode(tensors_of(item, self.config, self.device)) for item in self.items)
        return network

    def judge(self, network: torch.nn.Module) -> tuple[dict[str, float], list[float], list[float]]:
        """Return the figures of a network on good images and anomalies, and scores and floors of the good ones.

        Raises
        ------
        FloatingPointError
            If a map is not finite.
        """
        maps, masks = [], []
        for item in self.items:
            maps.append(self._map(network, network_input(item, item.sample.rgb, item.sample.depth, self.config)))
            masks.append(np.zeros(maps[-1].shape, bool))
        for example in (*self._drawn(), *self.real):
            images: dict[str, NDArray[np.float32]] = {}
            for name in example.keys() & {"rgb", "depth"}:
                images[name] = example[name].numpy()
            maps.append(self._map(network, images))
            masks.append(example["mask"][0].numpy() > 0)
        if not all(np.isfinite(image).all() for image in maps):
            raise FloatingPointError("the weights are not finite")
        scores = [image_score(image, self.config.score.window) for image in maps]
        found = evaluate_maps(maps, masks, scores, [bool(mask.any()) for mask in masks])
        good = range(len(self.items))
        return found, scores[: len(good)], [image_floor(maps[k], self.items[k].sample.foreground) for k in good]

    def _drawn(self) -> Iterator[Example]:
        """Yield the anomalies; dropout leaves some of them normal."""
        for number in range(self.config.training.validation_anomalies):
            yield self.anomalies[divmod(number, len(self.items))]

    def _map(self, network: torch.nn.Module, images: Mapping[str, NDArray[np.float32]]) -> NDArray[np.float32]:
        return anomaly_map(network, images, precision=self.config.training.precision, device=self.device)


def tensors_of(item: Item, config: Config, device: torch.device) -> dict[str, Tensor]:
    """Return what a network takes of a good image, a batch of one."""
    arrays = network_input(item, item.sample.rgb, item.sample.depth, config)
    return {name: torch.from_numpy(array)[None].to(device) for name, array in arrays.items()}
