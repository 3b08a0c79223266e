"""Old recipes, configs and checkpoints always load, and so do plans, pipelines and data sets (frozen by release)."""

import json
from pathlib import Path

import numpy as np
import pytest
from helpers.pairs import digest, formula_pair
from helpers.runs import picture

import das3d_aug
from das3d_aug import Plan, Recipe, render
from das3d_aug.datasets import open_dataset
from das3d_aug.generation import replay
from das3d_ref import Config, Detector

from das3d_aug.transforms import DAS3DAnomaly  # isort: skip
import albumentations as A  # isort: skip  (das3d's import of it is the silent one)

GOLDEN = Path(__file__).parents[1] / "golden"
RELEASES = sorted(GOLDEN.glob("aug-*"))
DETECTORS = sorted(GOLDEN.glob("ref-*"))


def read(path):
    return json.loads(path.read_text())


def test_something_is_frozen(record_property):
    assert {folder.name for folder in (*RELEASES, *DETECTORS)} >= {"aug-0.1.0", "ref-0.1.0"}
    count = sum(path.is_file() for folder in (*RELEASES, *DETECTORS) for path in folder.rglob("*"))
    record_property("figure", f"{count} frozen files of {', '.join(f.name for f in (*RELEASES, *DETECTORS))}: all load")


@pytest.mark.parametrize("release", RELEASES, ids=lambda path: path.name)
def test_recipes_configurations_and_pipelines(release):
    for values in read(release / "recipes.json").values():
        found = json.loads(json.dumps(Recipe.from_dict(values).to_dict()))
        assert {name: found[name] for name in values} == values
    for values in read(release / "configs.json").values():
        found = json.loads(json.dumps(Config.from_dict(values).to_dict()))
        for section, settings in values.items():
            kept = {name: found[section][name] for name in settings} if isinstance(settings, dict) else found[section]
            assert kept == settings
    pipeline = A.from_dict(read(release / "pipeline.json"))
    assert isinstance(pipeline.transforms[0], DAS3DAnomaly)
    rgb, depth = formula_pair()
    assert pipeline(image=rgb, depth=depth, mask=np.zeros(depth.shape, np.uint8))["depth"].shape == depth.shape


@pytest.mark.parametrize("release", RELEASES, ids=lambda path: path.name)
def test_plans(release):
    for row in read(release / "plans.json"):
        result = render(*formula_pair(), Plan.from_json(row["plan"]))
        if release.name == f"aug-{das3d_aug.__version__}":  # a later one may mend what was wrong (docs/stability.md)
            assert digest(result) == row["sha256"]


@pytest.mark.parametrize("name", ["mvtec3d", "eyecandies", "folder", "webdataset", "prepared"])
@pytest.mark.parametrize("release", RELEASES, ids=lambda path: path.name)
def test_data_sets(release, name):
    samples = list(open_dataset(release / name))
    assert len(samples) == (1 if name == "prepared" else 2)
    assert all(sample.depth.any() for sample in samples)
    if name == "prepared":
        return
    if name == "webdataset":
        again = [replay(release / name / "shard-000000.tar", sample=f"{k:06d}") for k in range(2)]
    else:
        again = [replay(path) for path in sorted(release.glob(f"{name}/recipes/**/*.json"))]
    assert len(again) == 2
    if release.name == f"aug-{das3d_aug.__version__}":
        assert [found.differences for found in again] == [(), ()]


@pytest.mark.parametrize("folder", DETECTORS, ids=lambda path: path.name)
def test_detectors(folder):
    rgb, depth, camera = picture()
    found = Detector.load(folder, device="cpu").predict(rgb, depth, camera=camera)
    expected = read(folder / "expected.json")
    assert found.score == pytest.approx(expected["score"], abs=1e-4)
    assert found.anomaly_map[::13, ::13].ravel().tolist() == pytest.approx(expected["map"], abs=1e-4)
    assert sum(path.stat().st_size for path in folder.iterdir()) < 200_000
