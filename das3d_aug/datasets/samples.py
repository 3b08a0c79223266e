"""What a data set lists and what it opens: an entry with its files, a sample with its images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, overload

import numpy as np
from numpy.typing import NDArray

from das3d_aug.datasets.stored import Stored
from das3d_aug.errors import ParameterError
from das3d_aug.geometry import Camera

__all__ = ["Entry", "Images", "Sample", "measured"]


@dataclass(frozen=True)
class Entry:
    """A sample that is listed but not opened.

    Attributes
    ----------
    key : str
        Unique in the data set, with forward slashes: ``"bagel/train/good/000"`` or ``"000"``.
    split, defect, category : str
        As the layout names them; empty where it does not.
    label : int or None
        0 normal, 1 anomalous, None unknown.
    files : mapping
        The files by role (``"rgb"``, ``"depth"``, ``"xyz"``, ``"mask"`` …); a missing partner is not in it.
    """

    key: str
    split: str
    defect: str
    label: int | None
    files: Mapping[str, Path] = field(hash=False)
    category: str = ""


class Images:
    """What a sample and a prepared one have in common: images of one height and width, of which some may be None."""

    depth: NDArray[np.float32] | None

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of all its images."""
        height, width = self.need("rgb" if self.depth is None else "depth").shape[:2]
        return height, width

    @overload
    def need(self, name: Literal["rgb"]) -> NDArray[np.uint8]: ...
    @overload
    def need(self, name: Literal["depth"]) -> NDArray[np.float32]: ...
    @overload
    def need(self, name: Literal["valid"]) -> NDArray[np.bool_]: ...
    @overload
    def need(self, name: str) -> NDArray[Any]: ...
    def need(self, name: str) -> NDArray[Any]:
        """Return an image by its name, where one modality is not enough.

        Raises
        ------
        ParameterError
            If the sample has none.
        """
        image: NDArray[Any] | None = getattr(self, name)
        if image is None:
            what = {"rgb": "colour", "valid": "depth"}.get(name, name)
            raise ParameterError(f"{what} is needed here, and {self._called} has none")
        return image

    @property
    def _called(self) -> str:
        return "the sample"


@dataclass(frozen=True, eq=False)
class Sample(Images):
    """An opened sample; all images have one height and width.

    Attributes
    ----------
    entry : Entry
        Where it comes from.
    rgb : numpy.ndarray or None
        uint8, H x W x 3; None if there is no colour.
    depth : numpy.ndarray or None
        float32, H x W, in ``unit``; None if there is none, but then there is colour.
    valid : numpy.ndarray or None
        bool, H x W: where depth was measured (finite and > 0); None without depth.
    unit : str
        ``"m"``, ``"mm"``, ``"raw"`` (stored numbers of unknown scale), ``"unknown"`` or what the user named.
    xyz : numpy.ndarray or None
        float32, H x W x 3, organised points as stored, in ``unit``.
    intrinsics : Intrinsics or Orthographic or None
        The camera, if it is known.
    mask : numpy.ndarray or None
        bool, H x W: the anomalous pixels, if they are known.
    foreground : numpy.ndarray or None
        bool, H x W: the pixels of the object, if the data set has them.
    grey : bool
        Whether the colour was stored as one channel; ``rgb`` then has three equal ones.
    warnings : tuple of str
        What is odd about the files and does not stop a run, a sentence each.
    stored : Stored or None
        How depth was stored where it was no distance, and the way back for writers.
    """

    entry: Entry
    rgb: NDArray[np.uint8] | None
    depth: NDArray[np.float32] | None
    valid: NDArray[np.bool_] | None
    unit: str
    xyz: NDArray[np.float32] | None = None
    intrinsics: Camera | None = None
    mask: NDArray[np.bool_] | None = None
    foreground: NDArray[np.bool_] | None = None
    grey: bool = False
    warnings: tuple[str, ...] = ()
    stored: Stored | None = None

    @property
    def _called(self) -> str:
        return repr(self.entry.key)


def measured(depth: NDArray[Any]) -> NDArray[np.bool_]:
    """Return where depth is finite and > 0."""
    return np.asarray(np.isfinite(depth) & (depth > 0))
