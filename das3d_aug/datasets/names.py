"""The rule of names: what a folder or a file is told by, the same in every layout of folders.

Capitals do not matter, nor do spaces, hyphens and underscores in the name of a folder:

=========== ==========================================================================================
split       ``train``, ``training``; ``validation``, ``valid``, ``val``; ``test``, ``testing``
normal      ``good``, ``ok``, ``normal``: every other name below a split is a defect
rgb         ``rgb``, ``color``, ``colour``, ``image``, ``images``, ``grey``, ``gray``
depth, xyz  ``depth``; ``xyz``
mask        ``mask``, ``masks``, ``gt``, ``ground_truth``
foreground  ``foreground``
=========== ==========================================================================================

Of several folders of one role the first in this list is read.  Files belong together by equal stems; where a partner
is missing, by what is left of the stems without a word of the role at either end (``color_0001`` and ``depth_0001``,
``12_rgb`` and ``12_depth``, ``000_mask``, ``000_gt``, ``pcd0100r`` and ``pcd0100d``).  The extension may have capitals.
"""

from __future__ import annotations

import re
from collections.abc import Collection

__all__ = ["SPLITS", "affix", "core", "is_normal", "role_of", "shown", "split_of"]

SPLITS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("validation", "valid", "val"), "validation"),
    **dict.fromkeys(("test", "testing"), "test"),
}
"""The split that each name of a folder stands for; `Entry.split` is that of the right column."""

_NORMAL = ("good", "ok", "normal")
_FOLDERS = {
    "rgb": ("rgb", "color", "colour", "image", "images", "grey", "gray"),
    "depth": ("depth",),
    "xyz": ("xyz",),
    "mask": ("mask", "masks", "gt", "groundtruth"),
    "foreground": ("foreground",),
}
_WORDS = {
    "rgb": "rgb|colou?r|image|img|gr[ae]y",
    "depth": "depth",
    "xyz": "xyz|cloud|points",
    "mask": "mask|gt|ground_?truth",
    "foreground": "foreground",
}
_LETTERS = {"rgb": "r", "depth": "d"}  # pcd0100r.png and pcd0100d.tiff: only where both are there


def split_of(name: str) -> str | None:
    """Return the split that a folder of this name stands for."""
    return SPLITS.get(_plain(name))


def is_normal(name: str) -> bool:
    """Whether a folder of this name, below a split, holds normal samples."""
    return _plain(name) in _NORMAL


def role_of(name: str) -> tuple[str, int] | None:
    """Return the role of a folder and its place among the names of that role, 0 = taken first; None without one."""
    return next(((role, names.index(_plain(name))) for role, names in _FOLDERS.items() if _plain(name) in names), None)


def core(stem: str, role: str) -> str | None:
    """Return a stem without the word of a role at its beginning or end; None if there is no such word."""
    words = _WORDS.get(role, role)
    forms = rf"(?:{words})(?:[ _.-]+|(?=\d)|$)(.*)", rf"(.*)[ _.-](?:{words})"
    found = (re.fullmatch(form, stem, re.IGNORECASE | re.DOTALL) for form in forms)
    return next((match[1] for match in found if match), None)


def affix(stem: str, beside: Collection[str]) -> tuple[str, str] | None:
    """Return the role that a stem names, among the stems ``beside`` it, and what is left of the stem.

    A mask's word counts before an image's: ``depth_1_mask`` is a mask.
    """
    for role in ("mask", "foreground", "xyz", "depth", "rgb"):
        if (rest := core(stem, role)) is not None:
            return role, rest
    for role, letter in _LETTERS.items():
        rest = stem[:-1]
        if (
            stem.endswith(letter)
            and rest[-1:].isdecimal()
            and {rest + other for other in _LETTERS.values()} <= {*beside}
        ):
            return role, rest
    return None


def shown(name: str) -> str:
    """Return a name as text that can be printed and written: bytes that are not UTF-8 become ``%E9``."""
    return re.sub("[\udc80-\udcff]", lambda match: f"%{ord(match[0]) - 0xDC00:02X}", name)


def _plain(name: str) -> str:
    return re.sub("[ _-]", "", name.casefold())
