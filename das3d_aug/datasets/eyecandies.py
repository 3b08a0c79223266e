"""Eyecandies: ``<category>/{train,val,test_public,test_private}/data/<id>_<item>``, rendered, 512 x 512.

=================== ==========================================================================================
image_0 … image_5   PNG under all spots, the bottom, right, top, left spot, and in the global light box
depth, info_depth   16-bit PNG d and YAML: depth = d / 65535 · (max − min) + min metres, with ``min`` and ``max``
                    under ``normalization``; no code is reserved for "no measurement", depth > 0 is valid
metadata            YAML with ``anomalous``: 0 or 1
mask                PNG, the union of ``bumps_mask``, ``dents_mask``, ``colors_mask`` and ``normals_mask``
normals, pose, …    listed if present, not opened
=================== ==========================================================================================

The private test samples have neither metadata nor masks.  The camera has f = 711.11 and c = 256 pixels.

Source: the documentation and code of the authors (github.com/eyecan-ai/eyecandies, ``docs/download.md`` and
``eyecandies/stages/depth.py``).  Their conversion to anomalib uses image_5, which is the default here.  The
preprocessing that M3DM published, and figures that rest on it, use image_4: ``light="left"``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import yaml
from numpy.typing import NDArray

from das3d_aug.datasets.base import Dataset, Entry, Sample
from das3d_aug.datasets.listing import Group, list_groups
from das3d_aug.datasets.names import shown
from das3d_aug.datasets.samples import measured
from das3d_aug.datasets.write_checks import known_shapes, safe_parts
from das3d_aug.errors import FileError, ParameterError, counted, quoted
from das3d_aug.files import contained, encode_mask, encode_png, read_plane, read_yaml
from das3d_aug.files.images import Compression
from das3d_aug.geometry import Intrinsics

__all__ = ["EyecandiesDataset", "encode_eyecandies"]

_SPLITS = {"train": "train", "val": "validation", "test_public": "test", "test_private": "test_private"}
_LIGHTS = ("all", "bottom", "right", "top", "left", "global")
_KINDS = ("bumps_mask", "dents_mask", "colors_mask", "normals_mask")
_ITEMS = {  # but for the images
    **dict.fromkeys(["depth", "normals", "mask", *_KINDS], ".png"),
    **dict.fromkeys(["info_depth", "metadata", "obj_params"], ".yaml"),
    "pose": ".txt",
}
_CAMERA = Intrinsics(711.11, 711.11, 256.0, 256.0)  # of 512 x 512
_MAX_YAML_BYTES = 2**12


class EyecandiesDataset(Dataset):
    """Eyecandies, the whole set or one category.

    `Entry.split` is ``train``, ``validation``, ``test`` or ``test_private``; `select` and the keys know the names of
    the folders too.  The label is 0 in train and validation and None in test_private.  In the public test it
    is in the metadata: those few bytes are the only ones read when the set is listed.  Where they cannot be
    read the label is None, and `open` says why.  The defect name is ``"anomalous"`` or empty: the set names
    kinds by pixel only, in the masks by kind (roles ``"bumps_mask"`` …).

    Parameters
    ----------
    root : pathlib.Path
        The folder.
    how : str
        How it was recognised.
    light : {"global", "all", "bottom", "right", "top", "left"} or int
        The image to take as rgb, by name or by number (0 … 5).

    Raises
    ------
    ParameterError
        If there is no such light.
    """

    layout = "eyecandies"
    expected = "<category>/{train,val,test_public,test_private}/data/ with <id>_depth.png in it"
    options = frozenset({"light"})

    def __init__(self, root: Path, how: str, *, light: str | int = "global") -> None:
        lights = [*_LIGHTS, *map(str, range(6))]
        if str(light) not in lights:
            raise ParameterError(f"light must be one of {', '.join(_LIGHTS)} or 0 … 5, got {light!r}")
        self.light = f"image_{lights.index(str(light)) % 6}"
        super().__init__(root, how, entries=_entries(root, self.light))

    @classmethod
    def recognise(cls, root: Path) -> str | None:
        """Look for ``<id>_depth.png`` in ``data/`` below a split of the root or of its folders."""
        groups = [group for group in _groups(root) if any(group.folder.glob("[0-9]*_depth.png"))]
        if not groups:
            return None
        first = groups[0].folder.relative_to(root).as_posix()
        return f"<id>_depth.png in {counted(len(groups), 'folder')} such as {first}/"

    @classmethod
    def load(cls, root: Path, how: str, **options: Any) -> Self:
        """List the samples of a recognised set or category."""
        return cls(root, how, **options)

    def select(self, *, split: str | None = None, category: str | None = None, label: int | None = None) -> Self:
        """Return a view, see `Dataset.select`; a split is named as in the entries or as its folder."""
        return super().select(split=_SPLITS.get(split or "", split), category=category, label=label)

    def open(self, entry: Entry) -> Sample:
        """Read one sample; see `Dataset.open`."""
        colour, depth = self.colour(entry), None
        if "depth" in self.roles:
            depth = _depth(self.file(entry, "depth"), self.file(entry, "info_depth"))
        label = _label(self.file(entry, "metadata")) if entry.split == "test" else entry.label
        if label == 1:
            self.file(entry, "mask")  # or it is named
        sample = self.assemble(entry, colour=colour, depth=depth, role="depth", label=label, unit="m")
        height, width = sample.shape
        return replace(sample, intrinsics=_CAMERA.scaled(height / 512, width / 512))

    def place(self, entry: Entry, role: str) -> Path:
        """Return where a missing file is expected, without extension; see `Dataset.place`."""
        folder = next(iter(entry.files.values())).parent
        return folder / f"{entry.key.rpartition('/')[2]}_{self.light if role == 'rgb' else role}"


def encode_eyecandies(
    key: str,
    *,
    rgb: NDArray[np.uint8],
    depth: NDArray[Any] | None,
    mask: NDArray[Any] | None = None,
    rgb_mask: NDArray[Any] | None = None,
    normal_depth: NDArray[Any] | None = None,
    compression: Compression = "default",
) -> dict[str, bytes]:
    """Encode a sample in the layout of Eyecandies, but for normals, pose and obj_params; nothing is written.

    Parameters
    ----------
    key : str
        ``<category>/{train,val,test_public}/<id>``, where the id is digits.
    rgb : numpy.ndarray
        uint8, H x W x 3, or H x W for grey; stored as all six images.
    depth : numpy.ndarray
        H x W, in metres if the result is to be like the released set.  Valid depth (finite and > 0) is read
        back within half a step, (max − min) / 65535 / 2, all other as 0.  If there is any other, ``min`` is 0,
        and valid depth below half a step becomes a whole one, to stay valid.
    mask : numpy.ndarray, optional
        H x W, non-zero where anomalous; a sample is anomalous if there is such a pixel.
    rgb_mask : numpy.ndarray, optional
        H x W, non-zero where the colour is anomalous: ``colors_mask``.
    normal_depth : numpy.ndarray, optional
        H x W, the depth without the anomaly.  Where both are valid, ``bumps_mask`` is what came nearer to the
        camera and ``dents_mask`` what went farther away.
    compression : {"none", "default", "small"}
        Of colour and depth, as for `das3d_aug.generation.generate`.

    Returns
    -------
    dict of str to bytes
        The content of each file by its relative path, with forward slashes.

    Raises
    ------
    ParameterError
        If shapes do not fit, the key has not this form, or a sample for training is anomalous.
    """
    known_shapes(rgb=rgb, depth=depth, mask=mask, rgb_mask=rgb_mask, normal_depth=normal_depth)
    parts = safe_parts(key)
    if len(parts) != 3 or parts[1] not in ("train", "val", "test_public") or not re.fullmatch("[0-9]+", parts[2]):
        raise ParameterError(f"key must be <category>/<train|val|test_public>/<digits>, got {key!r}")
    if depth is None:
        raise ParameterError("depth is needed: Eyecandies has no colour alone; use the layout folder or mvtec_ad")
    anomalous = mask is not None and bool(mask.any())
    if anomalous and parts[1] != "test_public":
        raise ParameterError(f"mask must be empty outside test_public, in {key!r} it is not")
    codes, low, high = _encode_depth(depth)
    nothing = np.zeros(depth.shape, dtype=bool)
    masks = dict.fromkeys(("mask", *_KINDS), nothing)
    if mask is not None:
        masks["mask"] = mask != 0
    if rgb_mask is not None:
        masks["colors_mask"] = rgb_mask != 0
    if normal_depth is not None:
        both = measured(depth) & measured(normal_depth)
        masks["bumps_mask"], masks["dents_mask"] = both & (depth < normal_depth), both & (depth > normal_depth)
    path = f"{parts[0]}/{parts[1]}/data/{parts[2]}"
    image = encode_png(rgb, compression=compression)
    return {
        **{f"{path}_image_{k}.png": image for k in range(6)},
        f"{path}_depth.png": encode_png(codes, compression=compression),
        f"{path}_info_depth.yaml": yaml.safe_dump({"normalization": {"max": high, "min": low}}).encode(),
        f"{path}_metadata.yaml": yaml.safe_dump({"anomalous": int(anomalous)}).encode(),
        **{f"{path}_{role}.png": encode_mask(plane) for role, plane in masks.items()},
    }


def _encode_depth(depth: NDArray[Any]) -> tuple[NDArray[np.uint16], float, float]:
    """Return codes, min and max."""
    valid = measured(depth)
    metres = np.where(valid, depth, 0).astype(np.float64)
    low, high = float(metres.min()), float(metres.max())
    codes = np.rint((metres - low) / (high - low or 1.0) * 65535)
    if low == 0.0:
        codes[valid] = np.maximum(codes[valid], 1)  # code 0 is read as invalid here
    return codes.astype(np.uint16), low, high


def _groups(root: Path) -> Iterator[Group]:
    return (group for group in list_groups(root, _SPLITS) if group.name == "data")


def _entries(root: Path, light: str) -> Iterator[Entry]:
    wanted = {light: ".png", **_ITEMS}
    for group in _groups(root):
        for number, items in _items(group.folder, wanted).items():
            files = {"rgb" if item == light else item: items[item] for item in wanted if item in items}
            label = _listed_label(root, group.split, files)
            yield Entry(
                key="/".join([*group.parts[:2], number]),
                split=group.split,
                defect="anomalous" if label == 1 else "",
                label=label,
                files=files,
                category=shown(group.category),
            )


def _items(folder: Path, wanted: Mapping[str, str]) -> dict[str, dict[str, Path]]:
    """Return the wanted files of a folder by sample and item."""
    samples: dict[str, dict[str, Path]] = {}
    try:
        for path in folder.iterdir():
            match = re.fullmatch(r"([0-9]+)_(\w+)", path.stem)
            if match and wanted.get(match[2]) == path.suffix:
                samples.setdefault(match[1], {})[match[2]] = path
    except OSError as error:
        raise FileError(folder, f"cannot be listed: {error.strerror}") from error
    return samples


def _listed_label(root: Path, split: str, files: Mapping[str, Path]) -> int | None:
    if split != "test":
        return None if split == "test_private" else 0
    try:
        return _label(contained(root, files["metadata"])) if "metadata" in files else None
    except FileError:  # `open` raises it
        return None


def _depth(path: Path, info_path: Path) -> NDArray[np.float32]:
    stored = read_plane(path)
    if stored.dtype != np.uint16:
        raise FileError(path, f"16-bit integers are expected, got {stored.dtype}")
    info = read_yaml(info_path, limit=_MAX_YAML_BYTES)
    try:
        low, high = (float(info["normalization"][name]) for name in ("min", "max"))
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise FileError(info_path, "the numbers min and max are expected under normalization") from error
    if not (math.isfinite(high - low) and low <= high):
        raise FileError(info_path, f"min <= max is expected, got {low!r} and {high!r}")
    with np.errstate(over="ignore"):  # beyond float32 is inf, which is invalid
        return (stored / 65535.0 * (high - low) + low).astype(np.float32)


def _label(path: Path) -> int:
    value = read_yaml(path, limit=_MAX_YAML_BYTES).get("anomalous")
    if not isinstance(value, (int, float)) or value not in (0, 1):
        raise FileError(path, f"anomalous: 0 or 1 is expected, got {quoted(value)}")
    return int(value)
