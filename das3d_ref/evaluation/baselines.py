"""Rivals of a detector: simple methods that learn from the same good images and are judged by the same protocol.

A detector that does not beat them on the same images has not earned its minutes of training:

* high-pass depth: |height - height smoothed|, at three scales; nothing is learnt;
* residual to a plane: |height| above a plane fitted to the part; nothing is learnt;
* pixel Gaussian: Mahalanobis distance of each pixel to the good parts' pixels at that place;
* aligned PCA: what 20 principal components of the good parts leave over, by what is usual at that place;
* kNN patches: distance of 8 x 8 patches to the nearest one of the good parts;
* frozen-feature neighbours: the same with features of an ImageNet encoder (`das3d_ref.model.memory`).

For the Gaussian and the PCA, parts that do not fill the image are centred and turned onto a template.
"""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from das3d_aug.errors import ParameterError
from das3d_aug.runs.output_folder import to_json as runs_json
from das3d_ref.config import Config
from das3d_ref.evaluation.alignment import Alignment
from das3d_ref.evaluation.judge import judge_maps
from das3d_ref.evaluation.record import Evaluation
from das3d_ref.model.encoder import Encoder
from das3d_ref.model.inputs import Item
from das3d_ref.model.memory import Memory, nearest_distances
from das3d_ref.training import Source

__all__ = ["BaselineResult", "View", "look", "methods", "run_baselines", "to_json"]

Array = NDArray[np.float32]
Method = Callable[["View"], Array]
"""What a baseline has learnt: from an image to its anomaly map, H x W."""

_SCALES = (64, 32, 13)  # parts of the image's side that are the sigmas of the smoothing
_COMPONENTS, _HELD_OUT = 20, 4
_RIDGE = 1e-3  # added to each variance: noise of 3 % of the range
_PATCH, _STRIDE, _DIRECTIONS = 8, 4, 32
_PATCHES = 8_000
_STRIDES = (8, 16)


@dataclass(frozen=True, eq=False)
class View:
    """What a baseline may look at.

    Attributes
    ----------
    rgb : ndarray of uint8, H x W x 3, or None
        None in mode "depth".
    height : ndarray of float32, H x W, or None
        Above a plane fitted to the part, in the unit of depth, 0 in the background; what was not measured is as its
        nearest neighbour.  None in mode "rgb".
    foreground : ndarray of bool, H x W
    """

    rgb: NDArray[np.uint8] | None
    height: Array | None
    foreground: NDArray[np.bool_]


@dataclass(frozen=True)
class BaselineResult:
    """How good a baseline is, and the seconds that it took to learn and to look at all test images."""

    evaluation: Evaluation
    seconds: float


def run_baselines(
    source: Source,
    *,
    config: Config,
    encoder: Encoder | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, BaselineResult]:
    """Train and judge every baseline that the mode allows.

    Parameters
    ----------
    source : Source
    config : Config
        Its mode, seed and score window.
    encoder : Encoder, optional
        Without it there are no frozen-feature neighbours.
    progress : callable, optional
        Called with (baselines done, baselines in all).

    Raises
    ------
    ParameterError
        If there is no normal image to learn from, no test image, or one without a label.
    """
    if not source.train:
        raise ParameterError(f"{source.dataset.root} has no normal images to learn from")
    config = source.narrowed(config)
    train = [look(source.item(entry, None), config) for entry in source.train]
    known = methods(config, encoder)
    results: dict[str, BaselineResult] = {}
    for name, fit in known.items():
        start = time.perf_counter()
        method = fit(train)
        learnt = time.perf_counter() - start
        looked: list[float] = []

        def find(item: Item, method: Method = method, looked: list[float] = looked) -> Array:
            view, start = look(item, config), time.perf_counter()
            found = method(view)
            looked.append(time.perf_counter() - start)
            return found

        evaluation = judge_maps(source, find, window=config.score.window)
        results[name] = BaselineResult(evaluation, learnt + sum(looked))
        if progress is not None:
            progress(len(results), len(known))
    return results


def to_json(results: Mapping[str, BaselineResult]) -> bytes:
    """Return what was found as JSON: for each baseline an evaluation (`Evaluation.to_json`) and seconds."""
    return runs_json(
        {
            name: {"seconds": result.seconds, **json.loads(result.evaluation.to_json())}
            for name, result in results.items()
        }
    )


