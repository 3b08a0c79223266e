"""Fitting: a recipe brought near to a few real defects, and how far two sets of defects are from each other.

Here live figures of labelled defects that know no kind.  It may import everything but previews and transforms.
"""

from das3d_aug.fitting.distance import Distance, Gap, gap
from das3d_aug.fitting.fit import fit
from das3d_aug.fitting.folders import FittedRecipe, fit_folder, gap_folders
from das3d_aug.fitting.samples import synthetic_samples
from das3d_aug.fitting.statistics import DefectStatistics, measure

__all__ = [
    "DefectStatistics",
    "Distance",
    "FittedRecipe",
    "Gap",
    "fit",
    "fit_folder",
    "gap",
    "gap_folders",
    "measure",
    "synthetic_samples",
]
