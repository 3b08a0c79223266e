"""Loading a checkpoint never runs code; nor does loading data."""

import hashlib
import io
import json
import os
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.dumps import put
from helpers.runs import CONFIG, detector, source

from das3d_aug.errors import Das3dError
from das3d_aug.files import read_array, read_camera, read_plane
from das3d_ref import Detector, train


class Canary:
    """A pickle that leaves a mark if it is loaded."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


def pickles(mark):
    """Return the canary as files hold it."""
    saved, array = io.BytesIO(), io.BytesIO()
    torch.save(Canary(mark), saved)
    np.save(array, np.array([[Canary(mark)]], object), allow_pickle=True)
    return {"pickle": pickle.dumps(Canary(mark)), "torch.save": saved.getvalue(), "npy": array.getvalue()}


@pytest.fixture
def mark(tmp_path):
    """The mark that code leaves; the canary works."""
    pickle.loads(pickle.dumps(Canary(tmp_path / "works")))
    assert (tmp_path / "works").is_dir()
    yield tmp_path / "mark"
    assert not (tmp_path / "mark").exists()


def test_a_detector(tmp_path, mark):
    model = Path(shutil.copytree(detector(), tmp_path / "model"))
    header = json.loads((model / "detector.json").read_text())
    for data in pickles(mark).values():
        (model / header["weights"]).write_bytes(data)
        header["sha256"] = hashlib.sha256(data).hexdigest()  # as an attacker would
        (model / "detector.json").write_text(json.dumps(header))
        with pytest.raises(Das3dError):
            Detector.load(model)
        assert not mark.exists()


def test_the_state_of_a_training(tmp_path, mark):
    out = Path(shutil.copytree(detector(), tmp_path / "out"))
    for data in pickles(mark).values():
        (out / "training.safetensors").write_bytes(data)
        with pytest.raises(Das3dError):
            train(source(), out, config=CONFIG, resume=True)
        assert not mark.exists()


def test_images_and_cameras(tmp_path, mark, record_property):
    data = pickles(mark)["npy"]
    archive = io.BytesIO()
    np.savez(archive, depth=np.array([[Canary(mark)]], object))
    for name, content in (("a.npy", data), ("a.npz", archive.getvalue())):
        for read in (read_plane, read_array):
            put(tmp_path / name, content)
            with pytest.raises(Das3dError):
                read(tmp_path / name)
    put(tmp_path / "camera.yaml", f"fx: !!python/object/apply:os.mkdir ['{mark}']\n".encode())
    with pytest.raises(Das3dError):
        read_camera(tmp_path / "camera.yaml")
    record_property("figure", "canaries as weights, training state, npy, npz and YAML: none ran")
