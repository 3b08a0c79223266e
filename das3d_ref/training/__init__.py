"""Training: normal images in, a detector out; resumable.

Here live the images of a category, the examples made of them and the loop.  It may import metrics and model.
"""

from das3d_ref.training.images import Source, open_source
from das3d_ref.training.loop import train
from das3d_ref.training.run_folder import check_run

__all__ = ["Source", "check_run", "open_source", "train"]
