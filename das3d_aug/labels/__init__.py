"""Labels: what detectors of objects are trained on, COCO and YOLO, of the samples of a folder.

Here lives what turns masks and records into outlines with names.  It may import everything but previews, galleries,
fitting and transforms.
"""

from das3d_aug.labels.writing import Labels, write_labels

__all__ = ["Labels", "write_labels"]
