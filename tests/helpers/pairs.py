"""Pairs to synthesise on, the recipes of the goldens, and digests of results."""

import hashlib
from pathlib import Path

import numpy as np

from das3d_aug import Recipe, synthesize
from das3d_aug.synthesis.kinds import KINDS

GOLDEN = Path(__file__).parent.parent / "golden" / "synthesis.json"


RECIPES = {
    "default": Recipe(),
    "paper": Recipe(area=None, anisotropy=(1, 1)),
    "no skew": Recipe(skew=False, dropout=0),
    "absolute": Recipe(magnitude_unit="depth", magnitude=(0.002, 0.01), mask_threshold=0.0005),
    "wide": Recipe(sigma=(5, 9), dropout=0.2, bump_magnitude=(0.4, 0.9)),
    "realistic": Recipe.realistic(),
    **{f"kind {kind}": Recipe(kinds={kind: 1}, dropout=0) for kind in KINDS},
}


def bowl(height=96, width=120, tilt=0.0, noise=0.0, seed=0):
    """A half sphere on a (tilted) table, as a pinhole camera sees it; metres."""
    y, x = np.mgrid[:height, :width]
    table = 0.6 / (1 + tilt * (y - height / 2) / height + 0.5 * tilt * (x - width / 2) / width)
    radius = np.hypot(y - height / 2, x - width / 2) / (min(height, width) / 3)
    part = radius < 1
    depth = table - 0.04 * np.sqrt(np.clip(1 - radius**2, 0, 1))
    depth += noise * np.random.default_rng(seed).normal(size=depth.shape)
    return depth.astype(np.float32), part


def pair(height=96, width=120, seed=0, dtype=np.uint8):
    depth, _ = bowl(height, width, noise=2e-4, seed=seed)
    rgb = np.random.default_rng(seed).integers(0, 256, (height, width, 3))
    return (rgb.astype(np.uint8) if dtype is np.uint8 else (rgb / 255).astype(np.float32)), depth


def digest(result):
    arrays = (result.rgb, result.depth, result.mask, result.delta, result.rgb_changed, result.depth_changed)
    return hashlib.sha256(b"".join(a.tobytes() for a in arrays) + result.plan.to_json().encode()).hexdigest()


def sample(index, epoch=0, seed=3, recipe=None):
    """Return the digest of a sample of the usual pair: what worker processes compute."""
    rgb, depth = pair()
    recipe = recipe or Recipe(area=(0.01, 0.3))
    return digest(synthesize(rgb, depth, recipe=recipe, seed=seed, epoch=epoch, index=index))


def formula_pair(dtype=np.uint8):
    """Return a pair of plain arithmetic, so that the input itself is the same everywhere."""
    y, x = np.mgrid[:72, :90].astype(np.float32)
    depth = 0.5 - 0.1 * np.maximum(0, 1 - ((y - 36) ** 2 + (x - 45) ** 2) / np.float32(900))
    values = ((y * 7 + x * 13)[..., None] + np.arange(3) * 50).astype(np.int64) % 256
    rgb = values.astype(np.uint8) if dtype is np.uint8 else (values / 256).astype(np.float32)
    return rgb, depth.astype(np.float32)


def golden_digests():
    digests = {}
    for name, recipe in RECIPES.items():
        for dtype in (np.uint8, np.float32):
            rgb, depth = formula_pair(dtype)
            digests[f"{name}, {np.dtype(dtype).name}"] = [
                digest(synthesize(rgb, depth, recipe=recipe, seed=42, index=k))[:16] for k in range(4)
            ]
    return digests
