"""What the writers check of what they are given, before anything is encoded."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from das3d_aug.errors import ParameterError, quoted

__all__ = ["checked_key", "known_shapes", "safe_parts"]

_LONGEST = 240  # bytes, of the 255 that file systems take: a suffix follows
_SPLITS = ("train", "validation", "test")


def known_shapes(*, either: bool = False, **arrays: NDArray[Any] | None) -> None:
    """Check what a writer is given: ``rgb`` uint8 H x W x 3 or H x W (grey), all others of the same H x W.

    ``either`` says that the layout holds ``rgb`` or ``depth`` alone too.

    Raises
    ------
    ParameterError
        Naming the array that does not fit or is missing.
    """
    rgb, depth = arrays["rgb"], arrays.get("depth")
    first = depth if rgb is None and either else rgb
    if first is None:
        raise ParameterError("rgb or depth is needed" if either else "rgb is needed: this layout has no depth alone")
    if rgb is not None and (rgb.dtype != np.uint8 or rgb.shape[2:] not in ((), (3,)) or rgb.ndim < 2):
        raise ParameterError(f"rgb must be uint8, H x W x 3 or H x W, got {rgb.dtype} of shape {rgb.shape}")
    for name, array in arrays.items():
        if array is not None and name != "rgb":
            wanted = (*first.shape[:2], 3) if name == "xyz" else first.shape[:2]
            if array.shape != wanted:
                raise ParameterError(f"{name} must have the shape {wanted}, got {array.shape}")


def safe_parts(key: str) -> list[str]:
    """Split a key at its slashes, refusing what could lead out of the folder written to."""
    parts = key.split("/")
    if any(part in ("", ".", "..") or part.startswith(".") or "\\" in part or "\0" in part for part in parts):
        raise ParameterError(f"key must be visible names joined by '/', got {key!r}")
    if any(len(part.encode("utf-8", "replace")) > _LONGEST for part in parts):
        raise ParameterError(f"key must be names of at most {_LONGEST} bytes, got {quoted(key)}")
    return parts


def checked_key(key: str, mask: NDArray[Any] | None) -> list[str]:
    """Return the parts of a key of MVTec AD or MVTec 3D-AD, having checked that mask and defect agree."""
    parts = safe_parts(key)
    if len(parts) != 4 or parts[1] not in _SPLITS:
        raise ParameterError(f"key must be <category>/<{'|'.join(_SPLITS)}>/<defect>/<name>, got {key!r}")
    if parts[2] != "good" and mask is None:
        raise ParameterError(f"mask is needed for the anomalous sample {key!r}")
    if parts[2] == "good" and mask is not None and mask.any():
        raise ParameterError(f"mask must be empty for the good sample {key!r}; name a defect in the key")
    return parts
