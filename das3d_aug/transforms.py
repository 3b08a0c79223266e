"""The synthesis as albumentations transforms: image, depth and mask change together, in any pipeline.

A transform draws one 64-bit seed from albumentations' own generator and stores nothing else among its
parameters, so ``Compose(seed=…)`` decides the defects and `ReplayCompose` repeats them to the byte;
``transform.recipe.draw(depth.shape, seed=seed)`` is the `Plan` behind a recorded seed.  The depth is a target
of its own: in ``additional_targets={"depth": "mask"}`` it is flipped, cropped and resized with the image, but
never clipped or blurred like one.  Flips, crops and sizes may come before or after, `Normalize` and `ToTensorV2`
come after.  A crop may leave no background to tell the part from: then all of it counts as the part.

This is the only file that knows albumentations, 2.0.8 or its successor albumentationsx.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from das3d_aug.errors import ForegroundError, ParameterError
from das3d_aug.randomness import Stream
from das3d_aug.synthesis import Recipe, synthesize
from das3d_aug.textures import as_source

# Importing albumentations asks the network for its newest version unless this is set; it is the one setting
# that das3d changes at import, and a value that the user has set stays.
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")

import albumentations as A

__all__ = ["DAS3DAnomaly", "DepthAnomaly", "TextureAnomaly", "worker_init_fn"]

_POLICIES = ("auto", "all", "plane")
_HOLDERS = frozenset({"transform", "transforms", "dataset", "datasets"})


class DAS3DAnomaly(A.BasicTransform):  # type: ignore[misc]
    """Put a synthetic defect on an RGB-D sample: image, depth and mask in one step (DAS3D, section 3.2).

    Parameters
    ----------
    recipe : Recipe or dict, optional
        The ranges that defects are drawn from, or `Recipe.to_dict` of them; the default recipe without it.
    texture : str or pathlib.Path, optional
        A folder of texture images; procedural textures without it.
    image, depth, mask : str
        Names of the targets: image uint8, or float32 in [0, 1], H x W x 3, or grey (H x W or H x W x 1); depth uint16,
        float32 or float64, H x W (or H x W x 1) in the unit of the recipe, 0 or NaN where invalid; mask of any
        dtype, H x W (or H x W x 1).  Shapes and dtypes stay as they are.  A sample without image or without
        depth gets its defect in the other one.
    foreground : {"auto", "all", "plane"} or str
        Where defects may start: a policy of `das3d_aug.find_foreground`, or the name of a target, H x W, that is
        non-zero there ("auto" where a sample has none).
    on_empty : {"raise", "skip"}
        What to do with a sample that has no pixel for a defect: raise `ForegroundError`, or leave it alone.
    p : float
        Probability of applying the transform.

    Notes
    -----
    Where the transform is applied, an absent mask is created: uint8, 1 on the defect and 0 elsewhere.  A mask
    that is given is added to: its own greatest value on the defect (1 if it is all zero, so a mask of 0 and
    255 keeps its convention), and what it marked already stays.  As everywhere in albumentations, a sample
    that is passed over (p < 1) keeps the targets it came with: hand in a mask of zeros where every sample
    needs one (albumentationsx insists on it wherever the depth is an additional target).

    Raises
    ------
    ParameterError
        For a bad argument; in the call, for a target that is missing or has a wrong shape or dtype.
    ForegroundError
        In the call, with ``on_empty="raise"``.
    FileError
        If the texture folder is missing or holds no image.

    Examples
    --------
    >>> import albumentations as A
    >>> from das3d_aug.transforms import DAS3DAnomaly
    >>> pipeline = A.Compose([A.HorizontalFlip(), DAS3DAnomaly(p=1.0)], additional_targets={"depth": "mask"})
    """

    _modality: ClassVar[Literal["rgb", "depth"] | None] = None

    def __init__(
        self,
        recipe: Recipe | Mapping[str, Any] | None = None,
        *,
        texture: str | Path | None = None,
        image: str = "image",
        depth: str = "depth",
        mask: str = "mask",
        foreground: str | None = "auto",
        on_empty: Literal["raise", "skip"] = "raise",
        p: float = 0.5,
    ) -> None:
        if isinstance(recipe, Mapping):
            recipe = Recipe.from_dict(dict(recipe))
        elif recipe is None:
            recipe = Recipe()
        elif not isinstance(recipe, Recipe):
            raise ParameterError(f"recipe must be a Recipe or its dict, got {recipe!r}")
        if not (texture is None or isinstance(texture, str | Path)):
            raise ParameterError(f"texture must be None or the path of a folder, got {texture!r}")
        foreground = foreground or "auto"  # pipelines saved by version 0.1.0 say None
        names = [image, depth, mask] + ([] if foreground in _POLICIES else [foreground])
        if not all(isinstance(name, str) and name for name in names) or len(set(names)) < len(names):
            raise ParameterError(f"image, depth, mask and foreground must be distinct names, got {names}")
        if on_empty not in ("raise", "skip"):
            raise ParameterError(f'on_empty must be "raise" or "skip", got {on_empty!r}')
        if not 0.0 <= p <= 1.0:
            raise ParameterError(f"p must be a probability, got {p!r}")
        if self._modality is not None:
            recipe = dataclasses.replace(recipe, modality=self._modality)
        self.recipe = recipe
        self.texture = None if texture is None else str(texture)
        self.image = image
        self.depth = depth
        self.mask = mask
        self.foreground = foreground
        self.on_empty = on_empty
        self._textures = as_source(texture)
        super().__init__(p=p)

    @property
    def targets(self) -> dict[str, Callable[..., Any]]:
        """The names that a strict `Compose` lets pass; `apply_with_params` handles them together."""
        names = (self.image, self.depth, self.mask, self.foreground)
        return {name: self.apply for name in names if name not in _POLICIES}

    def update_transform_params(
        self, params: dict[str, Any], data: dict[str, Any], invocation: Any = None, targets: Any = None
    ) -> dict[str, Any]:
        """Draw the seed of a defect, the one parameter."""
        source = self if invocation is None else invocation  # albumentationsx hands the generator in
        return {"seed": source.py_random.getrandbits(64)}

    def sample_parameters(self, *args: Any, **options: Any) -> Any:
        """Do nothing but exist, by which albumentationsx knows that the transform is random."""
        return super().sample_parameters(*args, **options)

    def apply_with_params(self, params: Any, *_: Any, **targets: Any) -> dict[str, Any]:
        """Return the targets with the defect of ``params["seed"]`` on them; nothing given is changed."""
        seed: int = getattr(params, "params", params)["seed"]  # albumentationsx wraps the dict
        made = {name: targets[name] for name in (self.image, self.depth) if targets.get(name) is not None}
        for name, needed in ((self.image, "rgb"), (self.depth, "depth")):
            if name not in made and (self.recipe.modality == needed or not made):
                raise ParameterError(f"target {name!r} is missing: got {', '.join(targets) or 'none'}")
        flat = {name: _plane(array, name, colour=name == self.image) for name, array in made.items()}
        shape = flat[self.depth if self.depth in flat else self.image].shape[:2]
        mask = targets.get(self.mask)
        if mask is None:
            mask = np.zeros(shape, np.uint8)
        elif _plane(mask, self.mask).shape != shape:
            raise ParameterError(f"target {self.mask!r} must be {shape}, got the shape {mask.shape}")
        foreground: Any = self.foreground
        if foreground not in _POLICIES:
            given = targets.get(foreground)
            foreground = "auto" if given is None else _plane(given, foreground) != 0

        image, depth = flat.get(self.image), flat.get(self.depth)
        try:
            pair = synthesize(
                image, depth, recipe=self.recipe, seed=seed, texture=self._textures, foreground=foreground
            )
        except ForegroundError:
            if self.on_empty == "raise":
                raise
            return {**targets, **{name: array.copy() for name, array in made.items()}, self.mask: mask.copy()}
        after: dict[str, Any] = {self.image: pair.rgb, self.depth: pair.depth}
        changed = {name: after[name].reshape(array.shape) for name, array in made.items()}
        return {**targets, **changed, self.mask: _marked(mask, pair.mask)}

    def get_transform_init_args(self) -> dict[str, Any]:
        """Return the arguments as JSON has them; the recipe in full, so a later default changes nothing."""
        return {
            "recipe": self.recipe.to_dict(),
            "texture": self.texture,
            "image": self.image,
            "depth": self.depth,
            "mask": self.mask,
            "foreground": self.foreground,
            "on_empty": self.on_empty,
        }

    def __repr__(self) -> str:
        args = self.get_transform_init_args()
        usual = type(self)().get_transform_init_args()
        changed = {name: value for name, value in args.items() if value != usual[name]}
        if "recipe" in changed:
            changed["recipe"] = {k: v for k, v in args["recipe"].items() if v != usual["recipe"][k]}
        words = ", ".join(f"{name}={value!r}" for name, value in {**changed, "p": self.p}.items())
        return f"{type(self).__name__}({words})"


class DepthAnomaly(DAS3DAnomaly):
    """A `DAS3DAnomaly` that never changes the image, whatever the recipe's modality."""

    _modality = "depth"


