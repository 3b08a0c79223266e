"""Moved to `das3d_aug.files` with 0.2; this name goes with 0.3."""

import warnings

from das3d_aug.files import OrganizedCloud, read_organized

__all__ = ["OrganizedCloud", "read_organized"]

warnings.warn("das3d_aug.pointclouds has moved: import from das3d_aug.files", DeprecationWarning, stacklevel=2)
