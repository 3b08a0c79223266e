"""Model: the networks of section 3.3, their losses, what goes in, a trained detector and its file.

Here lives what a prediction needs.  It may import the configuration and das3d_aug.
"""

from das3d_ref.model.checkpoint import load_checkpoint
from das3d_ref.model.detector import Detector, Prediction
from das3d_ref.model.networks import DAS3DNetwork, UNet

__all__ = ["DAS3DNetwork", "Detector", "Prediction", "UNet", "load_checkpoint"]
