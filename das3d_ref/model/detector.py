"""A trained detector: images in; score, label and anomaly map out."""

from __future__ import annotations

import contextlib
import copy
import importlib.metadata
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

import das3d_aug
from das3d_aug._arguments import as_mask, check_finite
from das3d_aug.colouring import colour_anomaly
from das3d_aug.datasets import Entry, Sample
from das3d_aug.datasets.write_checks import known_shapes
from das3d_aug.errors import FileError, ParameterError, quoted
from das3d_aug.files import encode_png
from das3d_aug.geometry import Camera
from das3d_aug.preparation import padded_square, prepare_sample
from das3d_ref.config import Config
from das3d_ref.model.checkpoint import HEADER, load_checkpoint
from das3d_ref.model.encoder import Encoder
from das3d_ref.model.features import FeatureNetwork
from das3d_ref.model.inputs import DepthRange, Item, as_item, check_seen, depth_channels, network_input, preparation_of
from das3d_ref.model.networks import DAS3DNetwork
from das3d_ref.model.score import Calibration, FalsePositives, image_floor, image_score

__all__ = ["Detector", "Prediction", "anomaly_map", "autocast", "build_network", "versions"]


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a detector says of an image pair.

    Attributes
    ----------
    score : float
        How anomalous the image is, 0 … 1.
    label : bool
        Whether the score is above the detector's threshold.
    anomaly_map : ndarray of float32, H x W
        How anomalous each pixel of the given image is, 0 … 1.
    p_value : float or None
        How usual so high a score is among good images, which means the same for every part and detector
        (`das3d_ref.model.score.Calibration.p_value`); None if the detector keeps no scores of good images.
    unlike : bool or None
        Whether the image stands out all over, as no good validation image did: light, focus, noise, distance or part
        may have changed, rather than that there is a defect (`das3d_ref.model.score.image_floor`).  None as above.
    """

    score: float
    label: bool
    anomaly_map: NDArray[np.float32]
    p_value: float | None = None
    unlike: bool | None = None

    def __repr__(self) -> str:
        height, width = self.anomaly_map.shape
        verdict, peak = "anomalous" if self.label else "normal", self.anomaly_map.max()
        return f"Prediction({verdict}, score {self.score:.3f}, map {height} x {width} up to {peak:.3f})"

    def _repr_png_(self) -> bytes:
        """Return the anomaly map in colours, for notebooks."""
        return encode_png(colour_anomaly(self.anomaly_map.clip(0, 1)))


class Detector:
    """Trained networks with the configuration, range of depth and threshold that belong to them.

    Attributes
    ----------
    config : Config
    threshold : float
        Scores above it are anomalous.
    calibration, floors : Calibration or None
        Scores of the good validation images, and what their maps nowhere fall below; None if it was trained before
        they were kept.
    depth_range : DepthRange or None
        Of the training images, which becomes (0, 1); None: every image has its own.
    header : dict
        All of ``detector.json``: validation figures and versions too.
    """

    def __init__(
        self, network: DAS3DNetwork | FeatureNetwork, header: Mapping[str, Any], *, device: torch.device
    ) -> None:
        self.network = network.eval().to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.device = device
        self.read(header)

    def read(self, header: Mapping[str, Any]) -> None:
        """Take over what ``detector.json`` says."""
        self.header = dict(header)
        self.config = Config.from_dict(header["config"])
        self.threshold = check_finite("threshold", header["threshold"])
        self.calibration = Calibration(header["good_scores"]) if "good_scores" in header else None
        self.floors = Calibration(header["good_floors"], name="good_floors") if "good_floors" in header else None
        span = header["depth_range"]
        try:
            self.depth_range = None if span is None else DepthRange(**span)
        except (TypeError, ParameterError) as error:
            raise ParameterError(f"depth_range must be low, high and unit, or null: {error}") from None
        if not _is_names(header.get("anomalies", [])):
            raise ParameterError(f"anomalies must be a list of digests, got {quoted(header['anomalies'])}")

    @classmethod
    def load(cls, folder: str | Path, *, device: str | None = None) -> Detector:
        """Read what ``das3d-ref train`` wrote; no code in it is run.

        Parameters
        ----------
        folder : path
        device : str, optional
            As torch names it; a GPU if there is one without it.

        Raises
        ------
        FileError
            If the folder holds no whole detector of a known format.
        ParameterError
            If there is no such device.
        """
        checkpoint = load_checkpoint(folder)
        try:
            where = torch.empty(0, device=device or ("cuda" if torch.cuda.is_available() else "cpu")).device
        except (RuntimeError, AssertionError, NotImplementedError) as error:
            raise ParameterError(f"device {device!r} is not there: {str(error).splitlines()[0]}") from error
        try:
            with torch.device("meta"):  # takes no memory, whatever sizes the header asks for
                network = build_network(Config.from_dict(checkpoint.header["config"]))
            network.load_state_dict(checkpoint.weights, assign=True)
            return cls(network.float(), checkpoint.header, device=where)
        except ParameterError as error:
            raise FileError(Path(folder) / HEADER, str(error)) from error
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            reason = " ".join(str(error).split())[:200]  # torch lists all weights
            raise FileError(
                folder, f"its weights and its settings do not fit: {type(error).__name__} {reason}"
            ) from error

    @property
    def expected(self) -> FalsePositives | None:
        """Share of new good images that the threshold calls anomalous; None without scores of good images."""
        return None if self.calibration is None else self.calibration.expected(self.threshold)

    @property
    def encoder(self) -> Encoder | None:
        """The frozen encoder, where there is one."""
        return self.network.encoder if isinstance(self.network, FeatureNetwork) else None

    def adjusted(self, **preparation: Any) -> Detector:
        """Return a detector of the same networks that prepares images otherwise.

        Parameters
        ----------
        **preparation
            Fields of `das3d_aug.preparation.Preparation`, such as ``fallback="keep"`` for images without a plane or
            ``foreground="all"`` for a part that fills the image.

        Raises
        ------
        ParameterError
            If a value cannot be used.
        """
        other = copy.copy(self)
        try:
            other.config = replace(self.config, preparation=replace(self.config.preparation, **preparation))
        except TypeError:
            raise ParameterError(f"preparation has no setting {', '.join(sorted(preparation))}") from None
        return other

    def allowing(self, false_positives: float) -> Detector:
        """Return a detector of the same networks with the threshold for another share of false positives.

        Parameters
        ----------
        false_positives : float
            Of new good images, at least 0 and below 1 (`das3d_ref.model.score.Calibration.threshold`).

        Raises
        ------
        ParameterError
            If the share cannot be used, or the detector keeps no scores of good images.
        """
        if self.calibration is None:
            raise ParameterError("the detector keeps no scores of good images: train it anew to choose false positives")
        other = copy.copy(self)
        other.threshold = self.calibration.threshold(false_positives)
        return other

    def predict(
        self,
        rgb: NDArray[np.uint8] | None,
        depth: NDArray[Any] | None,
        *,
        xyz: NDArray[np.float32] | None = None,
        camera: Camera | None = None,
        foreground: NDArray[np.bool_] | None = None,
        unit: str = "m",
    ) -> Prediction:
        """Judge one image pair, or one image of what the detector looks at; the background is removed as in training.

        Parameters
        ----------
        rgb : ndarray of uint8, H x W x 3, or None
        depth : ndarray, H x W, or None
            In ``unit``; 0, negative and non-finite: not measured.
        xyz, camera, foreground : optional
            Organised points, camera, or the part's pixels: one of them is needed to find the background's plane,
            unless the detector was trained without removing it.
        unit : str
            Of depth and points.

        Raises
        ------
        ParameterError
            If an array has a wrong dtype or shape, what the detector looks at is missing, or the background cannot be
            found.
        """
        known_shapes(either=True, rgb=rgb, depth=depth, xyz=xyz, foreground=foreground)
        for name, array in (("depth", depth), ("xyz", xyz)):
            if array is not None and array.dtype.kind not in "fiu":
                raise ParameterError(f"{name} must be numbers, got {array.dtype}")
        measured = None
        if depth is not None:
            with np.errstate(over="ignore"):
                measured = np.asarray(depth, np.float32)
            measured = np.where(np.isfinite(measured) & (measured > 0), measured, np.float32(0))
        entry = Entry(key="image", split="", defect="", label=None, files={})
        sample = Sample(
            entry=entry,
            rgb=rgb,
            depth=measured,
            valid=None if measured is None else measured > 0,
            unit=unit,
            xyz=xyz,
            intrinsics=camera,
            foreground=foreground,
        )
        if foreground is not None:
            as_mask(foreground, sample.shape, "foreground")
        return self.predict_sample(sample)

    def predict_sample(self, sample: Sample) -> Prediction:
        """Judge a sample of any data set; as `predict`."""
        check_seen(sample.rgb, sample.depth, self.config)
        settings = preparation_of(self.config)
        item = as_item(prepare_sample(sample, settings), self.depth_range)
        small = self.anomaly_map(item)
        score = image_score(small, self.config.score.window)
        height, width = sample.shape
        side, top, left = padded_square(height, width)
        size = (side, side) if settings.pad else (width, height)
        full = np.asarray(cv2.resize(small, size, interpolation=cv2.INTER_LINEAR), np.float32)
        if settings.pad:
            full = full[top : top + height, left : left + width].copy()
        usual = None if self.calibration is None else self.calibration.p_value(score)
        return Prediction(score, score > self.threshold, full, usual, self.unlike(item, small))

    def unlike(self, item: Item, anomaly_map: NDArray[np.float32]) -> bool | None:
        """Return whether the map of a prepared image stands out all over, as no good validation image's did."""
        if self.floors is None:
            return None
        return image_floor(anomaly_map, item.sample.foreground) > self.floors.scores[-1]

    def anomaly_map(self, item: Item) -> NDArray[np.float32]:
        """Return the anomaly map of a prepared image, float32, at its size."""
        images = network_input(item, item.sample.rgb, item.sample.depth, self.config)
        return anomaly_map(self.network, images, precision=self.config.training.precision, device=self.device)