def methods(config: Config, encoder: Encoder | None) -> dict[str, Callable[[Sequence[View]], Method]]:
    """Return what learns from the good images, by name, in the order of the tables."""
    filters: dict[str, Callable[[Sequence[View]], Method]] = {
        **{f"high-pass depth, side / {part}": partial(_high_pass, part=part) for part in _SCALES},
        "residual to a plane": _plane,
    }
    learnt: dict[str, Callable[[Sequence[View]], Method]] = {
        "pixel Gaussian": _pixel_gaussian,
        "aligned PCA": _aligned_pca,
        "kNN patches": partial(_knn_patches, seed=config.seed),
    }
    if encoder is not None and config.mode != "depth":
        learnt["frozen-feature neighbours"] = partial(_frozen_neighbours, encoder=encoder, seed=config.seed)
    return learnt if config.mode == "rgb" else filters | learnt


def look(item: Item, config: Config) -> View:
    """Take from a prepared image what a baseline of a mode may see."""
    sample = item.sample
    valid = np.ones(sample.shape, np.bool_) if sample.valid is None else sample.valid
    part = valid if sample.foreground is None else sample.foreground
    inside = part.ravel()[item.nearest]  # what was not measured is part of what is beside it
    rgb = None if config.mode == "depth" else sample.rgb
    height = None if config.mode == "rgb" else _height(sample.need("depth").ravel()[item.nearest], inside, part & valid)
    return View(rgb, height, inside)


def _height(depth: Array, inside: NDArray[np.bool_], measured: NDArray[np.bool_]) -> Array:
    """Return how far the part stands out of its own plane, fitted to what was measured by least squares."""
    rows, columns = np.mgrid[: depth.shape[0], : depth.shape[1]] / max(depth.shape)
    basis = np.stack([rows, columns, np.ones_like(rows)], axis=-1)
    plane = np.linalg.lstsq(basis[measured], depth[measured].astype(np.float64), rcond=None)[0]
    return np.where(inside, basis @ plane - depth, 0).astype(np.float32)


def _high_pass(train: Sequence[View], part: int) -> Method:
    def find(view: View) -> Array:
        height = _measured(view)
        sigma = max(height.shape) / part
        inner = cv2.erode(view.foreground.astype(np.float32), np.ones((5, 5)))  # the part's own edge is no defect
        share = cv2.GaussianBlur(inner, (0, 0), sigma)
        around = cv2.GaussianBlur(height * inner, (0, 0), sigma) / np.maximum(share, 1e-3)
        return np.asarray(np.abs(height - around) * inner, np.float32)

    return find


def _plane(train: Sequence[View]) -> Method:
    return lambda view: np.abs(_measured(view))


def _pixel_gaussian(train: Sequence[View]) -> Method:
    """Mahalanobis distance at each pixel of the template."""
    pixels = _Pixels(train)
    alignment = Alignment([pixels(view) for view in train], [view.foreground for view in train])
    fit = np.stack([alignment.apply(pixels(view), view.foreground)[0] for view in train])
    centre = fit.mean(axis=0)
    away = fit - centre
    spread = np.einsum("nhwc,nhwd->hwcd", away, away) / len(fit) + _RIDGE * np.eye(fit.shape[-1])
    inverse = np.linalg.inv(spread)

    def find(view: View) -> Array:
        image, matrix = alignment.apply(pixels(view), view.foreground)
        away = image - centre
        found = np.einsum("hwc,hwcd,hwd->hw", away, inverse, away).astype(np.float32)
        return alignment.undo(found, matrix, view.foreground.shape)

    return find


