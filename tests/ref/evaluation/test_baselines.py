"""The simple rivals: they find what they are for, on parts and on whole frames, and are judged by one protocol."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from das3d_cli.ref import main
from helpers.runs import CONFIG, detector, parts, settings, source, workplace

from das3d_aug.errors import ParameterError
from das3d_ref.evaluation.alignment import Alignment
from das3d_ref.evaluation.baselines import View, look, methods, run_baselines
from das3d_ref.metrics import FIGURES
from das3d_ref.model.encoder import Encoder
from das3d_ref.model.inputs import to_item

SIDE = 64
MARK = np.s_[40:46, 20:26]


def part(seed, *, mark=False):
    """Return a turned, shifted, striped block on an empty background; with ``mark`` a dent in another colour."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2 - random.uniform(-4, 4, (2, 1, 1))
    turn = random.uniform(0, 2 * np.pi)
    u, v = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    inside = (np.abs(u) < 24) & (np.abs(v) < 14)
    height = 2 + np.sin(u / 3) + 0.02 * random.normal(size=u.shape)
    rgb = np.stack([120 + 4 * u, 120 + 40 * np.sin(u / 3), 90 + 0 * u], axis=-1) + random.normal(size=(SIDE, SIDE, 3))
    dent = (np.hypot(u + 8, v - 2) < 3) & mark
    height, rgb = height - 3 * dent, np.where(dent[:, :, None], (10, 200, 200), rgb)
    rgb, height = np.where(inside[:, :, None], rgb, 0), np.where(inside, height, 0)
    return View(rgb.clip(0, 255).astype(np.uint8), height.astype(np.float32), inside), dent


def frame(seed, *, mark=False):
    """Return a frame that a rough surface fills; with ``mark`` a dent in another colour."""
    random = np.random.default_rng(seed)
    height = random.normal(0, 0.1, (SIDE, SIDE)).astype(np.float32)
    rgb = random.normal(120, 5, (SIDE, SIDE, 3))
    dent = np.zeros((SIDE, SIDE), bool)
    dent[MARK] = mark
    height[dent] -= 2
    rgb[dent] = 30
    return View(rgb.clip(0, 255).astype(np.uint8), height, np.ones((SIDE, SIDE), bool)), dent


NAMES = list(methods(CONFIG, Encoder(16)))
BLIND = {("residual to a plane", part), ("frozen-feature neighbours", part)}  # to a dent less high than the relief;
# and random weights tell turned stripes no better than a dent in them


@pytest.mark.parametrize(
    ("name", "made"), [(name, made) for name in NAMES for made in (part, frame) if (name, made) not in BLIND]
)
def test_each_finds_a_dent_in_another_colour(name, made):
    torch.manual_seed(0)
    method = methods(CONFIG, Encoder(16))[name]([made(seed)[0] for seed in range(12)])
    view, dent = made(77, mark=True)
    found = method(view)
    assert found.shape == dent.shape
    assert found.dtype == np.float32
    assert found[dent].mean() > 2 * found[view.foreground & ~dent].mean()


def test_a_mode_has_the_methods_that_its_images_allow():
    filters = [name for name in NAMES if name.startswith(("high-pass", "residual"))]
    assert list(methods(settings(mode="rgb"), Encoder(16))) == [name for name in NAMES if name not in filters]
    assert list(methods(settings(mode="depth"), Encoder(16))) == NAMES[:-1]
    assert list(methods(CONFIG, None)) == NAMES[:-1]


@pytest.mark.parametrize(("mode", "seen"), [("rgb", (True, False)), ("depth", (False, True)), ("rgbd", (True, True))])
def test_a_baseline_sees_what_the_mode_sees(mode, seen):
    opened = source()
    view = look(opened.item(opened.test[0], None), settings(mode=mode))
    assert (view.rgb is not None, view.height is not None) == seen


