"""Contact sheets: what a recipe, the preparation or a kind of defects does, and real defects beside synthetic ones.

Here live pictures for people; nothing that a run writes depends on them.  It may import everything but transforms.
"""

from das3d_aug.colouring import shade
from das3d_aug.preview.defects import defects_sheet
from das3d_aug.preview.kinds import kinds_sheet
from das3d_aug.preview.sheets import contact_sheet, preparation_sheet

__all__ = ["contact_sheet", "defects_sheet", "kinds_sheet", "preparation_sheet", "shade"]
