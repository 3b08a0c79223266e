"""Training: it learns; stopped, killed, out of space or shared, it is the same run; it never loses what it had."""

from __future__ import annotations

import contextlib
import csv
import itertools
import json
import math
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.dumps import environment, put, tree
from helpers.runs import CONFIG, detector, parts, settings, source, workplace

from das3d_aug.errors import Das3dError, FileError, ParameterError
from das3d_ref import Config, Detector, train
from das3d_ref.model import load_checkpoint
from das3d_ref.model.checkpoint import load_state
from das3d_ref.model.detector import image_score
from das3d_ref.training.examples import SyntheticAnomalies
from das3d_ref.training.loop import Trainer, learning_rate
from das3d_ref.training.steps import Steps

_RUN = """
import json, sys
from das3d_ref import Config, open_source, train
config, data, cache, out = sys.argv[1:]
config = Config.from_dict(json.loads(config))
train(open_source(data, config=config, cache=cache), out, config=config, resume=True)
"""


def command(folder, out, config):
    (folder / "run.py").write_text(_RUN)
    source(config)  # prepared
    return [str(folder / "run.py"), json.dumps(config.to_dict()), str(parts()), str(workplace() / "prepared"), str(out)]


def one_thread():
    return {**environment(), "OMP_NUM_THREADS": "1"}


def log(out):
    with (out / "training.csv").open() as file:
        return list(csv.DictReader(file))


def files(out):
    """Return what a run wrote and how, without the log's time or the lock."""
    return {name: digest for name, digest in tree(out).items() if name != "das3d.lock"}


def test_killed_at_any_moment_and_resumed_it_is_the_uninterrupted_run(tmp_path):
    out = tmp_path / "out"
    chance = random.Random()
    # before the first state, and some time after it
    for marker, delay in (("training.json", 0.0), ("training.safetensors", chance.uniform(0, 0.4))):
        process = subprocess.Popen([sys.executable, *command(tmp_path, out, CONFIG)], env=one_thread())
        while not (out / marker).exists() and process.poll() is None:
            time.sleep(0.001)
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        process.wait()
        if (out / "detector.json").exists():
            load_checkpoint(out)
    put(out / ".model-abc.safetensors.123.partial", b"left by a kill")
    train(source(), out, config=CONFIG, resume=True)
    assert files(out) == files(detector())


def test_stopped_at_every_step_and_resumed_it_is_the_uninterrupted_run(tmp_path):
    class Stop(Exception):
        pass

    config = settings(network__norm="batch", training__clip=1.0, training__weight_decay=0.1, training__steps=6)
    config = config.override(["training.validate_every=2", "data.crop=32"])
    whole = tmp_path / "whole"
    train(source(config), whole, config=config)

    def stop_at(last):
        def stop(step, steps, figures):
            if step == last:
                raise Stop

        return stop

    for last in range(1, 6):
        with pytest.raises(Stop):
            train(source(config), tmp_path / "out", config=config, resume=True, progress=stop_at(last))
    train(source(config), tmp_path / "out", config=config, resume=True)
    assert files(tmp_path / "out") == files(whole)


@pytest.mark.parametrize(
    "moment", ["das3d_ref.training.log.TrainingLog.flush", "das3d_ref.training.loop.Trainer._save"]
)
def test_stopped_between_two_files_and_resumed_it_is_the_uninterrupted_run(tmp_path, monkeypatch, moment):
    calls = itertools.count(1)

    def stop(self):
        if next(calls) == 2:
            raise KeyboardInterrupt
        done(self)

    module, name, method = moment.rsplit(".", 2)
    done = getattr(getattr(sys.modules[module], name), method)
    monkeypatch.setattr(moment, stop)
    with pytest.raises(KeyboardInterrupt):
        train(source(), tmp_path, config=CONFIG)
    monkeypatch.undo()
    train(source(), tmp_path, config=CONFIG, resume=True)
    assert files(tmp_path) == files(detector())


