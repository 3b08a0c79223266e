"""Preparation: background removed, resized, normalised (4.1), for one sample or a whole folder.

Here live its settings and its steps.  It may import runs, datasets, geometry, files and the ground.
"""

from das3d_aug.preparation.merging import is_prepared, merge_prepared
from das3d_aug.preparation.plane import Plane
from das3d_aug.preparation.policy import Decision, resolve_foreground
from das3d_aug.preparation.resize import parse_size, resize_sample
from das3d_aug.preparation.run import PreparationSummary, prepare
from das3d_aug.preparation.sample import Prepared, depth_range, padded_square, prepare_sample, remove_and_resize
from das3d_aug.preparation.settings import Preparation

__all__ = [
    "Decision",
    "Plane",
    "Preparation",
    "PreparationSummary",
    "Prepared",
    "depth_range",
    "is_prepared",
    "merge_prepared",
    "padded_square",
    "parse_size",
    "prepare",
    "prepare_sample",
    "remove_and_resize",
    "resize_sample",
    "resolve_foreground",
]
