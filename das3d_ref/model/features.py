"""The detector on frozen features: a small head, distances to normal features, and the relief of depth.

Colour, and the relief of depth as a picture (`das3d_ref.model.relief`), go through one frozen encoder.  Three kinds of
evidence come of it, since each finds what the others miss:

* the head: a small UNet at stride 4 on the features, the distances and the relief, which learns from synthetic pairs;
* distances of features to the nearest ones of good images (`das3d_ref.model.memory`): whatever was never seen;
* the relief itself: how far depth is from the part's smooth surface, and where measurements are missing.

Each is standardised on good images that were held out, e = (x - mean) / spread, and the map is their weighted sum.
The weights are the same for all data; they were chosen on the demo set, on roads, on tiles and on asphalt.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from das3d_ref.config_sections import FeaturesConfig, Mode
from das3d_ref.model.encoder import Encoder, load_encoder
from das3d_ref.model.memory import Memory, described, nearest_distances
from das3d_ref.model.networks import Output, block, resize
from das3d_ref.model.relief import MISSING, RESIDUALS, SURFACE

__all__ = ["Encoded", "FeatureHead", "FeatureNetwork"]

Encoded = dict[str, Tensor]
"""An image as the head sees it: standardised features by name, such as ``rgb 8``, and ``maps`` at stride 4; beside
them ``evidence`` and ``inside`` at stride 4, which the head does not see."""

Images = Sequence[Mapping[str, Tensor]]

_CHANNELS = {2: 16, 4: 24, 8: 40, 16: 112}  # of the encoder, by stride
_REMEMBERED = (8, 16)
_DIRECTIONS = 64
_STRIDE = 4
_DETAILS = (32, 8)  # parts of the longer side that are the sides of the squares
_WEIGHTS = {"head": 1.0, "rgb": 0.75, "depth": 1.0, "missing": 0.3, "deviation": 0.5}
_FIRST_WEIGHTS = {**_WEIGHTS, "rgb": 0.5}  # of detectors that were saved without theirs
_LIMIT = 8.0  # of standardised features
_LEAST_MISSING = 0.02, 0.2  # a set without holes must not make the first one an alarm: spread of channel and evidence


class FeatureNetwork(nn.Module):
    """All that a detector on frozen features holds.

    Parameters
    ----------
    config : FeaturesConfig
    mode : {"rgb", "depth", "rgbd"}
    norm : {"batch", "group"}
        Of the head.
    """

    scale: Tensor
    detail: Tensor
    mean: Tensor
    spread: Tensor
    weights: Tensor
    level: Tensor

    def __init__(self, config: FeaturesConfig, *, mode: Mode, norm: str) -> None:
        super().__init__()
        self.config, self.names = config, ("rgb", "depth") if mode == "rgbd" else (mode,)
        self.encoder = Encoder(max(_CHANNELS))
        self.known = nn.ModuleDict({name: _Known(config.patches) for name in self.names})
        relief, colour = "depth" in self.names, "rgb" in self.names
        self.head = FeatureHead(
            {f"{name} {stride}": count for name in self.names for stride, count in _CHANNELS.items()},
            maps=len(self.names) + colour * 2 * len(_DETAILS) + relief * 2 * RESIDUALS,
            width=config.width,
            norm=norm,
        )
        self.evidence = ("head", *self.names, *(("missing", "deviation") if relief else ()))
        self.register_buffer("scale", torch.ones(RESIDUALS))
        self.register_buffer("detail", torch.ones(len(_DETAILS)))
        self.register_buffer("mean", torch.zeros(len(self.evidence)))
        self.register_buffer("spread", torch.ones(len(self.evidence)))
        self.register_buffer("weights", torch.tensor([_WEIGHTS[name] for name in self.evidence]))
        self.register_buffer("level", torch.tensor([0.0, 1.0]))

    def train(self, mode: bool = True) -> FeatureNetwork:
        """Let the head alone learn."""
        super().train(mode)
        self.encoder.eval()
        return self

    @torch.inference_mode()
    def fit(self, remembered: Images, others: Images, *, seed: int) -> None:
        """Read the encoder, and remember what good images look like.

        Parameters
        ----------
        remembered, others : sequence of dict of str to Tensor
            Inputs of good images, as `forward` takes them: those whose patches are kept, and those on which the
            distances to these are standardised.
        seed : int
            Of the draw of the patches.
        """
        self.encoder = load_encoder(self.config.encoder, deepest=max(_CHANNELS)).to(self.scale.device)
        if "depth" in self.names:
            squares = []
            for image in remembered:
                residuals, inside = image["depth"][0, :RESIDUALS], image["depth"][0, RESIDUALS] > 0
                squares.append(residuals[:, inside].square().mean(dim=1))
            self.scale = torch.stack(squares).mean(dim=0).sqrt().clamp_min(1e-12)
            self.scale[MISSING].clamp_(min=_LEAST_MISSING[0])
        if "rgb" in self.names:
            squares = [_details(image["rgb"]).square().mean(dim=(0, 2, 3)) for image in remembered]
            self.detail = torch.stack(squares).mean(dim=0).sqrt().clamp_min(1e-3)
        for name in self.names:
            known = self._known(name)
            known.fit([self._features(name, image) for image in remembered], seed=seed)
            known.standardise([self._features(name, image) for image in others])

    def encode(self, images: Mapping[str, Tensor]) -> Encoded:
        """Return what the head and the evidence are made of; for `images` see `forward`."""
        encoded: Encoded = {}
        distances = []
        for name in self.names:
            features, known = self._features(name, images), self._known(name)
            encoded |= {f"{name} {stride}": known.standard(stride, found) for stride, found in features.items()}
            distances.append(known.distances(features))
        first = encoded[f"{self.names[0]} {_STRIDE}"]
        size = (first.shape[2], first.shape[3])
        distances = [resize(distance, size) for distance in distances]
        maps = [distance.clamp(-3, 12) / 3 for distance in distances]
        if "rgb" in self.names:
            details = _details(images["rgb"]) / self.detail[:, None, None]
            peaks = [functional.max_pool2d(sign * details, _STRIDE, ceil_mode=True) for sign in (1, -1)]
            maps += [(peak / 3).clamp(-1, 4) for peak in peaks]
        if "depth" in self.names:
            residuals, inside = images["depth"][:, :RESIDUALS], images["depth"][:, RESIDUALS:]
            residuals = (residuals / self.scale[:, None, None]).clamp(-20, 20)
            mean = _pooled(residuals)
            peak = functional.max_pool2d(residuals.abs(), _STRIDE, ceil_mode=True)
            maps += [(part / 3).clamp(-5, 5) for part in (mean, peak)]
            # The finest scale is noise; those after it, up to the plane's residual, come before what is missing.
            distances += [mean[:, [MISSING]], mean[:, 1:MISSING].abs().amax(dim=1, keepdim=True)]
            encoded["inside"] = (_pooled(inside) > 0).float()
        else:
            encoded["inside"] = torch.ones_like(distances[0])
        return {**encoded, "maps": torch.cat(maps, dim=1), "evidence": torch.cat(distances, dim=1)}

    @torch.inference_mode()
    def calibrate(self, images: Iterable[Encoded]) -> None:
        """Standardise the evidence on good images that the head did not see, and set the middle of the map.

        A map of 0.5 is then as high as the highest place of every other good image.
        """
        found = []
        for encoded in images:
            evidence = torch.cat([self.head(encoded).logits.float(), encoded["evidence"]], dim=1)[0]
            found.append(evidence[:, encoded["inside"][0, 0] > 0])
        values = torch.cat(found, dim=1)
        self.mean, self.spread = values.mean(dim=1), values.std(dim=1, correction=0).clamp_min(1e-6)
        if "missing" in self.evidence:
            self.spread[self.evidence.index("missing")].clamp_(min=_LEAST_MISSING[1])
        sums = [self._sum(piece[None, :, :, None]).flatten() for piece in found]
        middle, peak = (torch.stack([end(piece) for piece in sums]).median() for end in (torch.median, torch.max))
        self.level = torch.stack([peak, (peak - middle).clamp_min(1e-6)])

    def forward(self, rgb: Tensor | None, depth: Tensor | None) -> Output:
        """Find what does not belong.

        Parameters
        ----------
        rgb : Tensor or None
            B x 3 x H x W in (0, 1); unused in mode "depth".
        depth : Tensor or None
            B x C x H x W, what `das3d_ref.model.relief.relief` returns; unused in mode "rgb".

        Returns
        -------
        Output
            Without reconstructions.  The logits rise with the logarithm of the evidence, so no height is cut off.
        """
        given = {"rgb": rgb, "depth": depth}
        images = {name: image for name in self.names if (image := given[name]) is not None}
        encoded = self.encode(images)
        evidence = torch.cat([self.head(encoded).logits.float(), encoded["evidence"]], dim=1)
        total = self._sum(evidence) * encoded["inside"]
        height, width = images[self.names[0]].shape[2:]
        size = (encoded["inside"].shape[2] * _STRIDE, encoded["inside"].shape[3] * _STRIDE)
        above = (resize(total, size)[:, :, :height, :width] - self.level[0]) / self.level[1]
        return Output(above.sign() * torch.log1p(2 * above.abs()), None, None)

    def _sum(self, evidence: Tensor) -> Tensor:
        """Weigh the evidence, B x its kinds x H x W."""
        standard = (evidence - self.mean[:, None, None]) / self.spread[:, None, None]
        return (standard * self.weights[:, None, None]).sum(dim=1, keepdim=True)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *others: Any) -> None:
        """Load what torch loads; the middle of an older detector's map belongs to the weights of that time."""
        state_dict.setdefault(f"{prefix}weights", torch.tensor([_FIRST_WEIGHTS[name] for name in self.evidence]))
        super()._load_from_state_dict(state_dict, prefix, *others)

    def _known(self, name: str) -> _Known:
        known = self.known[name]
        assert isinstance(known, _Known)
        return known

    def _features(self, name: str, images: Mapping[str, Tensor]) -> dict[int, Tensor]:
        picture = images[name]
        if name == "depth":
            picture = (picture[:, SURFACE] / self.scale[list(SURFACE), None, None] / 3).tanh() / 2 + 0.5
        found: dict[int, Tensor] = self.encoder(picture)
        return {stride: features.float() for stride, features in found.items()}


