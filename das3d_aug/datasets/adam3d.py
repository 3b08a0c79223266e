"""3D-ADAM: ``<category>/{train,test}/<defect>/{rgb/NAME.png, xyz/NAME.tiff, ground_truth/NAME.png}``.

This is the layout of the set's release for anomaly detection, which is that of MVTec 3D-AD but for the name of
the mask folder (README of the authors' benchmarks, github.com/PaulMcHard/Anomalib_3D-ADAM, and anomalib's
``ADAM3D``, 2026).  There is one mask per image: the raw set has one per defect, the release has merged them.

The unit of xyz is not documented.  The authors' converter (``utils/ply_to_tiff_all.py``) stores the depth of
each scan scaled to [0, 1], 0 = no measurement, three times instead of x, y and z; such files give depth but no
points.  It compresses them with LZW.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from das3d_aug.datasets.mvtec3d import MVTec3DDataset
from das3d_aug.datasets.samples import Entry, Sample

__all__ = ["ADAM3DDataset"]


class ADAM3DDataset(MVTec3DDataset):
    """3D-ADAM, the whole set or one category."""

    layout = "adam3d"
    expected = "<category>/{train,test}/<defect>/ with rgb/ and xyz/ in it and masks in ground_truth/"
    masks = "ground_truth"
    unit = "unknown"

    def open(self, entry: Entry) -> Sample:
        """Read one sample, see `Dataset.open`; xyz is None if it is one depth stored three times."""
        sample = super().open(entry)
        xyz = sample.xyz
        if xyz is not None and np.array_equal(xyz, np.broadcast_to(xyz[:, :, 2:], xyz.shape), equal_nan=True):
            return replace(sample, xyz=None)
        return sample
