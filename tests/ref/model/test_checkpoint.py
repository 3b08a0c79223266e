"""A detector on disk: what was saved is what is read, and nothing in it is run (old ones keep loading: promise 9)."""

from __future__ import annotations

import hashlib
import json
import math
import os
import pickle
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.runs import detector, picture, settings, source

from das3d_aug.errors import FileError, ParameterError
from das3d_ref import Detector
from das3d_ref.model import load_checkpoint
from das3d_ref.model.checkpoint import load_state, save_checkpoint, save_state
from das3d_ref.training.loop import Trainer

WEIGHTS = {"a": torch.arange(6.0).reshape(2, 3), "b.c": torch.tensor(7)}


@pytest.fixture
def saved(tmp_path):
    save_checkpoint(tmp_path / "model", {"threshold": 0.5}, WEIGHTS)
    return tmp_path / "model"


@pytest.fixture
def copied(tmp_path):
    return Path(shutil.copytree(detector(), tmp_path / "moved"))


def weights_of(folder):
    (path,) = folder.glob("model-*.safetensors")
    return path


def replace_weights(folder, data):
    """Put other bytes where the weights are, with a digest that fits, as an attacker would."""
    path, header = weights_of(folder), json.loads((folder / "detector.json").read_text())
    path.write_bytes(data)
    header["sha256"] = hashlib.sha256(data).hexdigest()
    (folder / "detector.json").write_text(json.dumps(header))


def edit_header(folder, **values):
    header = json.loads((folder / "detector.json").read_text()) | values
    (folder / "detector.json").write_text(json.dumps(header))


def test_round_trip(saved):
    found = load_checkpoint(saved)
    assert found.header["threshold"] == 0.5
    assert found.weights.keys() == WEIGHTS.keys()
    assert all(torch.equal(found.weights[name], WEIGHTS[name]) for name in WEIGHTS)


def test_saving_again_replaces_and_leaves_nothing(saved):
    save_checkpoint(saved, {"threshold": 0.7}, {"a": torch.zeros(1)})
    assert load_checkpoint(saved).header["threshold"] == 0.7
    assert len(list(saved.iterdir())) == 2


def test_killed_between_the_two_files_the_older_one_is_whole(saved, monkeypatch):
    def kill(path, data):
        if path.suffix == ".json":
            raise KeyboardInterrupt
        path.write_bytes(data)

    monkeypatch.setattr("das3d_ref.model.checkpoint.write_atomic", kill)
    with pytest.raises(KeyboardInterrupt):
        save_checkpoint(saved, {"threshold": 0.7}, {"a": torch.zeros(1)})
    assert load_checkpoint(saved).header["threshold"] == 0.5


