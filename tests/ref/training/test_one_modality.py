"""Colour alone and depth alone, from files to verdicts: nothing is asked for that the data does not have."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from das3d_cli.ref import main
from helpers.dumps import put
from helpers.runs import settings

from das3d_aug.errors import ParameterError
from das3d_aug.files import encode_mask, encode_png, encode_tiff
from das3d_ref import Detector, open_source

ROWS, COLUMNS = np.mgrid[:48, :64]


def images(number: int, *, cut: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(number)
    rgb = (120 + 40 * np.sin(COLUMNS / 5)[..., None] + random.normal(0, 4, (48, 64, 3))).astype(np.uint8)
    depth = (600 + 5 * np.cos(ROWS / 9) + random.normal(0, 0.1, ROWS.shape)).astype(np.float32)
    mask = np.zeros(ROWS.shape, bool)
    if cut:
        mask[10:30, 20:34] = True
        rgb[mask], depth[mask] = 10, 620
    return rgb, depth, mask


@pytest.fixture(scope="module", params=["rgb", "depth"])
def data(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    root = tmp_path_factory.mktemp(request.param)
    for split, defect, count in (("train", "good", 6), ("test", "good", 3), ("test", "cut", 3)):
        for number in range(count):
            rgb, depth, mask = images(number + 10 * (split == "test"), cut=defect == "cut")
            here = root / split / defect
            if request.param == "rgb":
                put(here / f"rgb/{number:03}.png", encode_png(rgb))
            else:
                put(here / f"depth/{number:03}.tiff", encode_tiff(depth))
            if defect == "cut":
                put(here / f"mask/{number:03}.png", encode_mask(mask))
    return request.param, root


def run(*arguments: object) -> str:
    done = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_it_is_trained_judged_and_predicted(data: tuple[str, Path], tmp_path: Path) -> None:
    there, root = data
    unit = ("--unit", "mm") if there == "depth" else ()
    small = ("--preset=smoke", "--set=training.steps=4", "--set=training.validation_anomalies=4")
    if there == "depth":
        small = (*small, "--set=preparation.distance=0")
    run("train", "--data", root, "--out", tmp_path / "model", *unit, *small)
    detector = Detector.load(tmp_path / "model")
    assert detector.config.mode == there
    run("evaluate", tmp_path / "model", "--data", root, *unit, "--out", tmp_path / "evaluation")
    figures = json.loads((tmp_path / "evaluation/evaluation.json").read_text())["figures"]
    assert 0 <= figures["I-AUROC"] <= 1
    assert (tmp_path / "evaluation/report.html").stat().st_size > 10_000
    assert list((tmp_path / "evaluation/figures").glob("figure5*"))
    run("predict", tmp_path / "model", root, *unit, "--out", tmp_path / "verdicts")
    lines = (tmp_path / "verdicts/predictions.jsonl").read_text().splitlines()
    assert len(lines) == 12
    assert all("error" not in json.loads(line) for line in lines)
    one = next(root.glob(f"test/cut/{there}/*"))
    run("predict", tmp_path / "model", one, *unit, "--out", tmp_path / "alone")
    alone = json.loads((tmp_path / "alone/predictions.jsonl").read_text())
    assert alone["score"] in [json.loads(line)["score"] for line in lines]
    run("baselines", root, *unit, *small[:1], *small[3:], "--out", tmp_path / "baselines.json")
    rgb, depth, _ = images(3, cut=False)
    found = detector.predict(rgb if there == "rgb" else None, depth if there == "depth" else None, unit="mm")
    assert found.anomaly_map.shape == (48, 64)
    with pytest.raises(ParameterError, match=f"mode '{there}' looks at "):
        detector.predict(None if there == "rgb" else rgb, None if there == "depth" else depth, unit="mm")


def test_a_mode_that_the_data_cannot_serve_is_refused(data: tuple[str, Path], tmp_path: Path) -> None:
    there, root = data
    other = "depth" if there == "rgb" else "rgb"
    config = settings(mode=other, preparation__distance=0)
    found = open_source(root, config=config, cache=tmp_path, **({"unit": "mm"} if there == "depth" else {}))
    with pytest.raises(ParameterError, match=f"mode '{other}' looks at what .* does not have"):
        found.narrowed(config)
    assert found.narrowed(settings()).mode == there
