"""Batches: `synthesize` over the first axis, in one thread; loaders run batches side by side in processes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from das3d_aug.errors import ParameterError
from das3d_aug.geometry import Camera
from das3d_aug.randomness import check_seed
from das3d_aug.synthesis.foreground import Foreground
from das3d_aug.synthesis.pair import AnomalyPair, synthesize
from das3d_aug.synthesis.recipe import Recipe
from das3d_aug.textures import TextureSource, as_source

__all__ = ["AnomalyBatch", "synthesize_batch"]

_DEFAULT_RECIPE = Recipe()


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class AnomalyBatch:
    """Synthetic anomalies, stacked; what was not given is None.

    Attributes
    ----------
    rgb : ndarray, B x H x W x 3 or B x H x W, or None
        Colour, in the shape and dtype given.
    depth : ndarray, B x H x W, or None
        Depth, in the dtype and unit given.
    mask : ndarray of bool, B x H x W
        Where the samples are anomalous.
    pairs : tuple of AnomalyPair
        All that is known of each sample, its `Plan` too; their ``rgb``, ``depth`` and ``mask`` are views of these.
    """

    rgb: NDArray[Any] | None
    depth: NDArray[Any] | None
    mask: NDArray[np.bool_]
    pairs: tuple[AnomalyPair, ...]

    def __len__(self) -> int:
        return len(self.pairs)

    def __repr__(self) -> str:
        height, width = self.mask.shape[1:]
        named = (("rgb", self.rgb), ("depth", self.depth))
        held = "".join(f", {name} {array.dtype}" for name, array in named if array is not None)
        return f"AnomalyBatch({len(self)} of {height} x {width}{held}, mask {self.mask.mean():.1%})"


def synthesize_batch(
    rgbs: NDArray[Any] | None,
    depths: NDArray[Any] | None,
    *,
    recipe: Recipe = _DEFAULT_RECIPE,
    seed: int,
    index: int = 0,
    epoch: int = 0,
    texture: NDArray[Any] | str | Path | TextureSource | None = None,
    foreground: Foreground = "auto",
    camera: Camera | None = None,
    unit: str | None = None,
) -> AnomalyBatch:
    """Put a defect on each image of a batch.

    Sample i has the bytes of ``synthesize(rgbs[i], depths[i], index=index + i, …)``.

    Parameters
    ----------
    rgbs : ndarray of uint8, or of float32 in [0, 1], B x H x W x 3 or B x H x W, or None
        Normal colour images, never changed.  None: the depth alone.
    depths : ndarray of float32, float64 or uint16, B x H x W, or None
        Their depth, never changed.  None: the colour alone.
    recipe, seed, epoch, texture, camera, unit
        As for `synthesize`, for all of them.
    index : int
        Of the first sample; that of the next batch is ``index + len(batch)``.
    foreground : {"auto", "all", "plane"} or ndarray of bool or integers, B x H x W
        Where defects may start.

    Returns
    -------
    AnomalyBatch

    Raises
    ------
    ParameterError
        If an argument cannot be used, or an image has no foreground to put a defect on (`ForegroundError`); the
        message says in which sample.
    FileError
        If a texture cannot be read.
    """
    check_seed(index, "index")
    given = {"rgbs": rgbs, "depths": depths, "foreground": None if isinstance(foreground, str) else foreground}
    arrays = {name: array for name, array in given.items() if array is not None}
    if rgbs is None and depths is None:
        raise ParameterError("rgbs and depths are both None: give at least one of them")
    for name, array in arrays.items():
        wanted = "B x H x W x 3 (or grey B x H x W)" if name == "rgbs" else "B x H x W"
        if not isinstance(array, np.ndarray) or array.ndim not in ((3, 4) if name == "rgbs" else (3,)):
            found = f"the shape {array.shape}" if isinstance(array, np.ndarray) else f"a {type(array).__name__}"
            raise ParameterError(f"{name} must be a NumPy array, {wanted}, got {found}")
    if rgbs is not None and rgbs.ndim == 3 and rgbs.shape[2] == 3:  # grey images three pixels wide are nobody's
        raise ParameterError(f"rgbs of {rgbs.shape} are one image without B: give rgbs[None], or use synthesize")
    counts = {name: len(array) for name, array in arrays.items()}
    if len(set(counts.values())) > 1 or 0 in counts.values():
        told = ", ".join(f"{count} {name}" for name, count in counts.items())
        raise ParameterError(f"a batch needs at least one sample, and one of each per sample, got {told}")
    source = as_source(texture)
    pairs = []
    for k in range(next(iter(counts.values()))):
        try:
            pair = synthesize(
                None if rgbs is None else rgbs[k],
                None if depths is None else depths[k],
                recipe=recipe,
                seed=seed,
                index=index + k,
                epoch=epoch,
                texture=source,
                foreground=foreground if foreground is None or isinstance(foreground, str) else foreground[k],
                camera=camera,
                unit=unit,
            )
        except ParameterError as error:
            raise type(error)(f"sample {k}: {error}") from error
        pairs.append(pair)
    stacks = {
        name: np.stack([getattr(pair, name) for pair in pairs])
        for name in ("rgb", "depth", "mask")
        if getattr(pairs[0], name) is not None
    }
    views = (replace(pair, **{name: stack[k] for name, stack in stacks.items()}) for k, pair in enumerate(pairs))
    return AnomalyBatch(rgb=stacks.get("rgb"), depth=stacks.get("depth"), mask=stacks["mask"], pairs=tuple(views))
