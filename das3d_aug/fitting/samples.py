"""The samples that figures are taken of: real defects and good parts of a set, and synthetic defects on these."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from das3d_aug._arguments import check_whole
from das3d_aug.datasets import Dataset, Sample
from das3d_aug.datasets.samples import measured
from das3d_aug.errors import ParameterError
from das3d_aug.generation import normal_entries
from das3d_aug.generation.formats import colour_of
from das3d_aug.preparation import resize_sample
from das3d_aug.synthesis import AnomalyPair, Policy, Recipe, synthesize
from das3d_aug.textures import TextureSource, as_source

__all__ = ["anomalous_sample", "good_parts", "labelled_defects", "synthetic_samples"]

_LARGEST = 512  # pixels of the longer side, without a size: more say little more, and take long
_ATTEMPTS = 8  # draws for each sample that is wanted


def labelled_defects(dataset: Dataset, size: tuple[int, int] | None) -> Iterator[Sample]:
    """Yield the samples that a mask marks something on, at a size."""
    for entry in dataset.entries:
        if entry.label != 0:
            sample = _sized(dataset.open(entry), size)
            if sample.mask is not None and sample.mask.any():
                yield sample


def good_parts(dataset: Dataset, size: tuple[int, int] | None, *, most: int) -> list[Sample]:
    """Return some normal samples, spread evenly over all, at a size; none that a mask marks something on."""
    entries = normal_entries(dataset)
    chosen = np.unique(np.linspace(0, len(entries) - 1, min(most, len(entries))).round().astype(int))
    opened = (_sized(dataset.open(entries[index]), size) for index in chosen if len(entries))
    return [sample for sample in opened if sample.mask is None or not sample.mask.any()]


def _sized(sample: Sample, size: tuple[int, int] | None) -> Sample:
    longer = max(sample.shape)
    if size is None and longer > _LARGEST:
        height, width = (max(round(side * _LARGEST / longer), 1) for side in sample.shape)
        size = height, width
    return resize_sample(sample, size)


def synthetic_samples(
    parts: Sequence[Sample],
    *,
    recipe: Recipe | None = None,
    count: int,
    seed: int = 0,
    epoch: int = 0,
    textures: str | Path | TextureSource | None = None,
    foreground: Policy = "auto",
) -> Iterator[Sample]:
    """Draw defects on good parts in memory, the parts in turns; the same for the same arguments.

    Parameters
    ----------
    parts : sequence of Sample
        Normal samples.
    recipe : Recipe, optional
        `Recipe.realistic` without it.
    count : int
        How many samples; fewer if that many times eight draws do not give them, since those that come out normal
        are passed over.
    seed, epoch, textures, foreground
        As for `das3d_aug.synthesize`, of which the position of the draw is the index.

    Yields
    ------
    Sample
        With its mask.

    Raises
    ------
    ParameterError
        If there is no part, or an argument cannot be used.
    """
    check_whole("count", count, 1, 10**6)
    if not parts:
        raise ParameterError("parts must hold at least one good sample, got none")
    recipe = recipe or Recipe.realistic()
    texture, made = None if textures is None else as_source(textures), 0
    for index in range(_ATTEMPTS * count):
        part = parts[index % len(parts)]
        pair = synthesize(
            colour_of(part),
            part.depth,
            recipe=recipe,
            seed=seed,
            index=index,
            epoch=epoch,
            texture=texture,
            foreground=foreground if part.foreground is None else part.foreground,
            camera=part.camera,
            unit=part.unit,
        )
        if not pair.mask.any():
            continue
        yield anomalous_sample(part, pair)
        made += 1
        if made == count:
            return


def anomalous_sample(part: Sample, pair: AnomalyPair) -> Sample:
    """Return the sample that a good part became; its points are left out, since they were not moved."""
    rgb = pair.rgb
    return replace(
        part,
        rgb=rgb if rgb is None or rgb.ndim == 3 else np.repeat(rgb[:, :, None], 3, axis=2),
        depth=pair.depth,
        valid=None if pair.depth is None else measured(pair.depth),
        xyz=None,
        mask=pair.mask,
    )
