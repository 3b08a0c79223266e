"""Data sets: readers and writers, one layout a file, behind one interface."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from das3d_aug.datasets.base import Dataset, Entry, Sample
from das3d_aug.datasets.folder import FolderDataset, encode_folder
from das3d_aug.datasets.mvtec3d import MVTec3DDataset, encode_mvtec3d
from das3d_aug.errors import FileError, ParameterError

__all__ = [
    "LAYOUTS",
    "Dataset",
    "Entry",
    "Sample",
    "encode_folder",
    "encode_mvtec3d",
    "open_dataset",
    "register_layout",
]

LAYOUTS: dict[str, type[Dataset]] = {"folder": FolderDataset, "mvtec3d": MVTec3DDataset}


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


def open_dataset(path: str | Path, *, layout: str | None = None, **options: Any) -> Dataset:
    """List a data set; no image is opened.

    Parameters
    ----------
    path : str or pathlib.Path
        Its folder.
    layout : str, optional
        The name of its layout; without it the registered layouts are tried.
    **options
        What the layout's class takes, such as ``depth_scale`` of "folder".

    Raises
    ------
    FileError
        If the folder is missing, or is not of the named layout, of none or of several.
    ParameterError
        If the layout or an option is unknown.
    """
    root = Path(path)
    if not root.is_dir():
        raise FileError(root, "is not a folder")
    if layout is not None and layout not in LAYOUTS:
        raise ParameterError(f"layout must be one of {', '.join(LAYOUTS)}, got {layout!r}")
    tried = LAYOUTS if layout is None else {layout: LAYOUTS[layout]}
    found = {name: how for name, cls in tried.items() if (how := cls.recognise(root)) is not None}
    if not found:
        looked_for = "; ".join(f"{name}: {cls.expected}" for name, cls in tried.items())
        raise FileError(root, f"no known layout is found in it, looked for {looked_for}")
    if len(found) > 1:
        raise FileError(root, f"could be any of {', '.join(found)}; name one with layout=")
    name, how = found.popitem()
    cls = LAYOUTS[name]
    if unknown := sorted(options.keys() - cls.options):
        raise ParameterError(f"options of layout {name!r} are {sorted(cls.options)}, got {unknown[0]!r}")
    return cls.load(root, how, **options)
