"""The synthesis as a module: tensors in, anomalous tensors and their masks out, on whatever device they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import torch.distributed
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import get_worker_info

from das3d_aug._arguments import check_option
from das3d_aug.errors import ParameterError
from das3d_aug.randomness import Stream, check_seed
from das3d_aug.synthesis import Policy, Recipe, synthesize_batch
from das3d_aug.textures import TextureSource, as_source

__all__ = ["AnomalyModule"]

_DEFAULT_RECIPE = Recipe()
_ROUNDING = 1e-3  # resizing, and normalising there and back, leave [0, 1] by this little


class AnomalyModule(nn.Module):
    """Put synthetic defects on batches of images; every call draws new ones.

    It takes the place of a detector's own generator, such as anomalib's ``PerlinAnomalyGenerator``, and has nothing to
    learn and nothing in its ``state_dict``.

    Parameters
    ----------
    recipe : Recipe
        The ranges to draw from.  All images get a defect unless ``recipe.probability`` is less than 1; with colour
        and depth, ``recipe.dropout`` leaves either as it is.
    seed : int
        Decides all draws, in their order.
    texture : optional
        Where foreign textures come from, as for `das3d_aug.synthesize`: None for the procedural ones, or a folder.
    foreground : {"auto", "all", "plane"}
        Where defects may start, as `das3d_aug.find_foreground` finds it in the depth; without depth "auto" is all.
    in_eval : bool
        Whether defects are drawn after ``.eval()`` too.  Otherwise images then pass through, with masks of zeros.

    Attributes
    ----------
    drawn : int
        How many defects were drawn.  In one process sample i of a call has the bytes of
        ``synthesize(…, seed=seed, index=drawn + i)``; set it to go on where an earlier training stopped.

    Raises
    ------
    ParameterError
        If an argument cannot be used.
    FileError
        If the texture folder is missing or holds no image.

    Notes
    -----
    The synthesis runs on the CPU; results are moved to the device of the input.  Workers of a loader draw apart from
    each other and anew in each epoch, as torch seeds them, and so do the ranks of a distributed training.

    Examples
    --------
    >>> import torch
    >>> from das3d_aug.adapters import AnomalyModule
    >>> images = torch.rand(4, 3, 64, 64)
    >>> anomalous, masks = AnomalyModule()(images)
    >>> anomalous.shape, masks.shape
    (torch.Size([4, 3, 64, 64]), torch.Size([4, 1, 64, 64]))
    """

    def __init__(
        self,
        recipe: Recipe = _DEFAULT_RECIPE,
        *,
        seed: int = 0,
        texture: NDArray[Any] | str | Path | TextureSource | None = None,
        foreground: Policy = "auto",
        in_eval: bool = False,
    ) -> None:
        super().__init__()
        if not isinstance(recipe, Recipe):
            raise ParameterError(f"recipe must be a Recipe, got {recipe!r}")
        self.recipe = recipe
        self.seed = check_seed(seed)
        self.texture = as_source(texture)
        check_option("foreground", foreground, ("auto", "all", "plane"))
        self.foreground = foreground
        self.in_eval = in_eval
        self.drawn = 0

    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def forward(self, image: Tensor | None, depth: Tensor | None = None) -> tuple[Tensor | None, ...]:
        """Return the images with defects on them, and the masks.

        Parameters
        ----------
        image : Tensor, B x 3 x H x W, or None
            uint8, or floats in [0, 1]; also with one channel, and one image without B.  None: the depth alone.
        depth : Tensor of floats, B x 1 x H x W, optional
            In any unit; zero, negative, NaN and infinite depth is invalid and stays.

        Returns
        -------
        image : Tensor
            In the shape and dtype given, on its device.  What is not anomalous is the same to the bit.
        depth : Tensor
            Likewise; left out where none was given.
        mask : Tensor of float32, B x 1 x H x W
            1 where anomalous: where a number of the tensors returned differs from the one given.  0 elsewhere.

        Raises
        ------
        ParameterError
            If a tensor has another shape, dtype or range, or (`ForegroundError`) there is nothing to put a defect on.
        """
        given = {name: one for name, one in (("image", image), ("depth", depth)) if one is not None}
        if not given:
            raise ParameterError("image and depth are both None: give at least one of them")
        for name, tensor in given.items():
            _check(name, tensor)
        if len({tensor.ndim for tensor in given.values()}) > 1:
            raise ParameterError("image and depth must both be batches, or both be without B")
        first = next(iter(given.values()))
        mask = torch.zeros((*first.shape[:-3], 1, *first.shape[-2:]), dtype=torch.float32, device=first.device)
        if self.training or self.in_eval:
            batch = synthesize_batch(
                None if image is None else _colour(image),
                None if depth is None else _depth(depth),
                recipe=self.recipe,
                seed=self.seed,
                index=self.drawn,
                epoch=_lane(),
                texture=self.texture,
                foreground=self.foreground,
            )
            self.drawn += len(batch)
            put = {"image": batch.rgb, "depth": batch.depth}
            made = {name: _like(tensor, put[name]) for name, tensor in given.items()}
            changed = torch.zeros_like(mask, dtype=torch.bool)
            for name, tensor in given.items():  # after rounding to the tensor's dtype, which may undo a faint change
                changed |= (made[name] != tensor).any(dim=-3, keepdim=True).to(changed.device)
            changed &= torch.from_numpy(batch.mask).reshape(mask.shape).to(changed.device)
            mask = changed.to(mask)
            given = {name: torch.where(changed.to(t.device), made[name], t) for name, t in given.items()}
            image, depth = given.get("image"), given.get("depth")
        return (image, mask) if depth is None else (image, depth, mask)


def _check(name: str, tensor: Any) -> None:
    """Refuse what is no batch of images or of depth."""
    wanted = "B x 3 x H x W of uint8 or of floats in [0, 1]" if name == "image" else "B x 1 x H x W of floats"
    if not isinstance(tensor, Tensor):
        raise ParameterError(f"{name} must be a tensor, {wanted}, got {type(tensor).__name__}")
    channels, bytes_ = ((1, 3), tensor.dtype == torch.uint8) if name == "image" else ((1,), False)
    if tensor.ndim not in (3, 4) or tensor.shape[-3] not in channels or not (tensor.is_floating_point() or bytes_):
        raise ParameterError(f"{name} must be {wanted}, got {tensor.dtype} of {tuple(tensor.shape)}")
    if tensor.numel() == 0 or tensor.layout != torch.strided or tensor.is_meta:
        raise ParameterError(
            f"{name} must hold numbers, at least one sample of them, got {tensor.layout} of "
            f"{tuple(tensor.shape)} on {tensor.device}"
        )


def _colour(image: Tensor) -> NDArray[Any]:
    """Return B x H x W x 3, or B x H x W where it is grey."""
    values = image.detach().cpu()
    if values.is_floating_point():
        values = values.float()
        low, high = values.aminmax()
        if low >= -_ROUNDING and high <= 1 + _ROUNDING:  # else `synthesize_batch` says what is wrong
            values = values.clamp(0, 1)
    array: NDArray[Any] = values.reshape(-1, *values.shape[-3:]).movedim(1, -1).numpy()
    return array if array.shape[3] == 3 else array[:, :, :, 0]


def _depth(depth: Tensor) -> NDArray[Any]:
    """Return B x H x W of float32 or float64."""
    values = depth.detach().cpu()
    values = values if values.dtype == torch.float64 else values.float()
    array: NDArray[Any] = values.reshape(-1, *values.shape[-2:]).numpy()
    return array


def _like(tensor: Tensor, made: NDArray[Any] | None) -> Tensor:
    """Return what was made of a tensor in its shape and dtype, on its device."""
    assert made is not None
    channels_last = torch.from_numpy(made.reshape(*made.shape[:3], -1))
    return channels_last.movedim(-1, 1).reshape(tensor.shape).to(tensor)


def _lane() -> int:
    """Return what sets the draws of this rank and loader worker apart from those of others; 0 in a single process."""
    rank = (
        torch.distributed.get_rank() if torch.distributed.is_available() and torch.distributed.is_initialized() else 0
    )
    worker = get_worker_info()
    return rank if worker is None else Stream(worker.seed, index=rank).bits()
