"""What a folder holds: categories, splits, and files by stem, naturally sorted."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from das3d_aug.errors import FileError

__all__ = ["Group", "list_files", "list_folders", "list_groups", "natural"]


class Group(NamedTuple):
    """A folder of samples, ``<category>/<split>/<name>``, in a set or in one category of it."""

    folder: Path
    category: str
    split: str
    name: str


def list_groups(root: Path, splits: Iterable[str]) -> Iterator[Group]:
    """Yield every folder below the given splits; ``root`` is a set, or a category if it holds one of the splits.

    Raises
    ------
    FileError
        If a folder cannot be listed.
    """
    splits = tuple(splits)
    single = any((root / split).is_dir() for split in splits)
    for category in [root] if single else list_folders(root):
        for split in splits:
            for folder in list_folders(category / split):
                yield Group(folder, category.resolve().name, split, folder.name)


def list_folders(parent: Path) -> list[Path]:
    """Return the folders in a folder, naturally sorted; an absent folder is empty.

    Raises
    ------
    FileError
        If the folder cannot be listed.
    """
    try:
        found = [path for path in parent.iterdir() if path.is_dir()] if parent.is_dir() else []
    except OSError as error:
        raise FileError(parent, f"cannot be listed: {error.strerror}") from error
    return sorted(found, key=lambda path: natural(path.name))


def natural(text: str) -> tuple[list[str | int], str]:
    """Return a sort key that puts ``2`` before ``10``."""
    return [int(part) if part.isdecimal() else part for part in re.split("([0-9]+)", text)], text


def list_files(folder: Path, suffixes: Iterable[str]) -> dict[str, Path]:
    """Return the visible files of the given suffixes by stem; an absent folder is empty.

    Raises
    ------
    FileError
        If two files share a stem, or the folder cannot be listed.
    """
    found: dict[str, Path] = {}
    try:
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            if path.suffix.lower() in suffixes and not path.name.startswith("."):
                if path.stem in found:
                    raise FileError(path, f"has the same stem as {found[path.stem].name}; keep one of them")
                found[path.stem] = path
    except OSError as error:
        raise FileError(folder, f"cannot be listed: {error.strerror}") from error
    return found
