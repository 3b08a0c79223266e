"""Training: normal images in, a detector out; resumable.

Here live the images of a category, the examples made of them and the loop.  It may import metrics and model.
"""

from das3d_ref.training.folder import check_run
from das3d_ref.training.loop import train
from das3d_ref.training.sources import Source, open_source

__all__ = ["Source", "check_run", "open_source", "train"]
