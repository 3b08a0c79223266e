"""What `das3d_aug.generation.generate` recorded of a sample; samples of other sets have none of it.

Numbers, the command that makes it again, the good source, and which defect lies where.
"""

from __future__ import annotations

import contextlib
import math
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from das3d_aug.datasets import Dataset, Entry, Sample
from das3d_aug.datasets.samples import measured
from das3d_aug.datasets.webdataset import WebDatasetDataset
from das3d_aug.errors import Das3dError, FileError, ParameterError
from das3d_aug.files import read_json
from das3d_aug.generation.formats import FORMATS
from das3d_aug.generation.origins import Origins
from das3d_aug.geometry import to_unit
from das3d_aug.runs.output_folder import HEADER
from das3d_aug.synthesis import AnomalyPair, Plan

__all__ = ["Before", "Record", "Records", "called", "in_mm"]

_OF_RECIPE, _OF_SHARD = "das3d-aug replay {}", "das3d-aug replay {} --sample {}"
_ALIKE = 0.001  # of the range of depth: sources that are farther apart are others
_STEP = 1 / 65535  # of it: what a format of 16 bits rounds


@dataclass(frozen=True, kw_only=True)
class Record:
    """What was recorded of one sample.

    Attributes
    ----------
    path : pathlib.Path
        The recipe, or where it lies in its shard.
    values : mapping
        What it holds.
    command : str
        What makes the sample again.
    """

    path: Path
    values: Mapping[str, Any]
    command: str

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds that were drawn, in order; ``"skewed"`` is the paper's."""
        plan = Plan.from_dict(self.values["plan"])
        return ("skewed",) if plan.defects is None else tuple(item.kind for item in plan.defects.items)

    @property
    def modality(self) -> str:
        """What is anomalous: ``"rgb"``, ``"depth"``, ``"both"``, ``"normal"``."""
        return str(self.values["kind"])

    def number(self, *names: str) -> float | None:
        """Return a number by the names that lead to it, None where there is none."""
        value: Any = self.values
        for name in names:
            value = value.get(name) if isinstance(value, Mapping) else None
        known = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
        return float(value) if known else None


@dataclass(frozen=True, kw_only=True)
class Before:
    """A sample without its defects.

    Attributes
    ----------
    sample : Sample
        The good source, with depth as the anomalous sample has it outside its mask.
    instances : ndarray of uint16, H x W, or None
        Which of `Record.kinds` marked a pixel, 1 for the first; None for the paper's kind.
    """

    sample: Sample
    instances: NDArray[np.uint16] | None


class Records:
    """What is recorded of the samples of a data set.

    Parameters
    ----------
    dataset : Dataset
        Of any layout; without the header of a run in its root there are no records.
    named : str
        How commands name the folder.
    """

    def __init__(self, dataset: Dataset, named: str) -> None:
        self._dataset, self._named = dataset, named
        self.origins = Origins(dataset.root) if (dataset.root / HEADER).is_file() else None

    def of(self, entry: Entry) -> Record | None:
        """Return what was recorded of a sample, or None.

        Raises
        ------
        FileError
            If its recipe is there and damaged, or is another sample's.
        """
        if self.origins is None:
            return None
        if isinstance(self._dataset, WebDatasetDataset):
            path = self._dataset.file(entry, "json")
            values = self._dataset.record(entry)
            command = _OF_SHARD.format(shlex.quote(f"{self._named}/{path.parent.name}"), shlex.quote(entry.key))
        else:
            place = _recipe_of(entry)
            path = self._dataset.root / place
            if not path.is_file():
                return None
            values = read_json(path)
            command = _OF_RECIPE.format(shlex.quote(f"{self._named}/{place}"))
            files = {file.relative_to(self._dataset.root).as_posix() for file in entry.files.values()}
            if not files & set(values.get("files") or ()):
                raise FileError(path, f"is not the recipe of {entry.key}")
        record = Record(path=path, values=values, command=command)
        try:
            if record.kinds and record.modality:
                return record
        except (KeyError, TypeError, ParameterError) as error:
            raise FileError(path, f"is not a das3d sample recipe: {type(error).__name__} {error}") from error
        return record

    def before(self, record: Record, sample: Sample) -> Before:
        """Return a sample without its defects.

        Raises
        ------
        Das3dError
            If the source cannot be found or used, or the anomaly on it is not what lies here.
        """
        normal, pair = self.again(record, sample)
        depth = None
        if sample.depth is not None and normal.depth is not None:
            depth = _fitted(record.path, sample, pair.mask, normal)
        shown = replace(normal, depth=depth, valid=None if depth is None else measured(depth), unit=sample.unit)
        return Before(sample=shown, instances=pair.instances)

    def again(self, record: Record, sample: Sample) -> tuple[Sample, AnomalyPair]:
        """Return the good source of a sample, and the anomaly rendered on it again, which has the sample's mask.

        Raises
        ------
        Das3dError
            If the source cannot be found or used, or the anomaly on it is not what lies here.
        """
        assert self.origins is not None
        normal = self.origins.normal(record.path, record.values)
        pair = self.origins.render(record.path, record.values, normal)
        if sample.mask is None or normal.shape != sample.shape or (pair.mask != sample.mask).any():
            raise Das3dError(f"{record.path.name} makes another mask than the one that lies here")
        return normal, pair


def in_mm(value: float, unit: str) -> tuple[float, str]:
    """Return a length in mm where its unit is one, else as it is, with what its unit is called."""
    try:
        return float(to_unit(value, unit, "mm")), "mm"
    except ParameterError:
        return value, called(unit)


def called(unit: str) -> str:
    """Return what a person reads after a number of this unit."""
    return "units" if unit in ("raw", "unknown") else unit


def _recipe_of(entry: Entry) -> str:
    """Return where the recipe of a sample lies: by category and number, or by the sample's own name."""
    parts = entry.key.split("/")
    name = f"{parts[0]}/{parts[-1].removeprefix('synthetic_')}" if len(parts) > 1 else entry.key
    return FORMATS["folder"].recipe(name)


def _fitted(path: Path, sample: Sample, mask: NDArray[np.bool_], normal: Sample) -> NDArray[np.float32]:
    """Return the depth before as the anomalous sample has it: in its unit, from its zero, equal outside the mask.

    Heights are counted from another zero in every file, and a format may round.
    """
    depth, now = normal.need("depth"), sample.need("depth")
    with contextlib.suppress(ParameterError):  # of an unknown unit it stays as it is
        depth = np.asarray(to_unit(depth, normal.unit, sample.unit), np.float32)
    valid, there = normal.need("valid"), sample.need("valid")
    outside = valid & there & ~mask
    rounded = 0.0
    if outside.any():
        depth = np.where(valid, depth + np.median(now[outside] - depth[outside]), np.float32(0))
        apart, scene = float(np.abs(now[outside] - depth[outside]).max()), float(np.ptp(now[there]))
        rounded = 2 * max(apart, scene * _STEP)
        if apart > _ALIKE * scene:
            raise FileError(path, "leads to a source with another depth than lies here")
    with np.errstate(invalid="ignore"):
        same = np.abs(now - depth) <= rounded
    return np.asarray(np.where(mask & ~same, depth, now), np.float32)
