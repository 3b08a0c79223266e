"""Kinds of defects, one file each: what they draw, and what they do to the depth and the colour of a part.

Here lives only the shape of defects; how a shape becomes an image is in `das3d_aug.synthesis.defects`.  A kind may
import `base`, `shapes`, the noise and the ground.  Another package adds one by an entry point of ``das3d.kinds``.
"""

from das3d_aug.synthesis.kinds.base import Canvas, DefectKind
from das3d_aug.synthesis.kinds.registry import KINDS, kind_named, register_kind

__all__ = ["KINDS", "Canvas", "DefectKind", "kind_named", "register_kind"]
