"""The synthesis in torch, for other people's training loops: the only room of das3d_aug that imports it."""

from das3d_aug.adapters.dataset import AnomalyDataset
from das3d_aug.adapters.module import AnomalyModule

__all__ = ["AnomalyDataset", "AnomalyModule"]
