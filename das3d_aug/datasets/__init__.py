"""Data sets: readers and writers, one layout a file, behind one interface.

Another package adds a layout with `register_layout`, or without being imported by the user, with an entry point
of the group ``das3d.layouts``: its name is the layout's, its value the subclass of `Dataset`.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from das3d_aug.datasets.adam3d import ADAM3DDataset
from das3d_aug.datasets.base import Dataset, Entry, Sample
from das3d_aug.datasets.eyecandies import EyecandiesDataset, encode_eyecandies
from das3d_aug.datasets.folder import FolderDataset, encode_folder
from das3d_aug.datasets.listing import holdings, list_folders
from das3d_aug.datasets.mvtec3d import MVTec3DDataset, encode_mvtec3d
from das3d_aug.datasets.mvtec_ad import MVTecADDataset, encode_mvtec_ad
from das3d_aug.datasets.names import is_normal, split_of
from das3d_aug.datasets.prepared import PreparedDataset
from das3d_aug.datasets.realiad3d import RealIAD3DDataset
from das3d_aug.datasets.visa import VisADataset
from das3d_aug.datasets.webdataset import WebDatasetDataset, encode_webdataset
from das3d_aug.errors import FileError, ParameterError, brief

__all__ = [
    "LAYOUTS",
    "Dataset",
    "Entry",
    "Sample",
    "encode_eyecandies",
    "encode_folder",
    "encode_mvtec3d",
    "encode_mvtec_ad",
    "encode_webdataset",
    "layout_named",
    "open_dataset",
    "register_layout",
]

LAYOUTS: dict[str, type[Dataset]] = {
    "folder": FolderDataset,
    "mvtec3d": MVTec3DDataset,
    "eyecandies": EyecandiesDataset,
    "realiad_d3": RealIAD3DDataset,
    "adam3d": ADAM3DDataset,
    "mvtec_ad": MVTecADDataset,
    "visa": VisADataset,
    "webdataset": WebDatasetDataset,
    "prepared": PreparedDataset,
}

_NEAR = 20  # folders in one of no layout that are looked into


def register_layout(name: str, cls: type[Dataset]) -> None:
    """Add a layout under a new name.

    Raises
    ------
    ParameterError
        If the name is taken.
    """
    if name in LAYOUTS:
        raise ParameterError(f"name must be new, the layout {name!r} is registered")
    LAYOUTS[name] = cls


def open_dataset(path: str | Path, *, layout: str | None = None, mode: str | None = None, **options: Any) -> Dataset:
    """List a data set; no image is opened.

    Parameters
    ----------
    path : str or pathlib.Path
        Its folder.
    layout : str, optional
        The name of its layout; without it the registered layouts are tried, then those of plug-ins.
    mode : {"rgb", "depth", "rgbd"}, optional
        What is read: colour alone, depth or points alone, or both, which must be there; without it what there is.
    **options
        What the layout's class takes, such as ``depth_scale`` of "folder".

    Raises
    ------
    FileError
        If the folder is missing, is not of the named layout, of none or of several, or has not what ``mode`` needs.
    ParameterError
        If the layout or an option is unknown, or a plug-in that is needed cannot be loaded.
    """
    root = Path(path)
    if not root.is_dir():
        raise FileError(root, "is not a folder")
    tried: Mapping[str, type[Dataset]] = LAYOUTS
    if layout is not None:
        tried = {layout: layout_named(layout)}
    found = _recognised(root, tried)
    if not found and layout is None:
        tried = {**LAYOUTS, **{name: layout_named(name) for name in _plug_ins()}}
        found = _recognised(root, tried)
    if not found:
        raise FileError(root, f"no known layout is found in it; {_instead(root, layout, tried)}")
    if len(found) > 1:
        raise FileError(root, f"could be any of {', '.join(found)}; name one with layout=")
    name, how = found.popitem()
    cls = tried[name]
    if unknown := sorted(options.keys() - cls.options):
        known = ", ".join(f"{option}=" for option in sorted(cls.options)) or "no option"
        raise ParameterError(f"{unknown[0]}= is not for the layout {name!r}, which takes {known}")
    dataset = cls.load(root, how, **options)
    return dataset if mode is None else dataset.restricted(mode)


def _recognised(root: Path, layouts: Mapping[str, type[Dataset]]) -> dict[str, str]:
    return {name: how for name, cls in layouts.items() if (how := cls.recognise(root)) is not None}


def _instead(root: Path, layout: str | None, tried: Mapping[str, type[Dataset]]) -> str:
    """Say what a folder of no layout holds, what is expected, and where a layout is nearby."""
    holds = f"it holds {holdings(root)}"
    if layout is not None:
        return f"{holds}; layout={layout!r} expects {tried[layout].expected}"
    place = root.resolve()
    above = [place.parent] if split_of(place.name) and _is_one(place.parent, tried) else []
    near = [folder for folder in (above or list_folders(root)[:_NEAR]) if _is_one(folder, tried)]
    if len(near) == 1:
        return f"{holds}; there is one in {near[0]}: give that folder"
    if near:
        said = next((folder for folder in near if is_normal(folder.name)), near[0])
        return (
            f"{holds}, one each: give one of these, such as {said}, or put them into train/ and test/ "
            "(docs/how-to/own-data.md)"
        )
    return f"{holds}; expected is {tried['folder'].expected}, or one of docs/how-to/layouts.md"


def _is_one(folder: Path, layouts: Mapping[str, type[Dataset]]) -> bool:
    try:
        return bool(_recognised(folder, layouts))
    except FileError:
        return False


def _plug_ins() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group="das3d.layouts") if point.name not in LAYOUTS}


def layout_named(layout: str) -> type[Dataset]:
    """Return a layout; one that is not known is looked for among the plug-ins (entry points of ``das3d.layouts``).

    Raises
    ------
    ParameterError
        If there is none of that name, or its plug-in cannot be loaded.
    """
    if layout in LAYOUTS:
        return LAYOUTS[layout]
    points = _plug_ins()
    if layout not in points:
        raise ParameterError(f"layout must be one of {', '.join([*LAYOUTS, *points])}, got {layout!r}")
    where = f"the plug-in {points[layout].value} of layout {layout!r}"
    try:
        cls = points[layout].load()
    except (Exception, SystemExit) as error:  # whatever a foreign module raises when it is imported
        raise ParameterError(f"{where} cannot be loaded: {type(error).__name__} {brief(str(error))}") from error
    if not (isinstance(cls, type) and issubclass(cls, Dataset)):
        raise ParameterError(f"{where} is not a subclass of das3d_aug.datasets.Dataset")
    return cls
