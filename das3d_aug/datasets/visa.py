"""VisA as its authors give it out: ``<category>/Data/{Images/{Normal,Anomaly}/NNN.JPG, Masks/Anomaly/NNN.png}``.

Colour images alone, without depth.  The folders have no splits; that of the authors for one class at a time is in
``split_csv/1cls.csv`` beside the categories (columns object, split, label, image, mask), and is read where the whole
set is opened and the file is there.  Masks hold the number of the kind of defect, so every pixel but 0 is marked.

Source: the authors' repository (github.com/amazon-science/spot-diff, ``utils/prepare_data.py``).  What that script
writes is read as `das3d_aug.datasets.mvtec_ad`.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from das3d_aug.datasets.base import Dataset, Entry, Sample
from das3d_aug.datasets.listing import COLOUR, MASKS, Findings, Group, list_files, list_folders
from das3d_aug.datasets.names import shown
from das3d_aug.datasets.pairing import entries_of
from das3d_aug.errors import FileError, counted
from das3d_aug.files import contained, read_bytes

__all__ = ["VisADataset"]

_SPLIT = "split_csv/1cls.csv"


class VisADataset(Dataset):
    """VisA, the whole set or one category."""

    layout = "visa"
    expected = "<category>/Data/Images/{Normal,Anomaly}/ and Data/Masks/Anomaly/"

    @classmethod
    def recognise(cls, root: Path) -> str | None:
        """Look for ``Data/Images/`` in the root or its folders."""
        groups = list(_groups(root))
        if not groups:
            return None
        first = shown(groups[0].folder.relative_to(root).as_posix())
        return f"images in {counted(len(groups), 'folder')} such as {first}/"

    @classmethod
    def load(cls, root: Path, how: str, **options: Any) -> Self:
        """List the samples of a recognised set or category; there are no options."""
        findings = Findings(root)
        splits = _splits(root)
        entries = []
        for group in _groups(root):
            roles = {
                "rgb": list_files(group.folder, COLOUR, findings),
                "mask": list_files(group.folder.parent.parent / "Masks" / group.name, MASKS, findings),
            }
            for entry in entries_of(group, roles, findings):
                place = entry.files["rgb"].relative_to(root).as_posix()
                entries.append(replace(entry, split=splits.get(place, "")))
        return cls(root, how, entries=entries, findings=findings)

    def open(self, entry: Entry) -> Sample:
        """Read one sample; see `Dataset.open`."""
        return self.assemble(
            entry, colour=self.colour(entry), depth=None, role="rgb", label=entry.label, unit="unknown"
        )


def _groups(root: Path) -> Iterator[Group]:
    for category in [root] if (root / "Data/Images").is_dir() else list_folders(root):
        for folder in list_folders(category / "Data" / "Images"):
            yield Group(folder, category.resolve().name, "", folder.name)


def _splits(root: Path) -> dict[str, str]:
    """Return the split of each image by its path, as the authors' file says; nothing without it."""
    path = root / _SPLIT
    if not path.is_file():
        return {}
    try:
        rows = csv.DictReader(read_bytes(contained(root, path)).decode().splitlines())
        return {row["image"]: row["split"] for row in rows}
    except (KeyError, ValueError, csv.Error) as error:
        raise FileError(path, f"columns image and split are expected: {type(error).__name__} {error}") from error
