"""What normal patches look like to a frozen encoder, and how far from it a patch is.

    distance(p) = min over m in M of |P (p - m)|

p are features of one or more strides at a place, each averaged over 3 x 3 neighbours, brought to the finest stride
and divided by its spread on normal images; M is a sample of the normal ones, P the directions in which these vary most
(Roth et al. 2022, PatchCore, but for P).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

__all__ = ["Memory", "coreset", "described", "nearest_distances"]

_DIRECTIONS = 64
_TOGETHER = 4096  # patches whose distances are computed at a time


class Memory:
    """Normal patches.

    Parameters
    ----------
    tensors : mapping of str to Tensor
        ``mean``, ``spread`` (channels), ``directions`` (channels x D) and ``patches`` (N x D).
    strides : tuple of int
        Of the features, the finest first.
    """

    def __init__(self, tensors: Mapping[str, Tensor], strides: tuple[int, ...]) -> None:
        self.tensors, self.strides = dict(tensors), strides

    @classmethod
    def fit(
        cls, images: Iterable[Mapping[int, Tensor]], strides: tuple[int, ...], *, size: int, each: int, seed: int
    ) -> Memory:
        """Choose patches of normal images.

        Parameters
        ----------
        images : iterable of dict of int to Tensor
            Features of each image by stride, 1 x channels x H x W.
        strides : tuple of int
            Those that are used, the finest first.
        size : int
            Patches kept (`coreset`).
        each : int
            Patches of each image, drawn at random, to choose from.
        seed : int
            Of the draw.
        """
        random = np.random.default_rng(seed)
        patches = []
        for features in images:
            (found,) = described(features, strides)
            patches.append(found[torch.from_numpy(random.permutation(len(found))[:each])])
        drawn = torch.cat(patches)
        mean, spread = drawn.mean(dim=0), drawn.std(dim=0).clamp_min(1e-6)
        drawn = (drawn - mean) / spread
        _, vectors = torch.linalg.eigh(drawn.T @ drawn)
        directions = vectors[:, -_DIRECTIONS:]
        kept = coreset(drawn @ directions, size)
        tensors = {"mean": mean, "spread": spread, "directions": directions, "patches": kept}
        return cls({name: tensor.contiguous() for name, tensor in tensors.items()}, strides)

    def distances(self, features: Mapping[int, Tensor]) -> NDArray[np.float32]:
        """Return how far each place of an image is from the nearest normal patch, at the finest stride."""
        held = self.tensors
        patches = (described(features, self.strides) - held["mean"]) / held["spread"] @ held["directions"]
        found = nearest_distances(patches, held["patches"]).reshape(features[self.strides[0]].shape[2:])
        result: NDArray[np.float32] = found.numpy()
        return result


def nearest_distances(points: Tensor, bank: Tensor) -> Tensor:
    """Return the Euclidean distance of each point, ... x M x D, to the nearest one of a bank, N x D."""
    # |p - m|^2 - |p|^2 = |m|^2 - 2 p m, as one product, so that nothing of its size is made twice.
    doubled = torch.cat([-2 * bank, bank.square().sum(dim=1, keepdim=True)], dim=1).T
    nearest = []
    for part in torch.split(points, _TOGETHER, dim=-2):
        longer = torch.cat([part, torch.ones_like(part[..., :1])], dim=-1)
        nearest.append((longer @ doubled).amin(dim=-1) + part.square().sum(dim=-1))
    return torch.cat(nearest, dim=-1).clamp_min(0).sqrt()


def coreset(patches: Tensor, size: int) -> Tensor:
    """Keep the first patch and, one by one, the patch farthest from all kept (greedy k-centre)."""
    if len(patches) <= size:
        return patches
    away = torch.full((len(patches),), torch.inf)
    kept = [0]
    for _ in range(size - 1):
        away = torch.minimum(away, (patches - patches[kept[-1]]).square().sum(dim=1))
        kept.append(int(away.argmax()))
    return patches[kept]


def described(features: Mapping[int, Tensor], strides: tuple[int, ...]) -> Tensor:
    """Return images x patches x channels, the patches row by row."""
    size = features[strides[0]].shape[2:]
    layers = []
    for stride in strides:
        around = functional.avg_pool2d(features[stride].float(), 3, 1, 1, count_include_pad=False)
        layers.append(functional.interpolate(around, size=size, mode="bilinear"))
    return torch.cat(layers, dim=1).flatten(2).mT
