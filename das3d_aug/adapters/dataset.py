"""Good parts of any layout as a torch data set of anomalies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset as TorchDataset

from das3d_aug._arguments import check_option, check_whole
from das3d_aug.datasets import Dataset, open_dataset
from das3d_aug.datasets.base import normal_entries
from das3d_aug.datasets.samples import measured
from das3d_aug.errors import FileError, ParameterError, quoted
from das3d_aug.randomness import check_seed
from das3d_aug.synthesis import Policy, Recipe, synthesize
from das3d_aug.textures import TextureSource, as_source

__all__ = ["AnomalyDataset"]

_DEFAULT_RECIPE = Recipe()


class AnomalyDataset(TorchDataset[dict[str, Any]]):
    """Good parts in, anomalies out: a map-style data set that a plain ``DataLoader`` collates.

    Sample ``index`` of an epoch is the same with any number of workers and in any order.

    Parameters
    ----------
    data : str, pathlib.Path or das3d_aug.datasets.Dataset
        A folder in any layout, or what `das3d_aug.datasets.open_dataset` made of one, for options and ``select``.
        Its good parts are used, of the train split if there is one.  To batch them they need one size, which
        ``das3d-aug prepare`` gives them.
    recipe : Recipe
        The ranges to draw from.
    seed : int
        The sample depends on (recipe, seed, epoch, index) alone.
    texture : optional
        Where foreign textures come from, as for `das3d_aug.synthesize`: None for the procedural ones, or a folder.
    foreground : {"auto", "all", "plane"}
        Where defects may start, in samples that do not bring a mask of the part.

    Raises
    ------
    ParameterError
        If an argument cannot be used.
    FileError
        If the folder is of no known layout or holds no good part; in use, if a file cannot be read.

    Examples
    --------
    >>> dataset = AnomalyDataset("parts")  # doctest: +SKIP
    >>> loader = DataLoader(dataset, batch_size=8, shuffle=True, num_workers=4)  # doctest: +SKIP
    >>> for epoch in range(epochs):  # doctest: +SKIP
    ...     dataset.set_epoch(epoch)
    ...     for batch in loader: ...
    """

    def __init__(
        self,
        data: str | Path | Dataset,
        recipe: Recipe = _DEFAULT_RECIPE,
        *,
        seed: int = 0,
        texture: NDArray[Any] | str | Path | TextureSource | None = None,
        foreground: Policy = "auto",
    ) -> None:
        if not isinstance(recipe, Recipe):
            raise ParameterError(f"recipe must be a Recipe, got {recipe!r}")
        self.data = open_dataset(data) if isinstance(data, str | Path) else data
        if not isinstance(self.data, Dataset):
            raise ParameterError(f"data must be a folder, or what open_dataset made of one, got {quoted(data)}")
        self.entries = normal_entries(self.data)
        if not self.entries:
            raise FileError(self.data.root, f"holds no good part to put a defect on ({self.data.how})")
        self.recipe = recipe
        self.seed = check_seed(seed)
        self.texture = as_source(texture)
        check_option("foreground", foreground, ("auto", "all", "plane"))
        self.foreground = foreground
        # In shared memory, so that workers that persist see it change.
        self._epoch: Tensor = torch.zeros((), dtype=torch.int64).share_memory_()  # type: ignore[no-untyped-call]

    @property
    def epoch(self) -> int:
        """Of which pass over the data its samples are."""
        return int(self._epoch)

    def set_epoch(self, epoch: int) -> None:
        """Draw other defects from now on: call it before each pass over a loader, or all passes are the same.

        Workers that persist between passes follow too.
        """
        self._epoch.fill_(check_whole("epoch", epoch, 0, 2**63 - 1))

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Return one anomaly and the good part that it was made of.

        Returns
        -------
        dict
            ``image`` (float32, 3 x H x W, 0 … 1), ``depth`` (float32, 1 x H x W, in the set's unit, 0 where nothing was
            measured), ``mask`` (float32, 1 x H x W: 1 where anomalous), ``normal_image`` and ``normal_depth``: the good
            part; without colour or depth, the keys of these are not there.  ``meta``: ``key``, ``category`` and
            ``unit`` of the part, ``index``, ``epoch``, and ``plan``, the JSON from which `Plan.from_json` and
            `das3d_aug.render` make the sample again.
        """
        index = range(len(self))[index]
        sample, epoch = self.data.open(self.entries[index]), self.epoch
        grey = sample.grey and sample.rgb is not None
        pair = synthesize(
            sample.need("rgb")[:, :, 0] if grey else sample.rgb,
            sample.depth,
            recipe=self.recipe,
            seed=self.seed,
            index=index,
            epoch=epoch,
            texture=self.texture,
            foreground=self.foreground if sample.foreground is None else sample.foreground,
            camera=sample.camera,
            unit=sample.unit,
        )
        made = {
            "image": _image(pair.rgb),
            "depth": _depth(pair.depth),
            "mask": torch.from_numpy(pair.mask[None].astype(np.float32)),
            "normal_image": _image(sample.rgb),
            "normal_depth": _depth(sample.depth),
        }
        meta = {
            "key": sample.entry.key,
            "category": sample.entry.category,
            "unit": sample.unit,
            "index": index,
            "epoch": epoch,
            "plan": pair.plan.to_json(),
        }
        return {name: tensor for name, tensor in made.items() if tensor is not None} | {"meta": meta}


def _image(rgb: NDArray[Any] | None) -> Tensor | None:
    if rgb is None:
        return None
    channels = np.moveaxis(np.broadcast_to(rgb.reshape(*rgb.shape[:2], -1), (*rgb.shape[:2], 3)), -1, 0)
    return torch.from_numpy(channels.astype(np.float32, order="C") / np.float32(255))


def _depth(depth: NDArray[Any] | None) -> Tensor | None:
    if depth is None:
        return None
    return torch.from_numpy(np.where(measured(depth), depth, np.float32(0))[None])