def _is_names(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(item, str) for item in value)


def build_network(config: Config) -> DAS3DNetwork | FeatureNetwork:
    """Return the untrained networks of a configuration."""
    if config.features.encoder != "none":
        return FeatureNetwork(config.features, mode=config.mode, norm=config.network.norm)
    return DAS3DNetwork(config.network, mode=config.mode, depth_channels=depth_channels(config))


def anomaly_map(
    network: torch.nn.Module, images: Mapping[str, NDArray[np.float32]], *, precision: str, device: torch.device
) -> NDArray[np.float32]:
    """Return the anomaly map of one image pair, the sigmoid of the logits, H x W."""
    tensors = {
        name: torch.from_numpy(image)[None].to(device, memory_format=torch.channels_last)
        for name, image in images.items()
    }
    with torch.inference_mode(), autocast(precision, device):
        logits = network(tensors.get("rgb"), tensors.get("depth")).logits
    result: NDArray[np.float32] = logits[0, 0].float().sigmoid().cpu().numpy()
    return result


def autocast(precision: str, device: torch.device) -> contextlib.AbstractContextManager[None]:
    """Return the context in which networks compute with "fp32", "bf16" or "fp16"; on a CPU, bf16 stands in for fp16."""
    if precision == "fp32":
        return contextlib.nullcontext()
    kind = torch.float16 if precision == "fp16" and device.type == "cuda" else torch.bfloat16
    return torch.autocast(device.type, dtype=kind)


def versions() -> dict[str, str]:
    """Return what made a result: das3d and the packages on which its numbers depend."""
    packages = ("torch", "numpy", "scipy", "numba", "kornia", "accelerate")
    return {"das3d": das3d_aug.__version__, **{name: importlib.metadata.version(name) for name in packages}}
