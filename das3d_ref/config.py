"""Everything a training run depends on, as one tree of plain values: presets in TOML, single values overridden.

The sections are the dataclasses below, `das3d_aug.preprocessing.Preparation`, `das3d_aug.Recipe` (``synthesis``),
`NetworkConfig` and `LossConfig`; a value is named as in the TOML file, ``training.steps`` for instance.
"""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

from das3d_aug import Recipe
from das3d_aug.errors import ParameterError
from das3d_aug.preprocessing import Preparation
from das3d_ref.losses import LossConfig
from das3d_ref.networks import MODES, Mode, NetworkConfig

__all__ = ["PRESETS", "Config", "DataConfig", "ScoreConfig", "TrainingConfig"]

PRESETS = ("paper", "small", "demo", "smoke")


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
        (`das3d_aug.textures.PlainTextures`), or a folder of images, such as DTD's.
    """

    crop: int = 0
    normals: bool = False
    textures: tuple[str, ...] = ("procedural",)

    def __post_init__(self) -> None:
        if not self.textures or not all(isinstance(name, str) for name in self.textures):
            raise ParameterError(f"data.textures must be a list of names or folders, got {self.textures!r}")
        if self.crop:
            _whole("data.crop", self.crop, 16, 4096)


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
    workers: int = 0
    validate_every: int = 1000
    validation_anomalies: int = 48

    def __post_init__(self) -> None:
        for name, least, most in (
            ("steps", 1, 10**8),
            ("batch", 1, 4096),
            ("warmup", 0, 10**6),
            ("workers", 0, 128),
            ("validate_every", 1, 10**8),
            ("validation_anomalies", 1, 10**5),
        ):
            _whole(f"training.{name}", getattr(self, name), least, most)
        for name, low, high in (("learning_rate", 0, 1), ("weight_decay", 0, 10), ("clip", 0, 1e9)):
            if not low <= getattr(self, name) <= high:
                raise ParameterError(f"training.{name} must be {low:g} … {high:g}, got {getattr(self, name)!r}")
        if not 0 <= self.ema < 1:
            raise ParameterError(f"training.ema must be at least 0 and below 1, got {self.ema!r}")
        _one_of("training.schedule", self.schedule, ("cosine", "step"))
        _one_of("training.precision", self.precision, ("fp32", "bf16", "fp16"))


@dataclass(frozen=True, kw_only=True)
class ScoreConfig:
    """From the anomaly map to one number and a verdict.

    Attributes
    ----------
    window : int
        The image score is the largest mean over squares of this side, odd (21 at 256²; prior: DRAEM).
    false_positives : float
        The threshold lets this share of the good validation images pass for anomalous.
    """

    window: int = 21
    false_positives: float = 0.05

    def __post_init__(self) -> None:
        if _whole("score.window", self.window, 1, 1001) % 2 == 0:
            raise ParameterError(f"score.window must be odd, got {self.window!r}")
        if not 0 <= self.false_positives < 1:
            raise ParameterError(f"score.false_positives must be at least 0 and below 1, got {self.false_positives!r}")


@dataclass(frozen=True, kw_only=True)
class Config:
    """A whole training run.

    Attributes
    ----------
    mode : {"rgb", "depth", "rgbd"}
        What the detector looks at (Tables 1–4).
    seed : int
        Of the weights, the synthesis, the order and the crops.
    preparation, data, synthesis, network, loss, training, score
        The sections.  ``synthesis.modality`` follows the mode: a defect in a modality that is not looked at would be
        a wrong label.
    """

    mode: Mode = "rgbd"
    seed: int = 0
    preparation: Preparation = field(default_factory=Preparation)
    data: DataConfig = field(default_factory=DataConfig)
    synthesis: Recipe = field(default_factory=Recipe)
    network: NetworkConfig = field(default_factory=NetworkConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    score: ScoreConfig = field(default_factory=ScoreConfig)

    def __post_init__(self) -> None:
        _one_of("mode", self.mode, MODES)
        _whole("seed", self.seed, 0, 2**63 - 1)
        if self.preparation.normalise == "none":
            raise ParameterError("preparation.normalise must be 'image' or 'dataset', got 'none'")
        object.__setattr__(self, "synthesis", dataclasses.replace(self.synthesis, modality=self.mode))

    @classmethod
    def preset(cls, name: str) -> Config:
        """Return one of `PRESETS`."""
        _one_of("preset", name, PRESETS)
        return cls.from_dict(tomllib.loads(preset_text(name)))

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Config:
        """Build from nested dicts, as TOML and JSON have them.

        Raises
        ------
        ParameterError
            If a key is unknown or a value cannot be used.
        """
        _check_names("", cls, values)
        _check_types("", cls, values)
        sections = {name: type(section) for name, section in vars(cls()).items() if dataclasses.is_dataclass(section)}
        plain: dict[str, Any] = {
            name: _section(name, sections[name], value) if name in sections else value for name, value in values.items()
        }
        return cls(**plain)

    def override(self, assignments: Iterable[str]) -> Config:
        """Return a copy with some values replaced.

        Parameters
        ----------
        assignments : iterable of str
            ``"training.steps=100"``, ``"mode=rgb"``: a name and a TOML value; quotes around a word may be left out.

        Raises
        ------
        ParameterError
            If a name is unknown or a value cannot be used.
        """
        values = self.to_dict()
        for assignment in assignments:
            name, equals, text = assignment.partition("=")
            *path, last = name.strip().split(".")
            if not equals or len(path) > 1:
                raise ParameterError(f"{assignment!r} must be section.name=value, as in training.steps=100")
            target = values.get(path[0]) if path else values
            if not isinstance(target, dict) or last not in target or isinstance(target[last], dict):
                known = target if isinstance(target, dict) else values
                raise ParameterError(f"{name.strip()!r} is no setting; there are {', '.join(known)}")
            target[last] = _value(text.strip())
        return Config.from_dict(values)

    def to_dict(self) -> dict[str, Any]:
        """Return nested plain values, ready for JSON."""
        values = dataclasses.asdict(self)
        values["synthesis"] = self.synthesis.to_dict()
        values["preparation"] = self.preparation.to_dict()
        return values


def preset_text(name: str) -> str:
    """Return the TOML text of a preset, with its comments."""
    return (resources.files("das3d_ref") / "presets" / f"{name}.toml").read_text(encoding="utf-8")


def _section(name: str, cls: type[Any], values: Any) -> Any:
    """Build a section; `Recipe` and `Preparation` check their values themselves."""
    _check_names(f"{name}.", cls, values)
    if cls not in (Recipe, Preparation):
        _check_types(f"{name}.", cls, values)
    # Neither TOML nor JSON knows tuples, and TOML not None; of normalise, "none" is a value.
    return cls(
        **{
            key: None if value == "none" and key != "normalise" else tuple(value) if isinstance(value, list) else value
            for key, value in values.items()
        }
    )


def _check_names(prefix: str, cls: type[Any], values: Any) -> None:
    if not isinstance(values, dict):
        raise ParameterError(f"{prefix.rstrip('.') or 'configuration'} must be a section, got {values!r}")
    known = [entry.name for entry in dataclasses.fields(cls) if entry.init]
    if unknown := sorted(values.keys() - known):
        raise ParameterError(f"{prefix}{unknown[0]} is no setting; there are {', '.join(known)}")


def _check_types(prefix: str, cls: type[Any], values: dict[str, Any]) -> None:
    """Check that a value is of its default's type; whole numbers pass for floats, and lists for tuples."""
    defaults = vars(cls())
    for name, value in values.items():
        kind = type(defaults[name])
        fits = isinstance(value, {float: (int, float), tuple: (list, tuple)}.get(kind, kind))
        if not dataclasses.is_dataclass(kind) and (not fits or (isinstance(value, bool) and kind is not bool)):
            raise ParameterError(f"{prefix}{name} must be like {defaults[name]!r}, got {value!r}")


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _whole(name: str, value: int, least: int, most: int) -> int:
    if not least <= value <= most:
        raise ParameterError(f"{name} must be {least} … {most}, got {value!r}")
    return value


def _one_of(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ParameterError(f"{name} must be one of {', '.join(known)}, got {value!r}")
