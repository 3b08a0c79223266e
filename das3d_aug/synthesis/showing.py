"""How a pair shows itself: a line of words, a row of pictures in a notebook, a figure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from das3d_aug.errors import Das3dError
from das3d_aug.files import encode_png

if TYPE_CHECKING:
    from das3d_aug.synthesis.pair import AnomalyPair

__all__ = ["describe", "figure", "row"]

_GREY, _GAP = 128, 4
_BLUE, _RED = np.array([33.0, 102.0, 172.0]), np.array([178.0, 24.0, 43.0])


def describe(pair: AnomalyPair) -> str:
    """Say in two lines what the pair holds and what has changed."""
    height, width = pair.mask.shape
    held = [f"{name} {array.dtype}" for name, array in (("rgb", pair.rgb), ("depth", pair.depth)) if array is not None]
    changed = [name for name, mask in (("rgb", pair.rgb_changed), ("depth", pair.depth_changed)) if mask.any()]
    words = "normal: nothing has changed"
    if changed:
        count = np.count_nonzero(pair.mask)
        words = f"{' and '.join(changed)} changed on {count} px ({count / pair.mask.size:.2%})"
    if pair.delta is not None and "depth" in changed:
        words += f", depth by {pair.delta.min():+.3g} … {pair.delta.max():+.3g}"
    return f"AnomalyPair({height} x {width}, {', '.join(held)}\n            {words})"


def row(pair: AnomalyPair) -> bytes:
    """Return the panels side by side, as PNG."""
    height = pair.mask.shape[0]
    gap = np.full((height, _GAP, 3), 255, np.uint8)
    pieces = [piece for _, panel in _panels(pair) for piece in (panel, gap)]
    return encode_png(np.hstack(pieces[:-1]))


def figure(pair: AnomalyPair) -> Any:
    """Return a matplotlib figure of the panels, with titles."""
    try:
        from matplotlib import pyplot
    except ImportError:
        raise Das3dError("show needs matplotlib: pip install matplotlib") from None
    panels = _panels(pair)
    drawn, axes = pyplot.subplots(1, len(panels), figsize=(3.2 * len(panels), 3.4), layout="constrained")
    for axis, (title, panel) in zip(axes, panels, strict=True):
        axis.imshow(panel)
        axis.set_title(title)
        axis.axis("off")
    return drawn


def _panels(pair: AnomalyPair) -> list[tuple[str, NDArray[np.uint8]]]:
    panels = []
    if pair.rgb is not None:
        image = pair.rgb if pair.rgb.dtype == np.uint8 else np.rint(pair.rgb * 255).astype(np.uint8)
        panels.append(("rgb", image if image.ndim == 3 else np.repeat(image[:, :, None], 3, axis=2)))
    if pair.depth is not None and pair.delta is not None:
        panels.append(("depth", _viridis(pair.depth)))
        peak = float(np.abs(pair.delta).max())
        panels.append((f"change of depth (red: deeper; ±{peak:.3g})", _diverging(pair.delta, peak)))
    panels.append(("mask", np.repeat(pair.mask[:, :, None], 3, axis=2) * np.uint8(255)))
    return panels


def _viridis(depth: NDArray[Any]) -> NDArray[np.uint8]:
    import cv2  # here, since loading it changes the environment of the process

    valid = (depth > 0) & (depth < np.inf)
    low, high = np.percentile(depth[valid], (1, 99)) if valid.any() else (0.0, 0.0)
    scaled = np.clip((np.where(valid, depth, low) - low) / max(high - low, 1e-12), 0, 1)
    colours = cv2.applyColorMap((scaled * 255).astype(np.uint8), cv2.COLORMAP_VIRIDIS)[:, :, ::-1].copy()
    colours[~valid] = _GREY
    return np.asarray(colours, np.uint8)


def _diverging(delta: NDArray[np.float32], peak: float) -> NDArray[np.uint8]:
    """Blue (less depth) – white (0) – red (more)."""
    share = (delta / (peak or 1.0))[:, :, None]
    end = np.where(share < 0, _BLUE, _RED)
    return np.asarray(np.rint(255.0 + np.abs(share) * (end - 255.0)), np.uint8)
