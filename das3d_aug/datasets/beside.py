"""What is said beside images of their camera and of stored numbers: a camera file, ``depth.json``.

Either holds for all images below the folder in which it lies, and of several the nearest above an image counts:
in ``train/good/``, in ``train/``, in the category, in the set.  It is looked for above the folder that is opened too,
where that is part of a set by its name or place: a split, a folder of one (``train/good``), or one of several
categories, which hold splits each.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from das3d_aug.datasets.listing import list_folders
from das3d_aug.datasets.names import role_of, split_of
from das3d_aug.datasets.stored import NAMES, STATED, Meaning
from das3d_aug.errors import FileError, ParameterError
from das3d_aug.files import camera_file, contained, read_camera, read_camera_for, read_json
from das3d_aug.geometry import Camera, Intrinsics

__all__ = ["Beside"]

_Said = tuple[Camera | None, tuple[str, ...]]


class Beside:
    """What lies beside the images of a folder, and above them; each file is read once."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._above = tuple(_above(root))
        self._files: dict[Path, Path | None] = {}
        self._cameras: dict[tuple[Path, tuple[int, ...]], _Said] = {}

    def meaning(self, images: Iterable[Path], options: dict[str, Any]) -> Meaning:
        """Return what the options say, and where they say nothing what ``depth.json`` says.

        Raises
        ------
        FileError
            If such a file is damaged, or two of them say other things of these images.
        ParameterError
            If the options are impossible.
        """
        files = {self._stated(folder): None for folder in dict.fromkeys(map(_folder, images))} or {
            self._stated(self.root): None
        }
        found = {path: {} if path is None else _read(path) for path in files}
        (first, stated), *others = found.items()
        for path, other in others:
            if other != stated:
                one, two = (self.root if place is None else place for place in (first, path))
                raise FileError(two, f"says other things of stored numbers than {one}; open the folders one by one")
        return Meaning(**stated | options)

    def camera_file(self, image: Path) -> Path | None:
        """Return the camera file of an image, as for `das3d_aug.files.camera_file`."""
        folder = _folder(image)
        if folder not in self._files:
            places = self._places(folder)
            of_set = (self.root, *self._above)  # where images lie, only the common names are looked for
            found = (camera_file(place, any_name=place in of_set) for place in places)
            self._files[folder] = next((path for path in found if path is not None), None)
        return self._files[folder]

    def camera(self, image: Path, shape: tuple[int, ...], depth_scale: float | None) -> _Said:
        """Return the camera of an image of a size, and what its file says beside."""
        key = _folder(image), shape[:2]
        if key not in self._cameras:
            path = self.camera_file(image)
            none: _Said = (None, ())
            self._cameras[key] = none if path is None else read_camera_for(path, shape[:2], depth_scale=depth_scale)
        return self._cameras[key]

    def size(self, image: Path) -> tuple[int, int] | None:
        """Return the height and width of images that the camera's file names."""
        path = self.camera_file(image)
        camera = None if path is None else read_camera(path)
        if not isinstance(camera, Intrinsics) or camera.height is None or camera.width is None:
            return None
        return camera.height, camera.width

    def _places(self, folder: Path) -> Iterator[Path]:
        """Yield where a file that holds for a folder of images may lie, the nearest first."""
        yield from (place for place in (folder, *folder.parents) if place.is_relative_to(self.root))
        yield from self._above

    def _stated(self, folder: Path) -> Path | None:
        return next((place / STATED for place in self._places(folder) if (place / STATED).exists()), None)


def _folder(image: Path) -> Path:
    """Return the folder of a sample's files; one of a role (``depth/``) lies in it."""
    return image.parent.parent if role_of(image.parent.name) else image.parent


def _above(root: Path) -> Iterator[Path]:
    """Yield the folders above a root of whose set it is a part."""
    place = root.resolve()
    for _ in range(2):
        if split_of(place.name) or split_of(place.parent.name):
            place = place.parent
            yield place
    if _holds_splits(place) and any(_holds_splits(other) for other in _folders(place.parent) if other != place):
        yield place.parent


def _holds_splits(folder: Path) -> bool:
    return any(split_of(path.name) for path in _folders(folder))


def _folders(parent: Path) -> list[Path]:
    try:
        return list_folders(parent)
    except FileError:  # what lies above was not given, and may be closed
        return []


def _read(path: Path) -> dict[str, Any]:
    stated = read_json(contained(path.parent, path))
    if unknown := sorted(stated.keys() - NAMES):
        raise FileError(path, f"holds {unknown[0]!r}; it may hold {', '.join(NAMES)}")
    try:
        Meaning(**stated)
    except ParameterError as error:
        raise FileError(path, str(error)) from error
    return stated
