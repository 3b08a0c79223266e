"""Which defects a sample shows, one by one: from its record where `das3d_aug.generation.generate` wrote one.

A set keeps the mask and the plan of a sample, and not which of the plan's defects marks a pixel.  That is found by
rendering the plan on its source again; where the source is gone, each region of the mask is a defect.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from das3d_aug.datasets import Sample
from das3d_aug.errors import Das3dError
from das3d_aug.generation.records import Record, Records

__all__ = ["UNKNOWN", "Instance", "instances_of"]

UNKNOWN = "defect"
"""The category of a defect of which nothing says the kind."""


class Instance(NamedTuple):
    """A defect: what it is called, and where it is, bool, H x W."""

    kind: str
    mask: NDArray[np.bool_]


def instances_of(sample: Sample, record: Record | None, records: Records) -> tuple[Iterable[Instance], str]:
    """Return the defects of a sample with a mask, and why they are not those of its plan, empty where they are."""
    mask: NDArray[np.bool_] = sample.need("mask")
    if not mask.any():
        return [], ""
    if record is None:
        return _regions(sample.entry.defect or UNKNOWN, mask), ""
    kinds = record.kinds
    if kinds == ("skewed",):  # the paper's: all blots are drawn as one
        return _regions("skewed", mask), ""
    try:
        return _planned(record, records, sample, mask), ""
    except Das3dError as error:
        alone = kinds[0] if len(set(kinds)) == 1 else UNKNOWN
        return _regions(alone, mask), f"each region of the mask is taken for a defect, called {alone}: {error}"


def _planned(record: Record, records: Records, sample: Sample, mask: NDArray[np.bool_]) -> list[Instance]:
    """Return what each defect of the plan marks, of those that mark anything."""
    _, pair = records.again(record, sample)
    numbers = pair.instances
    if numbers is None or (numbers[mask] == 0).any():
        raise Das3dError(f"{record.path.name} does not say which defect marks a pixel")
    each = [Instance(kind, numbers == number) for number, kind in enumerate(record.kinds, start=1)]
    return [instance for instance in each if instance.mask.any()]


def _regions(kind: str, mask: NDArray[np.bool_]) -> Iterator[Instance]:
    """Yield the regions of a mask, one in memory at a time: a speckled one has thousands."""
    count, numbers = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    return (Instance(kind, numbers == number) for number in range(1, count))
