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

_GAP = 4  # pixels


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
    from das3d_aug.colouring import colour_delta, colour_depth, depth_scale  # OpenCV changes the process's environment

    panels = []
    if pair.rgb is not None:
        image = pair.rgb if pair.rgb.dtype == np.uint8 else np.rint(pair.rgb * 255).astype(np.uint8)
        panels.append(("rgb", image if image.ndim == 3 else np.repeat(image[:, :, None], 3, axis=2)))
    if pair.depth is not None and pair.delta is not None:
        valid = (pair.depth > 0) & (pair.depth < np.inf)
        scale = depth_scale(pair.depth, valid, valid) if valid.any() else (0.0, 0.0)
        panels.append(("depth", colour_depth(pair.depth, valid, scale)))
        peak = float(np.abs(pair.delta).max())
        panels.append((f"change of depth (red: deeper; ±{peak:.3g})", colour_delta(pair.delta, peak)))
    panels.append(("mask", np.repeat(pair.mask[:, :, None], 3, axis=2) * np.uint8(255)))
    return panels