def test_height_is_free_of_tilt_and_missing_pixels_belong_to_what_is_beside_them():
    opened = source()
    item = opened.item(opened.train[0], None)
    depth, sample = item.sample.depth.copy(), item.sample
    before = look(item, CONFIG)
    rows, columns = np.mgrid[: depth.shape[0], : depth.shape[1]].astype(np.float32)
    tilted = replace(item, sample=replace(sample, depth=depth + 0.001 * rows - 0.002 * columns))
    measured = sample.valid
    assert look(tilted, CONFIG).height[measured] == pytest.approx(before.height[measured], abs=1e-5)
    row, column = np.argwhere(before.foreground).mean(axis=0).astype(int)
    holes = sample.valid.copy()
    holes[row, column] = False
    holed = replace(sample, valid=holes, foreground=sample.foreground & holes, depth=np.where(holes, depth, 0))
    assert look(to_item(holed, item.normalisation), CONFIG).foreground[row, column]


def test_aligned_parts_lie_on_each_other_and_maps_come_back():
    views = [part(seed)[0] for seed in range(8)]
    images = [view.rgb[:, :, :1] / np.float32(255) for view in views]
    alignment = Alignment(images, [view.foreground for view in views])
    aligned, matrix = alignment.apply(images[3], views[3].foreground)
    assert aligned.shape == (SIDE // 2, SIDE // 2, 1)
    back = alignment.undo(aligned[:, :, 0], matrix, (SIDE, SIDE))
    inner = views[3].foreground
    assert np.abs(back - images[3][:, :, 0])[inner].mean() < 0.1
    apart = np.std([image[::2, ::2, 0] for image in images], axis=0).mean()
    together = np.std(
        [alignment.apply(image, view.foreground)[0] for image, view in zip(images, views, strict=True)], axis=0
    )
    assert together.mean() < apart / 2


def test_all_are_judged_by_the_protocol_of_a_detector():
    calls = []
    found = run_baselines(source(), config=CONFIG, progress=lambda *call: calls.append(call))
    assert list(found) == NAMES[:-1]
    assert calls == [(k + 1, len(found)) for k in range(len(found))]
    for result in found.values():
        assert tuple(result.evaluation.figures) == FIGURES
        assert result.evaluation.protocol["image score"] == "largest mean over 5 x 5 pixels"
        assert [image["verdict"] for image in result.evaluation.images] == [None] * 10
        assert result.seconds > 0


def test_nothing_to_learn_from_is_told():
    with pytest.raises(ParameterError, match="has no normal images to learn from"):
        run_baselines(replace(source(), train=()), config=CONFIG)


def test_the_command_prints_a_table_and_writes_json(tmp_path):
    arguments = ["baselines", str(parts()), "--preset", "smoke", "--mode", "rgb", "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(main, [*arguments, "--cache", str(workplace() / "prepared"), "--set=preparation.size=48"])
    assert done.exit_code == 0, done.output
    saved = json.loads((tmp_path / "out" / "baselines.json").read_text())
    assert list(saved) == ["pixel Gaussian", "aligned PCA", "kNN patches"]
    for name, found in saved.items():
        line = next(line for line in done.stdout.splitlines() if line.strip().startswith(name))
        assert f"{found['figures']['I-AUROC']:.3f}" in line
        assert len(found["images"]) == 10
    told = CliRunner().invoke(
        main, [*arguments, "--cache", str(workplace() / "prepared"), "--set=preparation.size=48", "--json"]
    )
    result = json.loads(told.stdout)["result"]
    assert result["baselines"]["aligned PCA"]["I-AUROC"] == saved["aligned PCA"]["figures"]["I-AUROC"]


def test_an_encoder_that_is_not_there_is_one_line():
    done = CliRunner().invoke(main, ["baselines", str(parts()), "--encoder", "resnet18"])
    assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
    assert "encoder must be 'efficientnet-lite0' or a .safetensors file, got 'resnet18'" in done.stderr


def test_evaluate_measures_them_too(tmp_path):
    done = CliRunner().invoke(
        main, ["evaluate", str(detector()), "--data", str(parts()), "--out", str(tmp_path / "out"), "--baselines"]
    )
    assert done.exit_code == 0, done.output
    assert "the detector" in done.stdout
    assert "aligned PCA" in done.stdout
    page = (tmp_path / "out/report.html").read_text()
    assert "Simple methods on the same images" in page
    assert "The detector minus the best simple method" in page
    assert done.stdout.count("95 % interval -") + done.stderr.count("95 % interval -") >= 1
