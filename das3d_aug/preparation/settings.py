"""What is done to a sample before the synthesis and the detector (4.1), as plain values."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal

from das3d_aug.errors import ParameterError
from das3d_aug.preparation.resize import parse_size
from das3d_aug.randomness import check_seed

__all__ = ["Preparation"]

_CHOICES = {
    "refit": ("border", "image"),
    "normalise": ("image", "dataset", "none"),
    "fallback": ("error", "keep"),
    "foreground": ("auto", "all", "plane"),
}


@dataclass(frozen=True, kw_only=True)
class Preparation:
    """What is done to a sample; the defaults are `paper`'s.

    Parameters
    ----------
    distance : float
        Points nearer to the plane are background, on either side of it (paper: 0.005 m); 0 removes nothing.
    foreground : {"plane", "all", "auto"}
        Where the part is in samples that do not mark it.  "plane": the plane through the border is background.  "all":
        every valid pixel, for parts that fill the image.  "auto": "plane" if that is flat and something stands out of
        it, else "all", also without points and camera; a data set has one answer (`resolve_foreground`).
    ransac_distance : float
        Points nearer to a trial's plane vote for it (3D-ADS: 0.004 m).
    ransac_points, ransac_trials : int
        Points through which a trial's plane is fitted, at least 3, and trials (3D-ADS: 50 and 1000).  With 3,
        a border half of which is something else does no harm.
    border : int
        Width in pixels of the border whose points are tried (3D-ADS: 10).
    refit : {"border", "image"}
        The points to which the plane is fitted in the end: those of the border near it, as 3D-ADS, or of the whole
        image, which is better where the table is tilted or only partly in view.
    min_share : float
        A plane that holds a smaller share of the border's points is none (ours: tables in view of which the border
        shows a third pass, the same tables seen through a wrong camera do not).
    seed : int
        Seed of the trials, 0 … 2**64 - 1.
    pad : bool
        Pad with invalid black pixels to a square whose side is a multiple of 100 (3D-ADS).
    cluster_distance : float
        Keep only the largest cluster of the points that remain, in which neighbours are at most this far apart
        (DBSCAN; 3D-ADS: 0.006 m); 0 keeps all.
    cluster_points : int
        Neighbours that make a core point, itself included (3D-ADS: 30).
    size : int, "HxW", (height, width) or None
        Size of the result (paper: 256 x 256), None for the source's.  Colour is averaged; the rest takes the
        nearest pixel, so invalid depth never mixes with valid.
    normalise : {"image", "dataset", "none"}
        Depth to (0, 1) by the range of the image, by that of all normal training images, or not at all.
    fallback : {"error", "keep"}
        If no plane or no cluster is found: refuse the sample, or keep all of it and warn.  With "auto" this is for the
        single samples that differ from their set.
    unit : str
        The unit of the three distances.  They are converted to the sample's (m, cm, mm, um); a sample of another
        unit needs them in that unit, named here.
    xyz : bool
        Keep the points too.

    Raises
    ------
    ParameterError
        If a value has a wrong type or range.
    """

    distance: float = 0.005
    foreground: Literal["auto", "all", "plane"] = "plane"
    ransac_distance: float = 0.005
    ransac_points: int = 3
    ransac_trials: int = 1000
    border: int = 10
    refit: Literal["border", "image"] = "image"
    min_share: float = 0.3
    seed: int = 0
    pad: bool = False
    cluster_distance: float = 0.0
    cluster_points: int = 30
    size: int | str | tuple[int, int] | None = (256, 256)
    normalise: Literal["image", "dataset", "none"] = "image"
    fallback: Literal["error", "keep"] = "error"
    unit: str = "m"
    xyz: bool = False

    def __post_init__(self) -> None:
        for name, least in (("ransac_points", 3), ("ransac_trials", 1), ("border", 1), ("cluster_points", 1)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise ParameterError(f"{name} must be an integer of at least {least}, got {value!r}")
        for name in ("distance", "ransac_distance", "min_share", "cluster_distance"):
            value = getattr(self, name)
            number = isinstance(value, (int, float)) and not isinstance(value, bool)
            if not (number and 0 <= value < math.inf):
                raise ParameterError(f"{name} must be a finite number >= 0, got {value!r}")
        if self.ransac_distance == 0:
            raise ParameterError("ransac_distance must be positive, got 0")
        if self.min_share > 1:
            raise ParameterError(f"min_share must be at most 1, got {self.min_share!r}")
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise ParameterError(f"{name} must be one of {', '.join(choices)}, got {getattr(self, name)!r}")
        object.__setattr__(self, "seed", check_seed(self.seed))
        object.__setattr__(self, "size", parse_size(self.size))

    @classmethod
    def paper(cls) -> Preparation:
        """Return the settings of DAS3D: 0.005 m from the plane, 256 x 256, (0, 1)."""
        return cls()

    @classmethod
    def three_d_ads(cls) -> Preparation:
        """Return the settings of 3D-ADS, on which ShapeGuided and M3DM build too.

        Its released script finds the plane with 0.004 m, 50 points and 1000 trials, removes what is within
        0.005 m, pads, and keeps the largest cluster.
        """
        return cls(ransac_distance=0.004, ransac_points=50, refit="border", pad=True, cluster_distance=0.006)

    def to_dict(self) -> dict[str, Any]:
        """Return the settings by name, for JSON."""
        return asdict(self)

    def recorded(self) -> dict[str, Any]:
        """Return the settings as folders of prepared samples record them: "plane" is not, as before it was a choice."""
        return {name: value for name, value in asdict(self).items() if (name, value) != ("foreground", "plane")}