class TextureAnomaly(DAS3DAnomaly):
    """A `DAS3DAnomaly` that never changes the depth, whatever the recipe's modality."""

    _modality = "rgb"


def worker_init_fn(worker_id: int) -> None:
    """Give every worker of a torch `DataLoader`, in every epoch, draws of its own.

    Workers start as copies of one process, so with albumentations 2.0.8 they all repeat the same draws, and
    so does every epoch.  This reseeds each transform of the worker's data set from the seed that torch gives
    the worker; that one differs by worker and epoch and follows ``torch.manual_seed`` or the loader's
    ``generator``, which from then on decide instead of ``Compose(seed=…)``.  Persistent workers go on where
    they were.

    Pipelines are found in any attribute of the data set, and in its ``transform``, ``transforms``,
    ``dataset`` and ``datasets`` (private ones too) to any depth.

    Parameters
    ----------
    worker_id : int
        Given by torch.

    Raises
    ------
    ParameterError
        If called outside a worker, or if no pipeline is found.

    Examples
    --------
    >>> loader = DataLoader(dataset, num_workers=4, worker_init_fn=worker_init_fn)  # doctest: +SKIP
    """
    from torch.utils.data import get_worker_info

    info = get_worker_info()
    if info is None:
        raise ParameterError("worker_init_fn runs in a worker only: DataLoader(…, worker_init_fn=worker_init_fn)")
    stream = Stream(info.seed)
    found = list(_pipelines(info.dataset, set()))
    if not found:
        name = type(info.dataset).__name__
        raise ParameterError(f"dataset {name} holds no albumentations pipeline: keep it in self.transform")
    for pipeline in found:
        _reseed(pipeline, stream)