def _aligned_pca(train: Sequence[View]) -> Method:
    """Residual of a PCA, by that of every fourth good part, which is held out of the fit."""
    pixels = _Pixels(train)
    alignment = Alignment([pixels(view) for view in train], [view.foreground for view in train])
    fit = np.stack([alignment.apply(pixels(view), view.foreground)[0] for view in train])
    kept = np.delete(fit, np.s_[::_HELD_OUT], axis=0) if len(fit) > _HELD_OUT else fit
    flat = kept.reshape(len(kept), -1)
    mean = flat.mean(axis=0)
    components = np.linalg.svd(flat - mean, full_matrices=False)[2][:_COMPONENTS]

    def residual(image: Array) -> Array:
        away = image.ravel() - mean
        left = away - (components @ away) @ components
        return np.asarray(np.square(left.reshape(image.shape)).sum(axis=-1), np.float32)

    usual = np.mean([residual(image) for image in fit[::_HELD_OUT]], axis=0)

    def find(view: View) -> Array:
        image, matrix = alignment.apply(pixels(view), view.foreground)
        found = np.asarray(residual(image) / np.maximum(usual + usual.mean(), 1e-12), np.float32)
        return alignment.undo(found, matrix, view.foreground.shape)

    return find


def _knn_patches(train: Sequence[View], seed: int) -> Method:
    """Distance of patches of pixels, in the directions in which good ones vary most."""
    pixels = _Pixels(train)
    patches = np.concatenate([_patches(pixels(view))[_places(view)] for view in train])
    chosen = torch.from_numpy(patches[np.random.default_rng(seed).permutation(len(patches))[:_PATCHES]])
    mean = chosen.mean(dim=0)
    directions = torch.linalg.svd(chosen - mean, full_matrices=False).Vh[:_DIRECTIONS].T
    bank = (chosen - mean) @ directions

    def find(view: View) -> Array:
        places = _places(view)
        described = (torch.from_numpy(_patches(pixels(view))[places]) - mean) @ directions
        found = np.zeros(places.shape, np.float32)
        found[places] = nearest_distances(described, bank).numpy()
        return _spread_out(found, view.foreground.shape)

    return find


def _frozen_neighbours(train: Sequence[View], encoder: Encoder, seed: int) -> Method:
    """Distance of features of strides 8 and 16 to the nearest of 8000 of good images."""
    encoder = copy.deepcopy(encoder).to("cpu")

    def features(view: View) -> dict[int, Tensor]:
        assert view.rgb is not None
        image = torch.from_numpy(view.rgb).permute(2, 0, 1)[None] / 255
        with torch.inference_mode():
            found: dict[int, Tensor] = encoder(image)
        return found

    each = -(-_PATCHES // len(train))
    memory = Memory.fit(map(features, train), _STRIDES, size=_PATCHES, each=each, seed=seed)

    def find(view: View) -> Array:
        found = memory.distances(features(view))
        height, width = view.foreground.shape
        return np.asarray(cv2.resize(found, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)

    return find


class _Pixels:
    """Colour and height as numbers of one size, H x W x C: height by twice its spread on the good parts."""

    def __init__(self, train: Sequence[View]) -> None:
        heights = [view.height[view.foreground] for view in train if view.height is not None]
        self.scale = 2 * float(np.concatenate(heights).std()) or 1.0 if heights else 1.0

    def __call__(self, view: View) -> Array:
        channels: list[Array] = [] if view.rgb is None else [view.rgb.astype(np.float32) / np.float32(255)]
        if view.height is not None:
            channels.append(view.height[:, :, None] / np.float32(self.scale))
        return np.where(view.foreground[:, :, None], np.concatenate(channels, axis=-1), np.float32(0))


def _patches(pixels: Array) -> Array:
    """Return all patches at steps of the stride, rows x columns x numbers of a patch."""
    windows = np.lib.stride_tricks.sliding_window_view(pixels, (_PATCH, _PATCH), axis=(0, 1))[::_STRIDE, ::_STRIDE]
    return windows.reshape(*windows.shape[:2], -1)


def _places(view: View) -> NDArray[np.bool_]:
    """Return which patches have their centre on the part."""
    half, (height, width) = _PATCH // 2, view.foreground.shape
    return view.foreground[half : height - half + 1 : _STRIDE, half : width - half + 1 : _STRIDE]


def _spread_out(found: Array, size: tuple[int, int]) -> Array:
    """Return a map at the size of the image; what is before the first and after the last patch is as they."""
    rows, columns = (np.clip((np.arange(side) - _PATCH // 2) / _STRIDE, 0, None) for side in size)
    grid = np.meshgrid(columns.astype(np.float32), rows.astype(np.float32))
    return np.asarray(cv2.remap(found, *grid, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.float32)


def _measured(view: View) -> Array:
    assert view.height is not None  # the filters are offered in the modes that have it
    return view.height
