"""The detector of DAS3D: two reconstruction networks, a dual-modal discriminator, training and evaluation.

>>> from das3d_ref import Config
>>> config = Config.preset("demo").override(["mode=depth", "training.steps=500"])
>>> config.training.steps
500

With a folder of data, ``open_source`` prepares one category, ``train`` learns from its normal images, and
``Detector.load`` reads what that wrote::

    source = open_source("mvtec3d", category="bagel", config=config, cache="prepared")
    train(source, "detector", config=config)
    print(evaluate(Detector.load("detector"), source).figures)

Names load when they are used: a configuration is read and checked without torch, which takes seconds.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from das3d_ref.config import PRESETS, Config
    from das3d_ref.evaluation import Evaluation, evaluate, predict_all, score_maps
    from das3d_ref.model import Detector, Prediction
    from das3d_ref.training import Source, open_source, train

__all__ = [
    "PRESETS",
    "Config",
    "Detector",
    "Evaluation",
    "Prediction",
    "Source",
    "evaluate",
    "open_source",
    "predict_all",
    "score_maps",
    "train",
]

_ROOMS = {
    "config": ("PRESETS", "Config"),
    "evaluation": ("Evaluation", "evaluate", "predict_all", "score_maps"),
    "model": ("Detector", "Prediction"),
    "training": ("Source", "open_source", "train"),
}


def __getattr__(name: str) -> Any:
    for room, names in _ROOMS.items():
        if name in names:
            return getattr(import_module(f"das3d_ref.{room}"), name)
    raise AttributeError(f"module 'das3d_ref' has no attribute {name!r}")
