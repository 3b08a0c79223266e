"""Gallery: one page to look through the samples of a folder, defect by defect, in a browser without a network.

Here lives what shows samples to a person who judges them; what a run writes does not depend on it.  It may import
everything but previews, fitting and transforms.
"""

from das3d_aug.gallery.page import Gallery, write_gallery

__all__ = ["Gallery", "write_gallery"]