def _plane(array: Any, name: str, *, colour: bool = False) -> NDArray[Any]:
    """View H x W x 1 as H x W: albumentationsx hands every mask on with a channel.  Colour may have three."""
    if not isinstance(array, np.ndarray):
        raise ParameterError(f"target {name!r} must be a NumPy array, got {type(array).__name__}")
    plane: NDArray[Any] = array[:, :, 0] if array.shape[2:] == (1,) else array
    if plane.ndim != 2 and not (colour and plane.shape[2:] == (3,)):
        wanted = "H x W x 3 or H x W" if colour else "H x W"
        raise ParameterError(f"target {name!r} must be {wanted}, got the shape {array.shape}")
    return plane


def _marked(mask: NDArray[Any], defect: NDArray[np.bool_]) -> NDArray[Any]:
    marked = mask.copy()
    np.putmask(marked, (mask == 0) & defect.reshape(mask.shape), max(mask.max(), 1))
    return marked


def _pipelines(holder: Any, seen: set[int]) -> Iterator[A.BasicTransform | A.BaseCompose]:
    if id(holder) in seen:
        return
    seen.add(id(holder))
    if isinstance(holder, A.BasicTransform | A.BaseCompose):
        yield holder
    elif isinstance(holder, list | tuple | dict):
        for item in holder.values() if isinstance(holder, dict) else holder:
            yield from _pipelines(item, seen)
    else:
        for name, value in getattr(holder, "__dict__", {}).items():
            if name.lstrip("_") in _HOLDERS or isinstance(value, A.BasicTransform | A.BaseCompose):
                yield from _pipelines(value, seen)


def _reseed(node: A.BasicTransform | A.BaseCompose, stream: Stream) -> None:
    node.set_random_seed(stream.bits())
    # A Compose hands one seed to all its children, whose draws would then agree.
    for child in getattr(node, "transforms", ()):
        _reseed(child, stream)
