"""An encoder of random weights, for tests of what goes around it."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from helpers.runs import CONFIG, workplace
from torch import Tensor

from das3d_ref import Config
from das3d_ref.model.encoder import Encoder


def weights(deepest: int = 16) -> dict[str, Tensor]:
    """Return random weights with spread-out normalisation statistics."""
    torch.manual_seed(0)
    tensors: dict[str, Tensor] = Encoder(deepest).state_dict()
    for name, tensor in tensors.items():
        if name.endswith(("running_var", "bn0.weight", "bn1.weight", "bn2.weight")):
            tensor.copy_(0.5 + torch.rand(tensor.shape))
        elif name.endswith(("running_mean", ".bias")):
            tensor.copy_(torch.randn(tensor.shape) / 5)
    return tensors


@functools.cache
def encoder_file() -> Path:
    """Return a file of such weights."""
    path = workplace() / "encoder.safetensors"
    safetensors.torch.save_file({name: tensor.contiguous() for name, tensor in weights().items()}, path)
    return path


def on_features(**values: Any) -> Config:
    """Return the configuration of a small detector on that encoder: ``on_features(mode="depth")``."""
    chosen = {
        "features__encoder": encoder_file(),
        "features__width": 8,
        "features__patches": 200,
        "features__pairs": 12,
        "loss__dice": 0.3,
        "preparation__normalise": "dataset",
        **values,
    }
    return CONFIG.override([f"{name.replace('__', '.')}={value}" for name, value in chosen.items()])
