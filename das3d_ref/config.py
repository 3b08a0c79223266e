"""Everything a training run depends on, as one tree of plain values: presets in TOML, single values overridden.

The sections are the dataclasses below, `das3d_aug.preparation.Preparation`, `das3d_aug.Recipe` (``synthesis``),
`NetworkConfig` and `LossConfig`; a value is named as in the TOML file, ``training.steps`` for instance.
"""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from das3d_aug import Recipe
from das3d_aug._arguments import as_float
from das3d_aug.errors import FileError, ParameterError, brief, quoted
from das3d_aug.files import read_toml
from das3d_aug.preparation import Preparation
from das3d_aug.synthesis.donors import check_takes
from das3d_ref.config_sections import (
    MODES,
    DataConfig,
    FeaturesConfig,
    LossConfig,
    Mode,
    NetworkConfig,
    ScoreConfig,
    TrainingConfig,
    one_of,
    whole_number,
)

__all__ = ["PRESETS", "Config"]

PRESETS = ("paper", "small", "demo", "practical", "smoke")


@dataclass(frozen=True, kw_only=True)
class Config:
    """A whole training run.

    Attributes
    ----------
    mode : {"rgb", "depth", "rgbd"}
        What the detector looks at (Tables 1–4).
    seed : int
        Of the weights, the synthesis, the order and the crops.
    preparation, data, synthesis, features, network, loss, training, score
        The sections.  ``synthesis.modality`` follows the mode: a defect in a modality that is not looked at would be
        a wrong label.
    """

    mode: Mode = "rgbd"
    seed: int = 0
    preparation: Preparation = field(default_factory=Preparation)
    data: DataConfig = field(default_factory=DataConfig)
    synthesis: Recipe = field(default_factory=Recipe)
    features: FeaturesConfig = field(default_factory=FeaturesConfig)
    network: NetworkConfig = field(default_factory=NetworkConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    score: ScoreConfig = field(default_factory=ScoreConfig)

    def __post_init__(self) -> None:
        one_of("mode", self.mode, MODES)
        object.__setattr__(self, "seed", whole_number("seed", self.seed, 0, 2**63 - 1))
        if self.preparation.normalise == "none":
            raise ParameterError("preparation.normalise must be 'image' or 'dataset', got 'none'")
        if self.data.donors:
            check_takes(self.synthesis, "data.donors = true")
        object.__setattr__(self, "synthesis", dataclasses.replace(self.synthesis, modality=self.mode))

    @classmethod
    def preset(cls, name: str) -> Config:
        """Return one of `PRESETS`."""
        one_of("preset", name, PRESETS)
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
        values = _typed("", cls, values)
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
                raise ParameterError(f"{quoted(assignment)} must be section.name=value, as in training.steps=100")
            section = vars(self).get(path[0]) if path else self
            known = section if dataclasses.is_dataclass(section) else self
            if known is not section or last not in _names(known) or dataclasses.is_dataclass(getattr(known, last)):
                raise ParameterError(f"{quoted(name.strip())} is no setting; there are {', '.join(_names(known))}")
            (values[path[0]] if path else values)[last] = _value(text.strip())
        return Config.from_dict(values)

    def with_recipe(self, path: str | Path) -> Config:
        """Return a copy whose ``synthesis`` has what a recipe's TOML file names; the rest stays.

        Raises
        ------
        FileError
            If the file cannot be read, is not TOML, or a value cannot be used.
        """
        values = self.to_dict()
        values["synthesis"] |= read_toml(path)
        try:
            return Config.from_dict(values)
        except ParameterError as error:
            raise FileError(path, str(error)) from None

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
        values = _typed(f"{name}.", cls, values)
    # Neither TOML nor JSON knows tuples, and TOML not None; of these two, "none" is a value.
    kept = ("normalise", "encoder")
    plain = {key: None if value == "none" and key not in kept else value for key, value in values.items()}
    return cls(**{key: tuple(value) if isinstance(value, list) else value for key, value in plain.items()})


def _check_names(prefix: str, cls: type[Any], values: Any) -> None:
    if not isinstance(values, dict):
        raise ParameterError(f"{prefix.rstrip('.') or 'configuration'} must be a section, got {quoted(values)}")
    known = _names(cls)
    if unknown := sorted(map(str, values.keys() - known)):
        raise ParameterError(f"{prefix}{brief(unknown[0])} is no setting; there are {', '.join(known)}")


def _names(section: Any) -> list[str]:
    """Return what can be set in a section, whether or not its file needs to say it."""
    return [entry.name for entry in dataclasses.fields(section) if entry.init]


def _typed(prefix: str, cls: type[Any], values: dict[str, Any]) -> dict[str, Any]:
    """Check that a value is of its default's type; whole numbers become floats, and lists pass for tuples."""
    defaults, typed = vars(cls()), dict(values)
    for name, value in values.items():
        kind = type(defaults[name])
        fits = isinstance(value, {float: (int, float), tuple: (list, tuple)}.get(kind, kind))
        if not dataclasses.is_dataclass(kind) and (not fits or (isinstance(value, bool) and kind is not bool)):
            raise ParameterError(f"{prefix}{name} must be like {defaults[name]!r}, got {quoted(value)}")
        if kind is float:
            typed[name] = as_float(f"{prefix}{name}", value)
    return typed


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (
        ValueError,
        RecursionError,
    ):  # no TOML, too many digits, too deep: the setting's type says so
        return text
