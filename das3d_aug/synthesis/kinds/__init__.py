"""Kinds of defects, a file each (`moved` has shear, stretch, bend and shift, `hole` the chunk at an edge too).

Here lives only the shape of defects; how it becomes an image is in `das3d_aug.synthesis.scene`.  A kind may
import `base`, `shapes`, the noise and the ground.  Another package adds one by an entry point of ``das3d.kinds``.
"""

from das3d_aug.synthesis.kinds.base import Canvas, DefectKind
from das3d_aug.synthesis.kinds.registry import KINDS, all_kinds, kind_named, register_kind

__all__ = ["KINDS", "Canvas", "DefectKind", "all_kinds", "kind_named", "register_kind"]
