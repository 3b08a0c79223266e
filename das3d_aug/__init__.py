"""Dual-modality anomaly synthesis for RGB + depth inspection (DAS3D, arXiv 2410.09821, section 3.2).

>>> import numpy as np
>>> import das3d_aug as das
>>> rgb = np.full((64, 64, 3), 128, np.uint8)
>>> depth = np.linspace(0.4, 0.5, 64, dtype=np.float32)[:, None].repeat(64, axis=1)
>>> pair = das.synthesize(rgb, depth, seed=7)
>>> pair.rgb.shape, pair.depth.dtype, pair.mask.dtype
((64, 64, 3), dtype('float32'), dtype('bool'))
"""

from das3d_aug.errors import Das3dError, FileError, ForegroundError, ParameterError
from das3d_aug.synthesis import (
    AnomalyBatch,
    AnomalyPair,
    Plan,
    Recipe,
    blend_texture,
    find_foreground,
    foreground_mask,
    perlin_noise,
    refine_mask,
    render,
    skew_filter,
    skew_normal_kernel,
    synthesize,
    synthesize_batch,
    ternary_mask,
)

__all__ = [
    "AnomalyBatch",
    "AnomalyPair",
    "Das3dError",
    "FileError",
    "ForegroundError",
    "ParameterError",
    "Plan",
    "Recipe",
    "blend_texture",
    "find_foreground",
    "foreground_mask",
    "perlin_noise",
    "refine_mask",
    "render",
    "skew_filter",
    "skew_normal_kernel",
    "synthesize",
    "synthesize_batch",
    "ternary_mask",
]

__version__ = "0.1.0"