class FeatureHead(nn.Module):
    """A UNet of three levels at stride 4, on features of several strides and on maps.

    Parameters
    ----------
    channels : dict of str to int
        Of the features, by names that end in the stride.
    maps : int
        Channels at stride 4.
    width : int
        Channels of the last layer; twice as many in all others.
    norm : {"batch", "group"}
    """

    def __init__(self, channels: Mapping[str, int], *, maps: int, width: int, norm: str) -> None:
        super().__init__()
        narrow = {name: min(count, width) for name, count in channels.items()}
        self.narrow = nn.ModuleDict({name: nn.Conv2d(count, narrow[name], 1) for name, count in channels.items()})
        self.drop = nn.Dropout2d(0.1)
        wide = 2 * width
        self.first = nn.Sequential(block(sum(narrow.values()) + maps, wide, 1, norm), block(wide, wide, 1, norm))
        self.second, self.third = block(wide, wide, 1, norm), block(wide, wide, 1, norm)
        self.up_second, self.up_first = block(2 * wide, wide, 1, norm), block(2 * wide, width, 1, norm)
        self.last = nn.Conv2d(width, 1, 1)

    def forward(self, encoded: Encoded) -> Output:
        """Return logits at stride 4."""
        maps = encoded["maps"].float()
        size = (maps.shape[2], maps.shape[3])
        layers = [
            resize(narrow(self.drop(encoded[name].float())), size)  # 1 x 1, so before it is enlarged
            for name, narrow in self.narrow.items()
        ]
        first = self.first(torch.cat([*layers, maps], dim=1))
        second = self.second(functional.max_pool2d(first, 2, ceil_mode=True))
        third = self.third(functional.max_pool2d(second, 2, ceil_mode=True))
        second = self.up_second(torch.cat([second, resize(third, second.shape[2:])], dim=1))
        first = self.up_first(torch.cat([first, resize(second, first.shape[2:])], dim=1))
        return Output(self.last(first), None, None)


