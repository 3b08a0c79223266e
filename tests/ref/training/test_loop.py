"""Training: it learns, keeps the best weights with a threshold, and refuses what cannot work."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from helpers.runs import CONFIG, detector, settings, source
from helpers.trainings import log

from das3d_aug.errors import ParameterError
from das3d_ref import Config, Detector, train
from das3d_ref.model import load_checkpoint
from das3d_ref.model.checkpoint import load_state
from das3d_ref.model.score import image_score
from das3d_ref.training.examples import SyntheticAnomalies
from das3d_ref.training.loop import Trainer, learning_rate
from das3d_ref.training.steps import Steps


def test_it_learns(tmp_path):
    config = settings(training__steps=60, training__validate_every=60, synthesis__dropout=0.0, training__warmup=5)
    train(source(config), tmp_path, config=config)
    rows = log(tmp_path)
    for name in ("loss", "rgb", "depth"):
        losses = [float(row[name]) for row in rows]
        assert np.mean(losses[-10:]) < 0.7 * np.mean(losses[:10]), name
    rates = [float(row["learning_rate"]) for row in rows]
    assert rates == [learning_rate(step, config.training) for step in range(60)]


def test_the_log_has_every_step_and_the_validations():
    rows = log(detector())
    assert [int(row["step"]) for row in rows] == list(range(1, 13))
    for row in rows:
        assert float(row["loss"]) == pytest.approx(sum(float(row[name]) for name in ("focal", "rgb", "depth")))
        assert (row["validation AP"] != "") == (int(row["step"]) % 4 == 0)


def test_the_best_validation_is_kept_with_a_threshold_from_good_images():
    found = Detector.load(detector())
    validations = {int(row["step"]): float(row["validation AP"]) for row in log(detector()) if row["validation AP"]}
    assert found.header["step"] == max(validations, key=validations.__getitem__)
    assert found.header["validation"]["AP"] == max(validations.values())
    data = source()
    scores = [image_score(found.anomaly_map(data.item(entry, None)), 5) for entry in data.validation]
    assert found.threshold == pytest.approx(max(scores), abs=1e-6)  # 5 % of two images is none
    assert sum(score > found.threshold + 1e-6 for score in scores) == 0


def test_training_has_the_threads_it_is_given_and_gives_them_back(tmp_path):
    before, seen = torch.get_num_threads(), []
    config = settings(training__steps=2, training__threads=before + 1)
    train(source(config), tmp_path, config=config, progress=lambda *_: seen.append(torch.get_num_threads()))
    assert set(seen) == {before + 1}
    assert torch.get_num_threads() == before


@pytest.mark.parametrize(("found", "kept"), [([0.5, 0.9, 0.893], 2), ([0.9, 0.893, 0.888], 1), ([0.9, 0.88, 0.895], 2)])
def test_of_validations_that_are_alike_the_last_is_kept(tmp_path, monkeypatch, found, kept):
    from das3d_ref.training import validation

    figures, evaluate_maps = iter(found), validation.evaluate_maps
    monkeypatch.setattr(validation, "evaluate_maps", lambda *given: evaluate_maps(*given) | {"AP": next(figures)})
    assert train(source(), tmp_path, config=CONFIG)["validation"]["AP"] == found[kept]


def test_the_best_of_several_validations_is_kept(tmp_path, monkeypatch):
    from das3d_ref.training import validation

    figures = iter([0.5, 0.9, 0.3])
    evaluate_maps = validation.evaluate_maps
    monkeypatch.setattr(validation, "evaluate_maps", lambda *given: evaluate_maps(*given) | {"AP": next(figures)})
    header = train(source(), tmp_path, config=CONFIG)
    assert (header["step"], header["validation"]["AP"]) == (8, 0.9)
    kept, (_, last) = load_checkpoint(tmp_path), load_state(tmp_path)
    assert kept.header["step"] == 8
    assert not torch.equal(kept.weights["rgb.head.weight"], last["averaged.module.rgb.head.weight"])


@pytest.mark.parametrize("norm", ["batch", "group"])
def test_the_threshold_lets_the_chosen_share_of_good_images_pass(tmp_path, norm):
    config = settings(score__false_positives=0.5, training__steps=3, network__norm=norm)
    data = source(config)
    data = type(data)(data.dataset, data.train[:2], (*data.validation, *data.train), data.test)
    header = train(data, tmp_path, config=config)
    found = Detector.load(tmp_path)
    scores = [image_score(found.anomaly_map(data.item(entry, None)), 5) for entry in data.validation]
    assert len(scores) == 9
    assert header["threshold"] == pytest.approx(sorted(scores)[4], abs=1e-7)  # four of nine are above it


def test_no_validation_defect_is_a_training_defect(tmp_path):
    data = source()
    same = type(data)(data.dataset, data.train, data.train, data.test)
    trainer = Trainer(same, tmp_path, config=CONFIG)
    learnt = SyntheticAnomalies(trainer.items, CONFIG, seed=CONFIG.seed, crop=0)
    keys = [(epoch, index) for epoch in range(3) for index in range(len(data.train))]
    one, other = ([made[key]["mask"] for key in keys] for made in (learnt, trainer.validation.anomalies))
    assert not any(torch.equal(a, b) for a in one for b in other if a.any())


@pytest.mark.parametrize("norm", ["batch", "group"])
def test_without_averaging_the_detector_has_the_current_weights(tmp_path, norm):
    config = settings(training__ema=0.0, network__norm=norm)
    trainer = Trainer(source(config), tmp_path, config=config)
    for batch in itertools.islice(batches(trainer), 3):
        trainer._advance(batch)
        now, averaged = trainer.network.state_dict(), trainer.averaged.module.state_dict()
        assert all(torch.equal(now[name], averaged[name]) for name in now)


def test_averaging_is_exponential(tmp_path):
    config = settings(training__ema=0.7, network__norm="batch")
    trainer = Trainer(source(config), tmp_path, config=config)
    expected = None
    for batch in itertools.islice(batches(trainer), 4):
        trainer._advance(batch)
        now = {name: value.clone() for name, value in trainer.network.state_dict().items() if "num_" not in name}
        expected = {
            name: value if expected is None else 0.7 * expected[name] + 0.3 * value for name, value in now.items()
        }
        averaged = trainer.averaged.module.state_dict()
        torch.testing.assert_close({name: averaged[name] for name in expected}, expected)
    assert "rgb.down.0.1.running_mean" in expected


def batches(trainer):
    settings = trainer.config.training
    examples = SyntheticAnomalies(trainer.items, trainer.config, seed=0, crop=0)
    steps = Steps(len(trainer.items), batch=settings.batch, seed=0, first=0, last=settings.steps)
    return torch.utils.data.DataLoader(examples, batch_sampler=steps)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"training__precision": "fp16"}, "training.precision 'fp16' needs a GPU; take 'bf16' or 'fp32'"),
        (
            {"training__batch": 1, "network__norm": "batch"},
            "training.batch must be at least 2 with network.norm 'batch'",
        ),
        ({"synthesis__probability": 0.0}, "no validation image gets a defect; raise training.validation_anomalies"),
    ],
)
def test_what_cannot_work_is_refused_at_the_start(tmp_path, values, said):
    config = settings(**values)
    with pytest.raises(ParameterError, match=said):
        train(source(config), tmp_path / "out", config=config)
    assert not (tmp_path / "out").exists()


def test_data_without_normal_images_is_refused(tmp_path):
    data = source()
    for missing, said in (
        ("train", "two normal images are needed, .*; there are 2, none to learn from"),
        ("validation", "two normal images are needed, .*; there are 7, none to validate with"),
    ):
        kept = {name: getattr(data, name) for name in ("dataset", "train", "validation", "test")} | {missing: ()}
        with pytest.raises(ParameterError, match=said):
            train(type(data)(**kept), tmp_path / "out", config=CONFIG)


@pytest.mark.parametrize(
    "values", [{"mode": "rgb"}, {"mode": "depth", "data__normals": "true"}, {"training__precision": "bf16"}]
)
def test_every_mode_and_precision_trains_and_loads(tmp_path, values):
    config = settings(**values, training__steps=2, training__workers=1)
    train(source(config), tmp_path, config=config)
    found = Detector.load(tmp_path)
    assert found.config == config
    assert math.isfinite(found.threshold)


def test_runs_of_several_precisions_in_one_process_leave_no_trace(tmp_path):
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    for precision in ("fp32", "bf16"):
        config = settings(training__precision=precision, training__steps=1)
        train(source(config), tmp_path / precision, config=config)
    assert torch.equal(torch.rand(1), expected)


def test_tensorboard_has_the_log(tmp_path):
    config = settings(training__steps=2)
    train(source(config), tmp_path, config=config, tensorboard=True)
    (events,) = (tmp_path / "tensorboard").iterdir()
    data = events.read_bytes()
    assert all(name in data for name in (b"loss", b"validation AP", b"learning_rate"))


def test_learning_rates():
    cosine = Config().override(["training.schedule=cosine", "training.steps=100", "training.warmup=10"]).training
    rates = [learning_rate(step, cosine) / cosine.learning_rate for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == rates[9] == pytest.approx(1, abs=0.03)
    assert rates[50] == pytest.approx(0.505)
    assert rates[99] == pytest.approx(0.01, abs=1e-3)
    step = Config().override(["training.schedule=step", "training.steps=100"]).training
    rates = [learning_rate(k, step) / step.learning_rate for k in (0, 79, 80, 89, 90, 99)]
    assert rates == pytest.approx([1, 1, 0.2, 0.2, 0.04, 0.04])
