"""Generation: synthetic data sets on disk, and the demo set; one sample made again from its recipe.

Here lives what turns samples into written samples.  It may import everything but previews and transforms.
"""

from das3d_aug.datasets.base import normal_entries
from das3d_aug.generation.breakdown import Breakdown
from das3d_aug.generation.demo_data import write_demo_set
from das3d_aug.generation.merging import merge
from das3d_aug.generation.on_ray import generate_on_ray
from das3d_aug.generation.replaying import Replay, replay
from das3d_aug.generation.run import generate
from das3d_aug.generation.spreads import Spread
from das3d_aug.generation.summary import Summary

__all__ = [
    "Breakdown",
    "Replay",
    "Spread",
    "Summary",
    "generate",
    "generate_on_ray",
    "merge",
    "normal_entries",
    "replay",
    "write_demo_set",
]
