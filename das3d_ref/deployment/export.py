"""A detector's networks as one ONNX file, for machines without PyTorch.

The inputs are what the mode looks at, as `das3d_ref.model.inputs.network_input` makes it: ``rgb``, B x 3 x H x W, and
``depth``, B x 1, 4 or, on frozen features, 7 x H x W, float32.  The output ``anomaly_map``, B x 1 x H x W, is the
sigmoid of the logits, computed in fp32.  B is free; H x W is fixed, since the networks' padding depends on it.

The file's metadata has, under `METADATA`, a JSON object with all else that a verdict needs:

``format``, ``das3d``
    Of this object, and the version that wrote it.
``mode``, ``normals``
    What is looked at.
``preparation``
    The arguments of `das3d_aug.preparation.Preparation`.
``depth_range``
    ``low`` and ``high``, which become 0 and 1, and their ``unit``; null: every image has its own.
``score_window``, ``threshold``
    An image is anomalous if the largest mean over squares of this side is above the threshold.
``config``, ``good_scores``, ``good_floors``
    The whole configuration, and the scores of good images on which the threshold rests, null where none were kept: with
    them `das3d_ref.deployment.exported` judges as the detector does.
"""

from __future__ import annotations

import copy
import dataclasses
import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

import das3d_aug
from das3d_aug.errors import Das3dError, ParameterError
from das3d_aug.preparation import parse_size
from das3d_ref.config import Config
from das3d_ref.deployment.runtimes import extra, open_runtime
from das3d_ref.model import DAS3DNetwork, Detector
from das3d_ref.model.features import FeatureNetwork
from das3d_ref.model.inputs import depth_channels

__all__ = ["FORMAT", "METADATA", "AnomalyMap", "image_size", "random_images", "to_onnx", "tolerance"]

METADATA = "das3d"
FORMAT = 1
_TOLERANCE, _OF_DISTANCES = 1e-4, 2e-3

_LARGEST = 3 * 2**29 - 2**24  # bytes of weights: the limit on files, less the graph; a protobuf message ends at 2 GiB


class AnomalyMap(torch.nn.Module):
    """Networks of which the output is the anomaly map, B x 1 x H x W."""

    def __init__(self, network: DAS3DNetwork | FeatureNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, rgb: Tensor | None = None, depth: Tensor | None = None) -> Tensor:
        """Return the sigmoid of the logits, float32."""
        logits: Tensor = self.network(rgb, depth).logits
        return logits.float().sigmoid()


def to_onnx(detector: Detector, *, size: str | None = None) -> bytes:
    """Return the ONNX file of a detector, having compared ONNX Runtime's anomaly maps with PyTorch's.

    Parameters
    ----------
    detector : Detector
    size : str, optional
        Of the images, "N" or "HxW"; needed, and allowed, only if ``preparation.size`` is "none".

    Raises
    ------
    ParameterError
        If the size is missing or superfluous, or the weights are too large for one file.
    Das3dError
        If a package is missing, or an anomaly map differs by more than `tolerance` allows.
    """
    config = detector.config
    if size is not None:
        if config.preparation.size is not None:
            raise ParameterError(f"size {size!r} is not to be chosen: the detector's is {config.preparation.size!r}")
        config = config.override([f"preparation.size={size}"])
    image_size(config)
    network = copy.deepcopy(detector.network).to("cpu", memory_format=torch.contiguous_format)
    weights = sum(tensor.nbytes for tensor in network.state_dict().values())
    if weights > _LARGEST:
        raise ParameterError(
            f"the weights take {weights / 2**30:.1f} GiB, and an ONNX file may hold 1.5; lower network.width"
        )
    data = _serialize(AnomalyMap(network).eval(), config, _metadata(detector, config))
    images = random_images(config, batch=3)  # another batch than that of the trace
    with torch.inference_mode():
        wanted = AnomalyMap(network)(**{name: torch.from_numpy(image) for name, image in images.items()}).numpy()
    found = open_runtime("onnxruntime", data)(images)
    difference = float(np.abs(found - wanted).max())
    if not difference <= (most := tolerance(config)):  # nor NaN
        raise Das3dError(f"ONNX Runtime's anomaly map differs from PyTorch's by {difference:.2g}, more than {most:g}")
    return data


def tolerance(config: Config) -> float:
    """Return how far ONNX Runtime's anomaly map may be from PyTorch's, at any pixel.

    Distances to features are roots of small differences of large numbers, so less of them is left.
    """
    return _TOLERANCE if config.features.encoder == "none" else _OF_DISTANCES


def image_size(config: Config) -> tuple[int, int]:
    """Return the height and width of a configuration's prepared images.

    Raises
    ------
    ParameterError
        If it takes images of any size.
    """
    size = parse_size(config.preparation.size)
    if size is None:
        raise ParameterError("size is missing: this detector takes images of any; give one, such as size=256")
    return size


def random_images(config: Config, *, batch: int) -> dict[str, NDArray[np.float32]]:
    """Return what the networks of a configuration take, B x C x H x W, uniform in (0, 1), the same every time."""
    channels = {"rgb": 3, "depth": depth_channels(config)}
    height, width = image_size(config)
    generator = torch.Generator().manual_seed(0)
    return {
        name: torch.rand(batch, count, height, width, generator=generator).numpy()
        for name, count in channels.items()
        if config.mode in (name, "rgbd")
    }


def _metadata(detector: Detector, config: Config) -> dict[str, Any]:
    normals = config.data.normals and config.mode != "rgb"
    height, width = image_size(config)
    span = detector.depth_range
    return {
        "format": FORMAT,
        "das3d": das3d_aug.__version__,
        "mode": config.mode,
        "normals": normals,
        "preparation": {**config.preparation.to_dict(), "size": f"{height}x{width}", "xyz": normals},
        "depth_range": None if span is None else dataclasses.asdict(span),
        "score_window": config.score.window,
        "threshold": detector.threshold,
        "config": _elsewhere(config).to_dict(),
        "good_scores": None if detector.calibration is None else detector.calibration.scores,
        "good_floors": None if detector.floors is None else detector.floors.scores,
    }


def _elsewhere(config: Config) -> Config:
    """Return a configuration without the folder of its encoder's file, which is one of this machine."""
    return dataclasses.replace(
        config, features=dataclasses.replace(config.features, encoder=Path(config.features.encoder).name)
    )


def _serialize(network: AnomalyMap, config: Config, metadata: dict[str, Any]) -> bytes:
    with extra():
        import onnx_ir.passes.common as passes  # comes with onnxscript
        import onnxscript  # noqa: F401 (torch.onnx needs it)
    images = {name: torch.from_numpy(image) for name, image in random_images(config, batch=2).items()}
    with warnings.catch_warnings(), _quiet("torch.onnx"):
        warnings.simplefilter("ignore")  # of deprecations between torch's own parts
        program = torch.onnx.export(
            network,
            kwargs=images,
            dynamo=True,
            input_names=list(images),
            output_names=["anomaly_map"],
            dynamic_shapes={name: {0: "batch"} for name in images},
            verbose=False,
        )
    assert program is not None
    passes.ClearMetadataAndDocStringPass()(program.model)  # stack traces, with this machine's paths
    program.model.metadata_props[METADATA] = json.dumps(metadata)
    data: bytes = program.model_proto.SerializeToString(deterministic=True)
    return data


@contextmanager
def _quiet(name: str) -> Iterator[None]:
    """Let a logger pass errors alone."""
    logger = logging.getLogger(name)
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)