class Canary:
    """A pickle that leaves a mark if it is loaded."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


@pytest.mark.parametrize("form", ["pickle", "torch.save", "inside"])
def test_a_pickle_is_refused_and_never_run(saved, tmp_path, form):
    mark = tmp_path / "mark"
    if form == "torch.save":
        torch.save(Canary(mark), tmp_path / "canary.pt")
        data = (tmp_path / "canary.pt").read_bytes()
    else:
        data = pickle.dumps(Canary(mark))
    if form == "inside":  # a safetensors file whose one tensor holds the pickle
        tensor = {"t": {"dtype": "U8", "shape": [len(data)], "data_offsets": [0, len(data)]}}
        head = json.dumps(tensor).encode()
        data = len(head).to_bytes(8, "little") + head + data
    replace_weights(saved, data)
    with pytest.raises(FileError):
        Detector.load(saved)
    shutil.copy(weights_of(saved), saved / "training.safetensors")
    with pytest.raises(FileError):
        load_state(saved)
    assert not mark.exists()


def test_no_module_reads_pickles():
    for path in (Path(__file__).parents[3] / "das3d_ref").rglob("*.py"):
        text = path.read_text()
        assert "pickle" not in text, path
        assert "torch.load" not in re.sub(
            r"safetensors\.torch\.load\(|torch\.load\([^()]*weights_only=True\)", "", text
        ), path


def test_truncated_and_flipped_bytes_are_found(saved):
    path = weights_of(saved)
    whole = path.read_bytes()
    damaged = [whole[:size] for size in range(0, len(whole), 16)]
    damaged += [whole[:k] + bytes([whole[k] ^ 1]) + whole[k + 1 :] for k in range(0, len(whole), 7)]
    for data in damaged:
        path.write_bytes(data)
        with pytest.raises(FileError, match="is damaged: it is not the file that was saved"):
            load_checkpoint(saved)
    path.unlink()
    with pytest.raises(FileError, match="No such file"):
        load_checkpoint(saved)


@pytest.mark.parametrize("cut", [0, 4, 8, 40, 100, -1])
def test_a_cut_state_is_found(tmp_path, cut):
    save_state(tmp_path, {"step": 3}, WEIGHTS)
    about, tensors = load_state(tmp_path)
    assert about["step"] == 3
    assert all(torch.equal(tensors[name], WEIGHTS[name]) for name in WEIGHTS)
    path = tmp_path / "training.safetensors"
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(FileError, match=f"{path}: is not the state of a training run"):
        load_state(tmp_path)


def test_another_format_says_so(saved):
    edit_header(saved, format=2)
    with pytest.raises(FileError, match="has format 2; this das3d reads format 1"):
        load_checkpoint(saved)
    save_state(saved, {"format": 9}, WEIGHTS)
    with pytest.raises(FileError, match="has format 9; this das3d reads format 1"):
        load_state(saved)


def test_headers_that_lie(copied, tmp_path):
    header = json.loads((copied / "detector.json").read_text())
    config = header["config"]
    cases = {
        "Unexpected key": {"config": config | {"mode": "rgb"}},
        "size mismatch": {"config": config | {"network": config["network"] | {"width": 16}}},
        "size mismatch ": {"config": config | {"network": config["network"] | {"width": 8 * 10**5}}},
        "is no setting": {"config": config | {"modes": 1}},
        "must be a section": {"config": []},
        "threshold must be a number, got 'high'": {"threshold": "high"},
        "threshold must be a number, got '0.5'": {"threshold": "0.5"},
        "threshold must be a number, got True": {"threshold": True},
        "threshold must be a number, got None": {"threshold": None},
        "threshold must be a finite number, got nan": {"threshold": math.nan},
        "unexpected keyword": {"depth_range": {"near": 1}},
        "depth_range must be low, high and unit": {"depth_range": 3},
        "low must be a finite number, got '0.1'": {"depth_range": {"low": "0.1", "high": 1, "unit": "m"}},
        "high must be a finite number, got True": {"depth_range": {"low": 0.1, "high": True, "unit": "m"}},
        "high must be a finite number, got nan": {"depth_range": {"low": 0.1, "high": math.nan, "unit": "m"}},
        "0 <= low <= high": {"depth_range": {"low": 2, "high": 1, "unit": "m"}},
        "unit must be a name": {"depth_range": {"low": 1, "high": 2, "unit": 3}},
        "anomalies must be a list of digests": {"anomalies": "abc"},
        "anomalies must be a list of digests ": {"anomalies": [3]},
        "does not name": {"weights": 3},
        "leads outside": {"weights": "../outside.safetensors"},
    }
    shutil.copy(weights_of(copied), tmp_path / "outside.safetensors")
    for said, values in cases.items():
        edit_header(copied, **header | values)
        with pytest.raises(FileError) as caught:
            Detector.load(copied)
        assert said.strip() in str(caught.value)
        assert "\n" not in str(caught.value)
    for missing in ("config", "threshold", "depth_range"):
        edited = {name: value for name, value in header.items() if name != missing}
        (copied / "detector.json").write_text(json.dumps(edited))
        with pytest.raises(FileError, match=missing):
            Detector.load(copied)


@pytest.mark.parametrize("values", [{"step": "4"}, {"step": True}, {"best": "high"}, {"best": None}, {"header": 3}])
def test_a_state_that_lies_is_refused(tmp_path, values):
    run = settings(training__steps=8)
    trainer = Trainer(source(run), tmp_path, config=run)
    trainer._save()
    about, tensors = load_state(tmp_path)
    trainer.restore()
    save_state(tmp_path, {name: value for name, value in about.items() if name != "format"} | values, tensors)
    with pytest.raises(FileError, match="does not fit its run") as caught:
        trainer.restore()
    assert "\n" not in str(caught.value)


def test_a_folder_without_a_detector(tmp_path):
    with pytest.raises(FileError, match=r"holds no detector \(detector.json\); give the folder"):
        Detector.load(tmp_path)
    (tmp_path / "detector.json").write_text("[]")
    with pytest.raises(FileError, match="is not a JSON object"):
        Detector.load(tmp_path)


def test_a_detector_works_wherever_it_lies(copied):
    rgb, depth, camera = picture()
    here, there = (Detector.load(folder).predict(rgb, depth, camera=camera) for folder in (detector(), copied))
    assert here.score == there.score
    np.testing.assert_array_equal(here.anomaly_map, there.anomaly_map)


def test_half_precision_weights_are_widened(copied):
    found = load_checkpoint(copied)
    names = ("weights", "sha256", "format")
    header = {name: value for name, value in found.header.items() if name not in names}
    save_checkpoint(copied, header, {name: value.half() for name, value in found.weights.items()})
    rgb, depth, camera = picture()
    scores = [Detector.load(folder).predict(rgb, depth, camera=camera).score for folder in (detector(), copied)]
    assert scores[0] == pytest.approx(scores[1], abs=1e-2)


def test_an_absent_device_is_named(copied):
    for device in ("cuda:77", "toaster"):
        with pytest.raises(ParameterError, match=f"device '{device}' is not there"):
            Detector.load(copied, device=device)


def test_a_run_without_a_validation_and_a_validation_without_a_class_are_read(saved, tmp_path):
    save_state(tmp_path, {"best": -math.inf}, WEIGHTS)
    assert load_state(tmp_path)[0]["best"] == -math.inf
    edit_header(saved, validation={"I-AUROC": math.nan})
    assert math.isnan(load_checkpoint(saved).header["validation"]["I-AUROC"])
