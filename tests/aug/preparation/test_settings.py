"""Settings of the preparation: wrong ones are named, equal ones are equal."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from das3d_aug.errors import ParameterError
from das3d_aug.preparation import Preparation


@pytest.mark.parametrize(
    "wrong",
    [
        {"distance": -1.0},
        {"distance": np.nan},
        {"distance": "near"},
        {"ransac_distance": 0},
        {"ransac_points": 2},
        {"ransac_trials": 0},
        {"border": 0},
        {"border": 1.5},
        {"min_share": 1.1},
        {"cluster_distance": -1},
        {"cluster_points": 0},
        {"refit": "all"},
        {"normalise": True},
        {"fallback": "guess"},
        {"foreground": "some"},
        {"size": "big"},
        {"seed": -1},
    ],
    ids=str,
)
def test_wrong_settings_are_named(wrong: dict[str, Any]) -> None:
    with pytest.raises(ParameterError, match=f"^{next(iter(wrong))} must"):
        Preparation(**wrong)


def test_settings_are_json_and_equal_sizes_are_equal() -> None:
    assert Preparation(size="256") == Preparation(size=256) == Preparation()
    assert json.loads(json.dumps(Preparation(size="40x50").to_dict()))["size"] == [40, 50]
