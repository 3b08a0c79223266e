"""The good parts that a playground draws on: those of a folder, opened when they are asked for, or of the demo set."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from das3d_aug.datasets import Sample, open_dataset
from das3d_aug.datasets.demo import FAMILIES, make_part
from das3d_aug.errors import FileError, ParameterError
from das3d_aug.generation import normal_entries
from das3d_aug.geometry import Intrinsics
from das3d_aug.preparation import resize_sample

__all__ = ["Parts", "demo_parts", "folder_parts"]

_SIDE = 256  # of a demo part
_KEPT = 8  # opened parts that are kept
_SPREAD = 8  # parts that stand for all


class Parts:
    """Good parts by their position, which is the index of the sample that ``generate`` makes of each.

    Attributes
    ----------
    title : str
        What they are together.
    names : tuple of str
        What each is called.
    """

    def __init__(self, title: str, names: tuple[str, ...], opener: Callable[[int], Sample]) -> None:
        self.title, self.names = title, names
        self._open = lru_cache(maxsize=_KEPT)(opener)

    def open(self, index: int) -> Sample:
        """Return a part.

        Raises
        ------
        ParameterError
            If there is none of this number.
        Das3dError
            If it cannot be opened.
        """
        if not 0 <= index < len(self.names):
            raise ParameterError(f"part must be 0 … {len(self.names) - 1}, got {index}")
        return self._open(index)

    def spread(self) -> list[int]:
        """Return the positions of a few parts, evenly spread over all."""
        total = len(self.names)
        few: list[int] = np.unique(np.linspace(0, total - 1, min(_SPREAD, total)).round().astype(int)).tolist()
        return few


def folder_parts(
    source: str | Path, *, size: tuple[int, int] | None, layout: str | None, **options: Any
) -> tuple[Parts, tuple[str, ...]]:
    """Return the normal samples of a folder at a size, and what was odd about the folder, a sentence each.

    Raises
    ------
    FileError
        If it has no normal sample.
    """
    dataset = open_dataset(source, layout=layout, **options)
    entries = normal_entries(dataset)
    if not entries:
        raise FileError(source, f"has no normal sample to draw defects on ({dataset.how})")

    def opened(index: int) -> Sample:
        return resize_sample(dataset.open(entries[index]), size)

    names = tuple(entry.key for entry in entries)
    return Parts(Path(source).resolve().name, names, opened), tuple(f"{source}: {said}" for said in dataset.warnings)


def demo_parts() -> Parts:
    """Return a part of each family of the demo set."""
    families = tuple(FAMILIES)

    def made(index: int) -> Sample:
        part = make_part(families[index], seed=0, index=0, size=_SIDE)
        centre = (_SIDE - 1) / 2
        camera = Intrinsics(fx=5.0 * _SIDE, fy=5.0 * _SIDE, cx=centre, cy=centre)
        return Sample.from_arrays(part.rgb, part.depth, unit="m", camera=camera, key=families[index])

    return Parts("demo parts", families, made)
