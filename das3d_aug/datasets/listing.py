"""What a folder holds: categories, splits, and files by stem, naturally sorted; and what it holds that is not read."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from das3d_aug.datasets.names import SPLITS, role_of, shown
from das3d_aug.errors import FileError
from das3d_aug.files.clouds import CLOUD_SUFFIXES
from das3d_aug.files.decode import IMAGE_SUFFIXES, JPEG_SUFFIXES

__all__ = [
    "COLOUR",
    "MASKS",
    "PLANES",
    "POINTS",
    "Findings",
    "Group",
    "holdings",
    "list_files",
    "list_folders",
    "list_groups",
    "natural",
    "role_folders",
    "visible",
]

COLOUR = (".png", *JPEG_SUFFIXES, ".ppm", ".pgm", ".bmp", ".tif", ".tiff")
"""Types of files with 8 bits for each channel."""

PLANES = tuple(suffix for suffix in IMAGE_SUFFIXES if suffix not in JPEG_SUFFIXES)
"""Types of files that keep the numbers of one plane, as depth needs them."""

MASKS = IMAGE_SUFFIXES
"""Types of files of masks and foregrounds: a JPEG still tells black from white."""

POINTS = CLOUD_SUFFIXES
"""Types of files of organised points."""

_NAMED = 3  # names in a sentence
_HELD = 6
_NOT_OURS = ("thumbs.db", "desktop.ini")
_DOCUMENTS = (".json", ".txt", ".md", ".csv", ".xml", ".toml", ".yaml", ".yml")  # notes, never images


class Group(NamedTuple):
    """A folder of samples, ``<category>/<split>/<name>``, in a set or in one category of it.

    ``split`` is what the name of the split's folder stands for, and empty in a folder without splits.
    """

    folder: Path
    category: str
    split: str
    name: str

    @property
    def home(self) -> Path:
        """The folder of the category."""
        return self.folder.parent.parent if self.split else self.folder

    @property
    def parts(self) -> list[str]:
        """How the keys of its samples begin: category, the split as its folder is named, name."""
        named = (self.category, self.folder.parent.name if self.split else "", self.name)
        return [shown(part) for part in named if part]


class Findings:
    """What a listing found and did not use: bounded in number, however much there is.

    Parameters
    ----------
    root : pathlib.Path
        The folder to which the paths that are named are relative.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._paths: dict[str, list[str]] = {}

    def add(self, path: Path, what: str) -> None:
        """Note a path and what is odd about it, in words that fit one path and several."""
        name = path.relative_to(self._root).as_posix() + "/" * path.is_dir()
        self._paths.setdefault(what, []).append(shown(name))

    def sentences(self) -> tuple[str, ...]:
        """Return one sentence for each kind of finding, which names at most three paths and counts the others."""
        said = []
        for what, paths in self._paths.items():
            more = f" … and {len(paths) - _NAMED} more" if len(paths) > _NAMED else ""
            said.append(f"{', '.join(sorted(paths, key=natural)[:_NAMED])}{more}: {what}")
        return tuple(said)


def list_groups(root: Path, splits: Mapping[str, str] = SPLITS) -> Iterator[Group]:
    """Yield every folder below a split; ``root`` is a set, or a category if it holds a split.

    ``splits`` maps the names of folders, in small letters, to splits.  Splits come in its order.

    Raises
    ------
    FileError
        If a folder cannot be listed.
    """
    order = list(dict.fromkeys(splits.values()))

    def below(category: Path) -> list[tuple[int, Path]]:
        found = [(splits.get(path.name.casefold()), path) for path in list_folders(category)]
        return sorted(((order.index(split), path) for split, path in found if split is not None), key=lambda x: x[0])

    for category in [root] if below(root) else list_folders(root):
        for place, folder in below(category):
            for group in list_folders(folder):
                yield Group(group, category.resolve().name, order[place], group.name)


def list_folders(parent: Path) -> list[Path]:
    """Return the visible folders in a folder, naturally sorted; an absent folder is empty.

    Raises
    ------
    FileError
        If the folder cannot be listed.
    """
    found = [path for path in _listed(parent) if path.is_dir() and not path.name.startswith(".")]
    return sorted(found, key=lambda path: natural(path.name))


def role_folders(parent: Path, findings: Findings | None = None, *, first: str = "") -> dict[str, Path]:
    """Return the folder of each role in a folder, by the rule of `das3d_aug.datasets.names`.

    ``first`` is a name that is taken before all others.  Further folders of a role are noted.
    """
    found: dict[str, list[tuple[bool, int, str, Path]]] = {}
    for path in list_folders(parent):
        if named := role_of(path.name):
            role, place = named
            found.setdefault(role, []).append((path.name != first, place, path.name.swapcase(), path))
    for folders in found.values():
        folders.sort()  # of equal names that in small letters comes first
        for *_, path in folders[1:]:
            if findings is not None:
                findings.add(path, f"not read, since {folders[0][-1].name}/ is there too")
    return {role: folders[0][-1] for role, folders in found.items()}


def natural(text: str) -> tuple[list[str | int], str]:
    """Return a sort key that puts ``2`` before ``10``, in any script's digits."""
    parts: list[str | int] = list(re.split(r"(\d+)", text))
    parts[1::2] = map(int, parts[1::2])
    return parts, text


def list_files(folder: Path, suffixes: Collection[str], findings: Findings | None = None) -> dict[str, Path]:
    """Return the visible files of the given suffixes by stem; an absent folder is empty.  Others are noted.

    Raises
    ------
    FileError
        If two files share a stem, or the folder cannot be listed.
    """
    found: dict[str, Path] = {}
    for path in visible(folder, suffixes, findings):
        if path.stem in found:
            raise FileError(path, f"has the same stem as {found[path.stem].name}; keep one of them")
        found[path.stem] = path
    return found


def visible(folder: Path, suffixes: Collection[str], findings: Findings | None = None) -> list[Path]:
    """Return the visible files of the given suffixes; an absent folder is empty.  Others are noted."""
    found = []
    for path in sorted(_listed(folder)):
        if path.name.startswith(".") or path.name.lower() in _NOT_OURS:
            continue
        if path.suffix.lower() in suffixes:
            found.append(path)
        elif findings is not None and path.suffix.lower() not in _DOCUMENTS and path.is_file():
            findings.add(path, f"there, but not of a type that is read here ({', '.join(suffixes)})")
    return found


def holdings(folder: Path) -> str:
    """Say in a few words what a folder holds, for an error."""
    folders = [f"{shown(path.name)}/" for path in list_folders(folder)]
    types = Counter(shown(path.suffix) or path.name for path in _listed(folder) if path.is_file())
    files = [f"{count} {kind}" for kind, count in types.most_common()]
    found = [*folders[:_HELD], *(["…"] if len(folders) > _HELD else []), *files[:_HELD]]
    return ", ".join(found) or "nothing"


def _listed(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir()) if folder.is_dir() else []
    except OSError as error:
        raise FileError(folder, f"cannot be listed: {error.strerror}") from error