class _Known(nn.Module):
    """Features of good images of one kind: their mean and spread, patches of them, and the usual distance to these."""

    mean: Tensor
    spread: Tensor
    directions: Tensor
    patches: Tensor
    distance: Tensor

    def __init__(self, patches: int) -> None:
        super().__init__()
        for stride, count in _CHANNELS.items():
            self.register_buffer(f"mean_{stride}", torch.zeros(count))
            self.register_buffer(f"spread_{stride}", torch.ones(count))
        count = sum(_CHANNELS[stride] for stride in _REMEMBERED)
        self.register_buffer("mean", torch.zeros(count))
        self.register_buffer("spread", torch.ones(count))
        self.register_buffer("directions", torch.zeros(count, _DIRECTIONS))
        self.register_buffer("patches", torch.zeros(patches, _DIRECTIONS))
        self.register_buffer("distance", torch.tensor([0.0, 1.0]))

    def fit(self, images: Sequence[Mapping[int, Tensor]], *, seed: int) -> None:
        for stride in _CHANNELS:
            values = torch.cat([image[stride][0].flatten(1) for image in images], dim=1)
            setattr(self, f"mean_{stride}", values.mean(dim=1))
            setattr(self, f"spread_{stride}", values.std(dim=1, correction=0).clamp_min(1e-5))
        size = len(self.patches)
        with _exactly(self.mean):
            memory = Memory.fit(images, _REMEMBERED, size=size, each=-(-size // len(images)), seed=seed)
        for name, tensor in memory.tensors.items():
            setattr(self, name, tensor)
        # Few or small images have fewer patches: repeated, since a checkpoint has its sizes from the configuration.
        self.patches = self.patches.repeat(-(-size // len(self.patches)), 1)[:size]

    def standardise(self, images: Sequence[Mapping[int, Tensor]]) -> None:
        usual = torch.cat([self.distances(image).flatten() for image in images])
        self.distance = torch.stack([usual.mean(), usual.std(correction=0).clamp_min(1e-6)])

    def standard(self, stride: int, features: Tensor) -> Tensor:
        mean, spread = getattr(self, f"mean_{stride}"), getattr(self, f"spread_{stride}")
        found = ((features - mean[:, None, None]) / spread[:, None, None]).clamp(-_LIMIT, _LIMIT)
        return functional.max_pool2d(found, _STRIDE // stride, ceil_mode=True) if stride < _STRIDE else found

    def distances(self, features: Mapping[int, Tensor]) -> Tensor:
        """Return the standardised distance of each place to the nearest patch, B x 1 at the finest stride."""
        with _exactly(self.mean):
            points = (described(features, _REMEMBERED) - self.mean) / self.spread @ self.directions
            nearest = nearest_distances(points, self.patches)
        height, width = features[_REMEMBERED[0]].shape[2:]
        found: Tensor = (nearest.reshape(-1, 1, height, width) - self.distance[0]) / self.distance[1]
        return found


def _exactly(tensor: Tensor) -> AbstractContextManager[Any]:
    """Return the context in which products stay float32: a distance is a small difference of large numbers."""
    if tensor.is_meta:  # nothing is computed, and autocast knows no such device
        return nullcontext()
    return torch.autocast(tensor.device.type, enabled=False)


def _details(rgb: Tensor) -> Tensor:
    """Return what brightness stands out of the mean of squares around it, B x scales x H x W: thin lines do."""
    grey = rgb.mean(dim=1, keepdim=True)
    side, found = max(grey.shape[2:]), []
    for part in _DETAILS:
        reach = min(side // part // 2, min(grey.shape[2:]) - 1)
        around = functional.pad(grey, (reach, reach, reach, reach), mode="reflect")
        found.append(grey - functional.avg_pool2d(around, 2 * reach + 1, 1))
    return torch.cat(found, dim=1)


def _pooled(images: Tensor) -> Tensor:
    return functional.avg_pool2d(images, _STRIDE, ceil_mode=True)
