"""The networks of the paper's section 3.3: two reconstruction UNets and a discriminator on their features.

F_I and F_Z rebuild the normal image from the anomalous one.  The discriminator D sees the fused features

    f_fuse = first two and last two layer features of F_I and of F_Z, brought to one resolution,

and gives one logit a pixel.  Every UNet takes any height and width: it pads by repeating the edge, and cuts
the padding off again.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from das3d_aug.errors import ParameterError
from das3d_ref.config_sections import MODES, Mode, NetworkConfig

__all__ = ["DAS3DNetwork", "Output", "UNet"]


class Output(NamedTuple):
    """What a forward pass gives.

    Attributes
    ----------
    logits : Tensor
        B x 1 x H x W, positive where anomalous.
    rgb, depth : Tensor or None
        The reconstructions, shaped as the inputs; None where the mode has none.
    """

    logits: Tensor
    rgb: Tensor | None
    depth: Tensor | None


class UNet(nn.Module):
    """A UNet that also returns its first two and last two layer features.

    Parameters
    ----------
    inputs, outputs : int
        Channels in and out.
    width, levels, convolutions, norm
        As in `NetworkConfig`.
    """

    def __init__(self, inputs: int, outputs: int, *, width: int, levels: int, convolutions: int, norm: str) -> None:
        super().__init__()
        widths = [width * min(2**level, 8) for level in range(levels + 1)]
        self.multiple = 2**levels
        self.down = nn.ModuleList(
            block(above, here, convolutions, norm) for above, here in zip([inputs, *widths], widths, strict=False)
        )
        self.up = nn.ModuleList(
            block(below + here, here, convolutions, norm)
            for below, here in zip(reversed(widths[1:]), reversed(widths[:-1]), strict=True)
        )
        self.head = nn.Conv2d(width, outputs, 3, padding=1)

    def forward(self, images: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return the output and the first, second, last but one and last layer features, padded."""
        height, width = images.shape[2:]
        right, below = -width % self.multiple, -height % self.multiple
        x = functional.pad(images, (0, right, 0, below), mode="replicate") if right or below else images
        falling: list[Tensor] = []
        for block in self.down:
            x = block(functional.max_pool2d(x, 2) if falling else x)
            falling.append(x)
        rising: list[Tensor] = []
        for block, skip in zip(self.up, reversed(falling[:-1]), strict=True):
            x = block(torch.cat([functional.interpolate(x, scale_factor=2.0), skip], dim=1))
            rising.append(x)
        return self.head(x)[:, :, :height, :width], [*falling[:2], *rising[-2:]]


class DAS3DNetwork(nn.Module):
    """The reconstruction networks of a mode, and their discriminator.

    Parameters
    ----------
    config : NetworkConfig
    mode : {"rgb", "depth", "rgbd"}
    depth_channels : int
        1 for depth alone, 4 with normals.
    """

    def __init__(self, config: NetworkConfig, *, mode: Mode, depth_channels: int = 1) -> None:
        super().__init__()
        if mode not in MODES:
            raise ParameterError(f"mode must be one of {', '.join(MODES)}, got {mode!r}")

        def unet(inputs: int, outputs: int, width: int) -> UNet:
            return UNet(
                inputs, outputs, width=width, levels=config.levels, convolutions=config.convolutions, norm=config.norm
            )

        self.stride = config.discriminator_stride
        self.rgb = unet(3, 3, config.width) if mode != "depth" else None
        self.depth = unet(depth_channels, depth_channels, config.width) if mode != "rgb" else None
        layers = 6 * config.width * (2 if mode == "rgbd" else 1)  # of 1 + 2 + 2 + 1 widths a network
        self.discriminator = unet(layers, 1, config.discriminator_width)

    def forward(self, rgb: Tensor | None, depth: Tensor | None) -> Output:
        """Rebuild the images and find what does not belong.

        Parameters
        ----------
        rgb : Tensor or None
            B x 3 x H x W in (0, 1); unused in mode "depth".
        depth : Tensor or None
            B x C x H x W, depth in (0, 1) and further channels; unused in mode "rgb".
        """
        rebuilt_rgb = rebuilt_depth = None
        features: list[Tensor] = []
        if self.rgb is not None:
            assert rgb is not None
            rebuilt_rgb, layers = self.rgb(rgb)
            features += layers
        if self.depth is not None:
            assert depth is not None
            rebuilt_depth, layers = self.depth(depth)
            features += layers
        rebuilt = rebuilt_rgb if rebuilt_depth is None else rebuilt_depth
        assert rebuilt is not None
        padded = (features[0].shape[2], features[0].shape[3])
        size = (-(-padded[0] // self.stride), -(-padded[1] // self.stride))
        fused = torch.cat([resize(layer, size) for layer in features], dim=1)
        logits, _ = self.discriminator(fused)
        height, width = rebuilt.shape[2:]
        return Output(resize(logits, padded)[:, :, :height, :width], rebuilt_rgb, rebuilt_depth)


def block(inputs: int, outputs: int, convolutions: int, norm: str) -> nn.Sequential:
    """Return 3 x 3 convolutions, each with its norm and ReLU; ``norm`` as in `NetworkConfig`."""
    layers: list[nn.Module] = []
    for _ in range(convolutions):
        layers += [
            nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs) if norm == "batch" else nn.GroupNorm(outputs // 8, outputs),
            nn.ReLU(inplace=True),
        ]
        inputs = outputs
    return nn.Sequential(*layers)


def resize(images: Tensor, size: tuple[int, int]) -> Tensor:
    """Return images of (height, width): averaged where that is smaller, else interpolated."""
    if images.shape[2:] == size:
        return images
    if images.shape[2] > size[0]:
        return functional.adaptive_avg_pool2d(images, size)
    return functional.interpolate(images, size=size, mode="bilinear")
