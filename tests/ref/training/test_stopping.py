"""Training stopped, killed, out of space, shared or gone wrong: the same run, and it never loses what it had."""

from __future__ import annotations

import contextlib
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
from helpers.dumps import environment, put
from helpers.runs import CONFIG, detector, parts, settings, source, workplace
from helpers.trainings import files, log

from das3d_aug.errors import Das3dError, FileError
from das3d_ref import train
from das3d_ref.model import load_checkpoint
from das3d_ref.model.checkpoint import load_state

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
    with pytest.raises(Das3dError, match=r"the loss is nan at step 1; .* holds no detector yet; train anew into"):
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
