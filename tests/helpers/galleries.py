"""What the tests of galleries share: a generated set, and what a page holds."""

from __future__ import annotations

import base64
import json
import re
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from helpers.dumps import put
from numpy.typing import NDArray

from das3d_aug.datasets.demo import make_part
from das3d_aug.files import encode_png, encode_tiff
from das3d_aug.generation import generate
from das3d_aug.synthesis import Recipe

HOSTILE = "a\"b'<img src=x onerror='window.hurt = 1'>&amp;{{ 7 * 7 }}@@title@@"


def write_parts(root: Path, *, count: int = 3, size: int = 64) -> Path:
    """MVTec 3D-AD: good biscuits, and one with a labelled dent."""
    for index in range(count):
        part = make_part("biscuit", seed=1, index=index, size=size)
        put(root / f"biscuit/train/good/rgb/{index:03d}.png", encode_png(part.rgb))
        put(root / f"biscuit/train/good/xyz/{index:03d}.tiff", encode_tiff(part.xyz))
    part = make_part("biscuit", seed=2, index=0, size=size, defect="dent")
    put(root / "biscuit/test/dent/rgb/000.png", encode_png(part.rgb))
    put(root / "biscuit/test/dent/xyz/000.tiff", encode_tiff(part.xyz))
    put(root / "biscuit/test/dent/gt/000.png", encode_png(part.mask.astype("uint8") * 255))
    return root


def write_generated(folder: Path, *, written_as: str = "mvtec3d", count: int = 6, size: int = 64) -> Path:
    """A set of large defects, some of one modality alone, beside ``parts/``."""
    parts = write_parts(folder / "parts", size=size)
    recipe = replace(Recipe.realistic(), size=(0.3, 0.6))
    generate(parts, folder / "made", recipe=recipe, count=count, seed=11, format=written_as)
    return folder / "made"


def held(page: Path) -> dict[str, Any]:
    """Return what a page holds."""
    (text,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page.read_text())
    found: dict[str, Any] = json.loads(text)
    return found


def inflated(text: str) -> NDArray[np.uint8]:
    return np.frombuffer(zlib.decompress(base64.b64decode(text)), np.uint8)


def unpacked(text: str, shape: tuple[int, ...]) -> NDArray[np.uint16]:
    """The slow, obvious way back from `das3d_aug.gallery.encode.differences`."""
    data = inflated(text).astype(int)
    high, low = data[: data.size // 2], data[data.size // 2 :]
    steps = (high * 256 + low).reshape(shape if len(shape) == 2 else (1, -1))
    out = np.zeros_like(steps)
    for row in range(steps.shape[0]):
        for column in range(steps.shape[1]):
            before = out[row, column - 1] if column else out[row - 1, 0] if row else 0
            out[row, column] = (before + steps[row, column]) % 65536
    return out.reshape(shape).astype(np.uint16)


def depth_of(sample: dict[str, Any], *, before: bool = False) -> NDArray[np.float64]:
    """The depth that a page holds of a sample; NaN where it is not measured."""
    width, height = sample["size"]
    codes = unpacked(sample["depth"], (height, width))
    if before:
        marked = inflated(sample["marks"]).reshape(height, width) > 0
        codes[marked] = unpacked(sample["depthBefore"], (int(marked.sum()),))
    low, high = sample["range"]
    return np.where(codes > 0, low + (codes - 1.0) / 65534 * (high - low), np.nan)