def test_two_processes_learn_what_one_learns(tmp_path):
    out = tmp_path / "out"
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [sys.executable, *launch, *command(tmp_path, out, CONFIG)],
        env=one_thread(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    alone, shared = log(detector()), log(out)
    assert len(alone) == len(shared) == 12
    for name in alone[0]:
        a, b = ([float(row[name] or "nan") for row in rows] for rows in (alone, shared))
        np.testing.assert_allclose(a, b, rtol=2e-3, atol=2e-3, err_msg=name)


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


def test_the_best_of_several_validations_is_kept(tmp_path, monkeypatch):
    from das3d_ref.training import loop as training

    figures = iter([0.5, 0.9, 0.3])
    evaluate_maps = training.evaluate_maps
    monkeypatch.setattr(training, "evaluate_maps", lambda *given: evaluate_maps(*given) | {"AP": next(figures)})
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
    one, other = ([made[key]["mask"] for key in keys] for made in (learnt, trainer.anomalies))
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


def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_what_was_saved(tmp_path, monkeypatch):
    config = settings(training__steps=8, training__validate_every=2)
    train_some(tmp_path, config, steps=4)
    before = files(tmp_path)
    poison_after(monkeypatch, 1)
    with pytest.raises(Das3dError) as caught:
        train(source(config), tmp_path, config=config, resume=True)
    said = str(caught.value)
    assert "the loss is nan at step 6;" in said
    assert f"{tmp_path} keeps the detector of step" in said
    assert "\n" not in said
    assert files(tmp_path) == before
    monkeypatch.undo()
    train(source(config), tmp_path, config=config, resume=True)
    assert int(log(tmp_path)[-1]["step"]) == 8


def test_a_loss_that_is_never_finite_leaves_no_detector(tmp_path, monkeypatch):
    poison_after(monkeypatch, 0)
    with pytest.raises(
        Das3dError, match=r"the loss is nan at step 1; .* holds no detector yet; train anew into another folder, with"
    ):
        train(source(), tmp_path / "out", config=CONFIG)
    assert not (tmp_path / "out" / "detector.json").exists()


def test_weights_that_are_not_finite_are_never_saved(tmp_path, monkeypatch):
    from das3d_ref.training import loop as training

    config = settings(training__steps=4, training__validate_every=2)
    train_some(tmp_path, config, steps=2)
    before = files(tmp_path)
    monkeypatch.setattr(training, "learning_rate", lambda step, settings: math.inf if step == 3 else 1e-3)
    with pytest.raises(Das3dError, match="the weights are not finite after step 4"):
        train(source(config), tmp_path, config=config, resume=True)
    assert files(tmp_path) == before


def poison_after(monkeypatch, steps):
    """Let the loss be NaN once so many steps were taken."""
    from das3d_ref.training import loop as training

    calls = itertools.count()

    def poisoned(*args, **kwargs):
        terms = total_loss(*args, **kwargs)
        return {name: term * math.nan for name, term in terms.items()} if next(calls) >= steps else terms

    total_loss = training.total_loss
    monkeypatch.setattr(training, "total_loss", poisoned)


def train_some(out, config, *, steps):
    """Train the first steps, as if interrupted right after them."""

    class Stop(Exception):
        pass

    def stop(step, in_all, figures):
        if step == steps:
            raise Stop

    with contextlib.suppress(Stop):
        train(source(config), out, config=config, progress=stop)


def test_a_full_disk_loses_nothing(tmp_path):
    out = tmp_path / "out"
    config = settings(training__steps=6, training__validate_every=2)
    train_some(out, config, steps=2)
    whole = {name: (out / name).stat().st_size for name in files(out)}
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    # the log cannot be written; nor the weights; nor the state
    for size in (whole["training.csv"] + 10, 50_000, whole["training.safetensors"] - 1000):
        before = {name: digest for name, digest in files(out).items() if name.endswith("safetensors")}
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
            with pytest.raises(FileError, match="cannot be written: File too large"):
                train(source(config), out, config=config, resume=True)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        after = files(out)
        assert after["training.safetensors"] == before["training.safetensors"]
        load_checkpoint(out)
        load_state(out)
    train(source(config), out, config=config, resume=True)
    train(source(config), tmp_path / "whole", config=config)
    assert files(out) == files(tmp_path / "whole")


def test_a_folder_is_of_one_run(tmp_path):
    out = shutil.copytree(detector(), tmp_path / "out")
    before = files(out)
    with pytest.raises(FileError, match="holds a training run already; go on with resume=True, or use another folder"):
        train(source(), out, config=CONFIG)
    other = settings(training__steps=13, loss__focal=2.0)
    with pytest.raises(FileError, match=r"holds a run with other loss.focal, training.steps; use another folder"):
        train(source(other), out, config=other, resume=True)
    data = source()
    fewer = type(data)(data.dataset, data.train[1:], data.validation, data.test)
    with pytest.raises(FileError, match="holds a run with other images; use another folder"):
        train(fewer, out, config=CONFIG, resume=True)
    assert files(out) == before
    assert train(data, out, config=CONFIG, resume=True)["step"] == load_checkpoint(out).header["step"]  # it is done
    assert files(out) == before
    (tmp_path / "holiday").mkdir()
    put(tmp_path / "holiday" / "photo.jpg", b"")
    with pytest.raises(FileError, match=r"is not empty and was not written by this command \(no training.json\)"):
        train(data, tmp_path / "holiday", config=CONFIG)


def test_two_runs_into_one_folder_never_mix(tmp_path):
    refused = []

    def again(step, steps, figures):
        if not refused:
            with pytest.raises(FileError, match="another run is writing here") as caught:
                train(source(), tmp_path, config=CONFIG, resume=True)
            refused.append(caught.value)

    train(source(), tmp_path, config=CONFIG, progress=again)
    assert refused
    assert files(tmp_path) == files(detector())


def test_a_damaged_state_is_named(tmp_path):
    out = Path(shutil.copytree(detector(), tmp_path / "out"))
    state = out / "training.safetensors"
    state.write_bytes(state.read_bytes()[:-7])
    with pytest.raises(FileError, match=f"{state}: is not the state of a training run"):
        train(source(), out, config=CONFIG, resume=True)
    from das3d_ref.model.checkpoint import save_state

    save_state(out, {"step": 1}, {"network.x": torch.zeros(1)})
    with pytest.raises(FileError, match=f"{state}: does not fit its run: RuntimeError"):
        train(source(), out, config=CONFIG, resume=True)


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
