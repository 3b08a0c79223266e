"""What a data set lists and what it opens: an entry with its files, a sample with its images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, Self, overload

import numpy as np
from numpy.typing import NDArray

from das3d_aug._arguments import as_depth, as_mask
from das3d_aug.datasets.stored import Stored
from das3d_aug.datasets.write_checks import known_shapes
from das3d_aug.errors import ParameterError
from das3d_aug.geometry import Camera, camera_of_points, points_to_depth

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

    def __repr__(self) -> str:
        """Say what there is; of masks, how much of the image they mark."""
        height, width = self.shape
        held = {f.name: getattr(self, f.name) for f in fields(self)}  # type: ignore[arg-type]  # both are dataclasses
        words = [*self._named, f"{height} x {width}"]
        for name, value in held.items():
            if isinstance(value, np.ndarray):
                words.append(f"{name} {value.mean():.1%}" if value.dtype == np.bool_ else name)
        return f"{type(self).__name__}({', '.join(words)}, unit {held['unit']!r})"

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
            raise ParameterError(f"{what} is needed here, and {' '.join(self._named) or 'the sample'} has none")
        return image

    @property
    def _named(self) -> tuple[str, ...]:
        return ()


@dataclass(frozen=True, eq=False, repr=False)
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
        The camera, if it is known; `camera` falls back on the points.
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
    def camera(self) -> Camera | None:
        """The camera, if it is known; or else the one that the points fit, as `camera_of_points` finds it."""
        if self.intrinsics is not None or self.xyz is None:
            return self.intrinsics
        return camera_of_points(self.xyz)

    @classmethod
    def from_arrays(
        cls,
        rgb: NDArray[np.uint8] | None = None,
        depth: NDArray[Any] | None = None,
        *,
        xyz: NDArray[Any] | None = None,
        unit: str = "unknown",
        camera: Camera | None = None,
        mask: NDArray[Any] | None = None,
        foreground: NDArray[Any] | None = None,
        key: str = "sample",
    ) -> Self:
        """Make a sample of images that no file holds; none of the arrays is kept.

        Parameters
        ----------
        rgb : numpy.ndarray, optional
            uint8, H x W x 3, or H x W if it is grey.
        depth : numpy.ndarray, optional
            float32, float64 or uint16, H x W, in ``unit``; z of ``xyz`` without it.  What is not finite or not
            positive is no measurement.
        xyz : numpy.ndarray, optional
            Floats, H x W x 3: organised points in ``unit``.
        unit, camera
            As the attributes ``unit`` and ``intrinsics``.
        mask, foreground : numpy.ndarray, optional
            bool or integers, H x W.  The label is whether the mask marks anything, and None without one.
        key : str
            What messages call it.

        Raises
        ------
        ParameterError
            If there is neither colour nor depth, or an array has another dtype or size.
        """
        for name, array in (("rgb", rgb), ("xyz", xyz)):
            if array is not None and not isinstance(array, np.ndarray):
                raise ParameterError(f"{name} must be a NumPy array, got {type(array).__name__}")
        if xyz is not None and xyz.dtype.kind != "f":
            raise ParameterError(f"xyz must be floats, got {xyz.dtype}")
        with np.errstate(over="ignore"):  # a float64 beyond float32 becomes inf, which is invalid
            points = None if xyz is None else xyz.astype(np.float32)
            z = None if depth is None else as_depth(depth).astype(np.float32)
        z = points_to_depth(points) if z is None and points is not None else z
        known_shapes(either=True, rgb=rgb, depth=z, xyz=points)
        size = next(array.shape[:2] for array in (rgb, z) if array is not None)
        marked = None if mask is None else as_mask(mask, size, "mask").copy()
        label = None if marked is None else int(marked.any())
        return cls(
            entry=Entry(key=key, split="", defect="", label=label, files={}),
            rgb=None if rgb is None else np.array(np.broadcast_to(rgb.reshape(*size, -1), (*size, 3))),
            depth=z,
            valid=None if z is None else measured(z),
            unit=unit,
            xyz=points,
            intrinsics=camera,
            mask=marked,
            foreground=None if foreground is None else as_mask(foreground, size, "foreground").copy(),
            grey=rgb is not None and rgb.ndim == 2,
        )

    @property
    def _named(self) -> tuple[str, ...]:
        return (repr(self.entry.key),)


def measured(depth: NDArray[Any]) -> NDArray[np.bool_]:
    """Return where depth is finite and > 0."""
    return np.asarray(np.isfinite(depth) & (depth > 0))
