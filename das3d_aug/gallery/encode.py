"""How the arrays of a sample travel in a page: pictures as WebP, depth in 16 bits, masks in 8.

Depth is written as steps of one range, 0 for "not measured", each as its difference from the one on its left (the
first of a row from the one above it), the low bytes after the high ones, deflated.  A browser inflates that without
a library and to the same numbers; of a 16-bit PNG its canvas would leave 8 bits.
"""

from __future__ import annotations

import base64
import json
import zlib
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["Pool", "as_json", "deflated", "differences", "mark", "ramp", "steps"]

_MOST = 65535
_JPEG = [
    cv2.IMWRITE_JPEG_QUALITY, 95, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
]  # fmt: skip
_WEBP = [cv2.IMWRITE_WEBP_QUALITY, 85]  # as OpenCV counts


class Pool:
    """Pictures of a page, each once: several samples may have one source.

    Parameters
    ----------
    quick : bool
        Whether the page is not kept: all is made at once, and larger.

    Attributes
    ----------
    level : int
        How much work is spent to make numbers small, 1 … 9.
    urls : list of str
        ``data:`` addresses; samples name them by their position.
    """

    def __init__(self, *, quick: bool = False) -> None:
        self._encoding = ("jpeg", _JPEG) if quick else ("webp", _WEBP)
        self.level = 1 if quick else 9
        self.urls: list[str] = []
        self._places: dict[str, int] = {}

    def add(self, picture: NDArray[np.uint8]) -> int:
        """Return the position of a picture, uint8, H x W x 3."""
        name, options = self._encoding
        _, code = cv2.imencode(f".{name}", picture[:, :, ::-1], options)
        url = f"data:image/{name};base64,{base64.b64encode(code.tobytes()).decode()}"
        if url not in self._places:
            self._places[url] = len(self.urls)
            self.urls.append(url)
        return self._places[url]


def steps(depth: NDArray[np.float32], valid: NDArray[np.bool_], low: float, high: float) -> NDArray[np.uint16]:
    """Return depth in 65534 steps from ``low`` (1) to ``high`` (65535); 0 where it is not valid."""
    share = (np.where(valid, depth, low).astype(np.float64) - low) / ((high - low) or 1.0)
    return np.where(valid, 1 + np.rint(share.clip(0, 1) * (_MOST - 1)), 0).astype(np.uint16)


def differences(codes: NDArray[np.uint16]) -> NDArray[np.uint8]:
    """Return a plane of steps, or a row of some, as bytes that deflate well."""
    plane = np.atleast_2d(codes)
    out = plane.copy()  # wraps around, which adding undoes
    out[:, 1:] -= plane[:, :-1]
    out[1:, :1] -= plane[:-1, :1]
    return np.concatenate([(out >> 8).astype(np.uint8).ravel(), (out & 255).astype(np.uint8).ravel()])


def deflated(data: NDArray[np.uint8], level: int = 9) -> str:
    """Return bytes deflated (RFC 1950), in base64."""
    return base64.b64encode(zlib.compress(data.tobytes(), level)).decode()


def mark(where: NDArray[np.bool_], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Return a mask at a smaller size: a pixel is marked that covers any that was."""
    if where.shape == shape:
        return where
    return np.asarray(cv2.resize(where.astype(np.float32), shape[::-1], interpolation=cv2.INTER_AREA) > 0)


def ramp() -> str:
    """Return the colours of depth from near to far: 256 times three bytes, in hexadecimal digits."""
    colours = cv2.applyColorMap(np.arange(256, dtype=np.uint8)[:, None], cv2.COLORMAP_VIRIDIS)
    return colours[:, 0, ::-1].tobytes().hex()


def as_json(data: Any) -> str:
    """Return JSON for an element of a page: no text of a file name or recipe can end the element that holds it."""
    return json.dumps(data, allow_nan=False).replace("<", "\\u003c").replace("&", "\\u0026")
