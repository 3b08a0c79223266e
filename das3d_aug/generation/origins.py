"""The sources of a generated folder: a sample's normal pair as it was taken, and the anomaly rendered on it again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from das3d_aug.datasets import Dataset, Sample, open_dataset
from das3d_aug.errors import FileError, ParameterError, quoted
from das3d_aug.files import read_json
from das3d_aug.generation.donors import donor_of
from das3d_aug.generation.formats import as_written, colour_of
from das3d_aug.preparation import parse_size, resize_sample
from das3d_aug.runs.output_folder import HEADER, source_digests
from das3d_aug.synthesis import AnomalyPair, Plan, render
from das3d_aug.textures import as_source

__all__ = ["Origins"]

_MISREAD = (KeyError, TypeError, AttributeError, ParameterError)  # what reading a foreign record raises


class Origins:
    """The sources of one folder; each is listed once, when the first sample asks for it.

    Parameters
    ----------
    root : pathlib.Path
        The folder that `das3d_aug.generation.generate` wrote.
    source, textures : path, optional
        Where they are now; by default where they were, seen from the folder.

    Raises
    ------
    FileError
        If the folder's header cannot be read.
    """

    def __init__(self, root: Path, *, source: str | Path | None = None, textures: str | Path | None = None) -> None:
        self._root, self._source, self._textures = root, source, textures
        self._header = read_json(root / HEADER)
        self._listed: dict[str, Dataset] = {}

    @property
    def place(self) -> Path:
        """Where the sources are."""
        return Path(self._source or self._root / (self._said("source") or ""))

    def normal(self, path: Path, record: Mapping[str, Any]) -> Sample:
        """Return the normal sample of a recipe, as the synthesis took it.

        Parameters
        ----------
        path : pathlib.Path
            The recipe, for messages.
        record : mapping
            What it holds.

        Raises
        ------
        FileError
            If the record is no recipe, or the source is missing, damaged or not the one that was recorded.
        """
        return self._opened(path, record, "source")

    def render(self, path: Path, record: Mapping[str, Any], normal: Sample) -> AnomalyPair:
        """Return the anomaly of a recipe on its `normal` sample.

        Raises
        ------
        FileError
            If the record is no recipe, or a texture or the donor of patches is missing or not the one recorded.
        """
        try:
            plan = Plan.from_dict(record["plan"])
            recorded = self._said("textures")
        except _MISREAD as error:
            raise _no_recipe(path, error) from error
        donor = donor_of(self._opened(path, record, "donor")) if plan.takes_from_donor else None
        folder = self._textures or (recorded and self._root / recorded)
        policy = record.get("foreground", "auto")
        texture = None if folder is None else as_source(folder)
        try:
            return render(
                colour_of(normal),
                normal.depth,
                plan,
                texture=texture,
                foreground=policy if normal.foreground is None else normal.foreground,
                camera=normal.camera,
                unit=normal.unit,
                donor=donor,
            )
        except ParameterError as error:
            raise FileError(path, f"cannot be rendered: {error}") from error

    def _said(self, name: str) -> str | None:
        """Return a place of the header."""
        place = self._header[name]
        if not (place is None or isinstance(place, str)):
            raise FileError(self._root / HEADER, f"{name} must be the name of a folder, got {quoted(place)}")
        return place

    def _opened(self, path: Path, record: Mapping[str, Any], role: str) -> Sample:
        """Return the sample that a recipe names as its source or donor, if its files are those that were recorded."""
        try:
            origin, named, shape = record["source"], record[role], parse_size(tuple(record["size"]))
            place = self.place
            wanted = json.dumps([origin["layout"], origin["options"]], sort_keys=True)
            if wanted not in self._listed:
                self._listed[wanted] = open_dataset(place, layout=origin["layout"], **origin["options"])
            dataset = self._listed[wanted]
            entry = next((entry for entry in dataset.entries if entry.key == named["key"]), None)
            if entry is None:
                raise FileError(place, f"has no sample {named['key']!r}, from which {path.name} was made")
            for file, found in source_digests(dataset, entry).items():
                if named["sha256"].get(file) != found:
                    raise FileError(entry.files[file], f"is not the file from which {path.name} was made")
        except _MISREAD as error:
            raise _no_recipe(path, error) from error
        try:
            return as_written(resize_sample(dataset.open(entry), shape), depth_png=record.get("depth_png"))
        except ParameterError as error:
            raise _no_recipe(path, error) from error


def _no_recipe(path: Path, error: Exception) -> FileError:
    return FileError(path, f"is not a das3d sample recipe: {type(error).__name__} {error}")
