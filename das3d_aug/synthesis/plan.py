"""What was drawn for one sample, in plain numbers.

A plan says everything that a sample needs beside its input, goes to JSON and back without loss, and renders to the
same bytes anywhere.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import Any, Literal

from das3d_aug._arguments import check_number, check_option, check_shape, check_whole
from das3d_aug.errors import ParameterError
from das3d_aug.synthesis.foreground import DepthAxis
from das3d_aug.textures import TexturePlan

__all__ = ["Plan"]

VERSION = 1  # of the plan's fields and of what they mean


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything that was drawn for one sample (`Recipe.draw`), in plain numbers.

    Attributes
    ----------
    shape : (int, int)
        Height and width of the pair, in pixels.
    anomalous : bool
        False: the sample stays as it is.
    drop_rgb, drop_depth : bool
        The modality stays as it is (``d_I``, ``d_Z`` of eq. 12).
    noise_seed : int
        64-bit key of the Perlin noise.
    resolution : (int, int)
        Noise cells over the height and the width.
    rotation : float
        Rotation of the noise, in degrees.
    threshold : float
        ``t_p`` of eq. 1; unused where ``area`` is given.
    area : float or None
        Share of the foreground that the ternary mask covers; ``t_p`` is then that quantile of the noise.
    skew : bool
        False: ``Delta_Z = M_t``, without the filter (Table 6).
    alpha : (float, float)
        Skew in 1/px along rows and columns (eq. 3).
    covariance : (float, float, float)
        ``Sigma`` in px²: row variance, covariance, column variance.
    dent, bump : float
        ``p_z`` of positive and of negative change (eq. 6), in ``magnitude_unit``.
    magnitude_unit : {"range", "depth"}
        Of the object's range of depth, or the depth's own unit.
    mask_threshold : float
        ``t_h`` of eq. 7, in ``magnitude_unit``.
    depth_axis : {"away", "towards"}
        Whether depth is a distance from the camera or a height towards it.
    beta : float
        Share of the image that stays (eq. 8).
    texture : TexturePlan
        Which texture, where, and how varied.
    version : int
        Of this format.
    """

    shape: tuple[int, int]
    anomalous: bool
    drop_rgb: bool
    drop_depth: bool
    noise_seed: int
    resolution: tuple[int, int]
    rotation: float
    threshold: float
    area: float | None
    skew: bool
    alpha: tuple[float, float]
    covariance: tuple[float, float, float]
    dent: float
    bump: float
    magnitude_unit: Literal["range", "depth"]
    mask_threshold: float
    depth_axis: DepthAxis
    beta: float
    texture: TexturePlan
    version: int = VERSION

    def with_texture(self, name: str) -> Plan:
        """Return the plan with its texture's name filled in."""
        # What `dataclasses.replace` does, without checking and setting every other field: it runs for each sample.
        texture, plan = object.__new__(TexturePlan), object.__new__(Plan)
        texture.__dict__.update(self.texture.__dict__, name=name)
        plan.__dict__.update(self.__dict__, texture=texture)
        return plan

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers, strings, lists and dicts, ready for JSON."""
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        values["texture"] = self.texture.to_dict()
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Plan:
        """Rebuild a plan from `to_dict`.

        Raises
        ------
        ParameterError
            If a key is missing or unknown, the version is newer than this program, or a value cannot be used.
        """
        if not isinstance(values, dict):
            raise ParameterError(f"plan must be a dict, got {type(values).__name__}")
        if values.get("version") != VERSION:
            raise ParameterError(f"plan has version {values.get('version')!r}; this das3d reads version {VERSION}")
        names = {f.name for f in dataclasses.fields(cls)}
        if values.keys() != names:
            raise ParameterError(f"plan has missing or unknown keys: {sorted(values.keys() ^ names)}")
        plain: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in values.items()
        }
        plan = cls(**plain | {"texture": TexturePlan.from_dict(values["texture"])})
        _check(plan)
        return plan

    def to_json(self) -> str:
        """Return the plan as one line of JSON."""
        return json.dumps(self.to_dict())

    @classmethod
    def from_json(cls, text: str) -> Plan:
        """Rebuild a plan from `to_json`; raises `ParameterError` as `from_dict` does."""
        try:
            values = json.loads(text)
        except (TypeError, ValueError) as error:
            raise ParameterError(f"plan is not JSON: {error}") from None
        return cls.from_dict(values)


def _check(plan: Plan) -> None:
    """Refuse numbers that the kernels cannot take (a plan may come from a file)."""
    check_shape(plan.shape)
    for name in ("anomalous", "drop_rgb", "drop_depth", "skew"):
        if not isinstance(getattr(plan, name), bool):
            raise ParameterError(f"{name} must be true or false, got {getattr(plan, name)!r}")
    check_whole("noise_seed", plan.noise_seed, 0, 2**64 - 1)
    for name, length in (("resolution", 2), ("alpha", 2), ("covariance", 3)):
        value = getattr(plan, name)
        if not isinstance(value, tuple) or len(value) != length:
            raise ParameterError(f"{name} must be {length} numbers, got {value!r}")
    for cells in plan.resolution:
        check_whole("resolution", cells, 1, 4096)
    for value in (*plan.alpha, *plan.covariance):
        check_number("alpha and covariance", value, -1e6, 1e6)
    row, both, column = plan.covariance
    if row <= 0 or row * column - both * both <= 0:
        raise ParameterError(f"covariance must be positive definite, got {plan.covariance!r}")
    check_number("rotation", plan.rotation, -360, 360)
    check_number("threshold", plan.threshold, 0, 1)
    if plan.area is not None:
        check_number("area", plan.area, 1e-6, 1)
    for name in ("dent", "bump"):
        check_number(name, getattr(plan, name), 0, 1e9)
    check_number("mask_threshold", plan.mask_threshold, 1e-12, 1e9)
    check_number("beta", plan.beta, 0, 1)
    check_option("magnitude_unit", plan.magnitude_unit, ("range", "depth"))
    check_option("depth_axis", plan.depth_axis, ("away", "towards"))
