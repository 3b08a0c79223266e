"""Own images: ``rgb/`` (or ``color/``) beside ``depth/`` with equal stems; ``mask/`` and ``foreground/``.

Depth is a 16-bit PNG or PGM, a float or integer TIFF, npy or npz.  How the stored number becomes depth is
named by the user and never guessed:

=========== ==============================================================================================
plain       depth = stored / depth_scale (TUM: ``depth_scale=5000, unit="m"``; most cameras: ``unit="mm"``)
sunrgbd     SUN RGB-D: the 16 bits rotated right by 3 give millimetres
nyu         NYU v2 raw Kinect: the bytes swapped give a disparity d, and depth = 351.3 / (1092.5 − d) m
=========== ==============================================================================================

A SUN RGB-D file read as plain cannot be told from depth: its large steps only look wrong.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from das3d_aug.datasets.base import Dataset, Entry, Sample, check_size, known_shapes, list_files, safe_parts
from das3d_aug.errors import FileError, ParameterError
from das3d_aug.files import contained, encode_png, encode_tiff, read_plane, read_rgb
from das3d_aug.geometry import Intrinsics

__all__ = ["FolderDataset", "encode_folder"]

_ENCODINGS = ("plain", "sunrgbd", "nyu")
_COLOUR = (".png", ".jpg", ".jpeg", ".ppm", ".bmp", ".tif", ".tiff")
_PLANE = (".png", ".pgm", ".tif", ".tiff", ".npy", ".npz")


class FolderDataset(Dataset):
    """Own RGB-D images in one folder.

    Parameters
    ----------
    root : pathlib.Path
        The folder; ``intrinsics.json`` or ``camera.json`` in it is read as the camera.
    how : str
        How it was recognised.
    depth_scale : float, optional
        Stored units per unit of depth.  Without it numbers stay as stored, and integers get the unit
        ``"raw"`` unless ``unit`` is given.
    unit : str, optional
        The unit of depth; ``"unknown"`` if not given (``"mm"`` for sunrgbd and nyu without ``depth_scale``).
    encoding : {"plain", "sunrgbd", "nyu"}
        What the stored numbers mean.

    Raises
    ------
    ParameterError
        If an option has an impossible value.
    FileError
        If two files of one folder share a stem.
    """

    layout = "folder"
    expected = "rgb/ or color/ beside depth/"
    options = frozenset({"depth_scale", "unit", "encoding"})

    def __init__(
        self,
        root: Path,
        how: str,
        *,
        depth_scale: float | None = None,
        unit: str | None = None,
        encoding: str = "plain",
    ) -> None:
        if depth_scale is not None and not (math.isfinite(depth_scale) and depth_scale > 0):
            raise ParameterError(f"depth_scale must be positive, got {depth_scale!r}")
        if encoding not in _ENCODINGS:
            raise ParameterError(f"encoding must be one of {', '.join(_ENCODINGS)}, got {encoding!r}")
        self.depth_scale = depth_scale
        self.unit = unit
        self.encoding = encoding
        super().__init__(root, how, entries=_entries(root))

    @classmethod
    def recognise(cls, root: Path) -> str | None:
        """Look for a colour folder beside ``depth/``."""
        colour = _colour(root)
        return f"{colour}/ beside depth/" if colour and (root / "depth").is_dir() else None

    @classmethod
    def load(cls, root: Path, how: str, **options: Any) -> Self:
        """List the samples of a recognised folder."""
        return cls(root, how, **options)

    def open(self, entry: Entry) -> Sample:
        """Read one sample; see `Dataset.open`."""
        rgb_path, depth_path = self.file(entry, "rgb"), self.file(entry, "depth")
        rgb = read_rgb(rgb_path)
        depth, unit = self._depth(depth_path)
        check_size(depth_path, depth.shape, partner=rgb_path, expected=rgb.shape)
        return Sample(
            entry=entry,
            rgb=rgb,
            depth=depth,
            valid=np.isfinite(depth) & (depth > 0),
            unit=unit,
            intrinsics=self._camera(),
            mask=self._plane(entry, "mask", rgb_path, rgb.shape),
            foreground=self._plane(entry, "foreground", rgb_path, rgb.shape),
        )

    def _plane(self, entry: Entry, role: str, partner: Path, size: tuple[int, ...]) -> NDArray[np.bool_] | None:
        if role not in entry.files:
            return None
        path = self.file(entry, role)
        plane: NDArray[np.bool_] = read_plane(path) > 0
        check_size(path, plane.shape, partner=partner, expected=size)
        return plane

    def _camera(self) -> Intrinsics | None:
        for name in ("intrinsics.json", "camera.json"):
            path = self.root / name
            if path.exists():
                return Intrinsics.from_json(contained(self.root, path))
        return None

    def _depth(self, path: Path) -> tuple[NDArray[np.float32], str]:
        stored = read_plane(path)
        if self.encoding != "plain":
            if stored.dtype != np.uint16:
                raise FileError(path, f"encoding {self.encoding!r} needs 16-bit integers, got {stored.dtype}")
            depth = _sunrgbd(stored) if self.encoding == "sunrgbd" else _nyu(stored)
            unit = self.unit or ("mm" if self.depth_scale is None else "unknown")
        else:
            if path.suffix.lower() == ".pgm" and stored.dtype == np.uint16 and _looks_swapped(stored):
                raise FileError(path, "looks like raw Kinect disparity with swapped bytes; open with encoding='nyu'")
            depth = stored
            raw = stored.dtype.kind != "f" and self.depth_scale is None
            unit = self.unit or ("raw" if raw else "unknown")
        if self.depth_scale is not None:
            depth = depth / np.float64(self.depth_scale)
        with np.errstate(over="ignore"):  # a float64 beyond float32 becomes inf, which is invalid
            return depth.astype(np.float32), unit


def encode_folder(
    key: str,
    *,
    rgb: NDArray[np.uint8],
    depth: NDArray[Any],
    mask: NDArray[Any] | None = None,
    rgb_mask: NDArray[Any] | None = None,
    depth_mask: NDArray[Any] | None = None,
) -> dict[str, bytes]:
    """Encode a sample in the folder layout; nothing is written.

    Parameters
    ----------
    key : str
        Its name; ``a/b`` becomes the stem ``a__b``.
    rgb : numpy.ndarray
        uint8, H x W x 3.
    depth : numpy.ndarray
        H x W; uint16 becomes a 16-bit PNG, everything else a float32 TIFF.
    mask, rgb_mask, depth_mask : numpy.ndarray, optional
        H x W, non-zero where anomalous (anywhere, in colour, in depth); stored as 0 and 255.

    Returns
    -------
    dict of str to bytes
        The content of each file by its relative path, with forward slashes.

    Raises
    ------
    ParameterError
        If shapes or dtypes do not fit, or the key is not a safe name.
    """
    known_shapes(rgb=rgb, depth=depth, mask=mask, rgb_mask=rgb_mask, depth_mask=depth_mask)
    parts = safe_parts(key)
    name = "__".join(parts)
    if len(parts) > 1 and name.split("__") != parts:
        raise ParameterError(f"key must not hold '__' beside '/', two keys could get one name, got {key!r}")
    files = {f"rgb/{name}.png": encode_png(rgb)}
    if depth.dtype == np.uint16:
        files[f"depth/{name}.png"] = encode_png(depth)
    else:
        files[f"depth/{name}.tiff"] = encode_tiff(depth.astype(np.float32))
    for folder, plane in (("mask", mask), ("rgb_mask", rgb_mask), ("depth_mask", depth_mask)):
        if plane is not None:
            files[f"{folder}/{name}.png"] = encode_png((plane != 0).astype(np.uint8) * np.uint8(255))
    return files


def _colour(root: Path) -> str | None:
    return next((name for name in ("rgb", "color") if (root / name).is_dir()), None)


def _entries(root: Path) -> Iterable[Entry]:
    roles = {"rgb": list_files(root / (_colour(root) or "rgb"), _COLOUR)}
    for role in ("depth", "mask", "foreground"):
        roles[role] = list_files(root / role, _PLANE)
    for stem in roles["rgb"].keys() | roles["depth"].keys():
        files = {role: found[stem] for role, found in roles.items() if stem in found}
        yield Entry(key=stem, split="", defect="", label=None, files=files)


def _sunrgbd(stored: NDArray[np.uint16]) -> NDArray[Any]:
    """Return millimetres: the writer of SUN RGB-D rotated them left by three bits."""
    return (stored >> 3) | (stored << 13)


def _nyu(stored: NDArray[np.uint16]) -> NDArray[np.float64]:
    """Return millimetres, 0 where the disparity has none."""
    disparity = stored.byteswap().astype(np.float64)  # whole numbers: 1092.5 is never met
    return np.maximum(351.3 / (1092.5 - disparity) * 1000, 0)


def _looks_swapped(stored: NDArray[np.uint16]) -> bool:
    """Most numbers are beyond 11 bits, but not with their bytes swapped: true of 3 % of honest numbers."""
    return bool(np.mean((stored > 2048) & (stored.byteswap() < 2048)) > 0.6)
