"""A detector as an ONNX file: the same anomaly maps, all that a verdict needs, and what is said when it cannot be."""

from __future__ import annotations

import functools
import json
import subprocess
import sys

import numpy as np
import onnxruntime
import pytest
import torch
from click.testing import CliRunner
from das3d_cli.program import Program
from das3d_cli.ref.export import export
from helpers.dumps import environment
from helpers.pages import ROOT, blocks
from helpers.runs import detector, parts, settings

from das3d_aug import __version__
from das3d_aug.datasets import open_dataset
from das3d_aug.errors import Das3dError, ParameterError
from das3d_ref import Detector
from das3d_ref.deployment import export as module
from das3d_ref.deployment.export import METADATA, random_images, to_onnx
from das3d_ref.model.detector import build_network

SPAN = {"low": 0.3, "high": 0.6, "unit": "m"}


def made(*, span=None, **values):
    """Return a detector with random weights, the normalisation's own too."""
    config = settings(**values)
    torch.manual_seed(3)
    network = build_network(config)
    for tensor in network.state_dict().values():
        tensor.uniform_(0.05, 0.5) if tensor.ndim == 1 else None
    header = {"config": config.to_dict(), "threshold": 0.25, "depth_range": span}
    return Detector(network, header, device=torch.device("cpu"))


@functools.cache
def exported(mode):
    """Return a detector of each mode, all unlike each other, and its file."""
    values = {
        "rgb": {"network__norm": "batch", "preparation__size": "[37, 50]"},
        "depth": {"preparation__normalise": "dataset", "network__discriminator_stride": 3, "span": SPAN},
        "rgbd": {"data__normals": "true", "preparation__normalise": "dataset", "span": SPAN},
    }[mode]
    one = made(mode=mode, **values)
    return one, to_onnx(one)


def session(data):
    return onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])


@pytest.mark.parametrize(
    ("mode", "inputs"),
    [
        ("rgb", {"rgb": ["batch", 3, 37, 50]}),
        ("depth", {"depth": ["batch", 1, 48, 48]}),
        ("rgbd", {"rgb": ["batch", 3, 48, 48], "depth": ["batch", 4, 48, 48]}),
    ],
)
def test_anomaly_maps_are_those_of_torch_at_any_batch(mode, inputs):
    one, data = exported(mode)
    running = session(data)
    assert {node.name: node.shape for node in running.get_inputs()} == inputs
    assert [node.name for node in running.get_outputs()] == ["anomaly_map"]
    for batch in (1, 2, 5):
        images = {
            name: np.float32(np.random.default_rng(batch).random((batch, *shape[1:]))) for name, shape in inputs.items()
        }
        with torch.inference_mode():
            tensors = {name: torch.from_numpy(image) for name, image in images.items()}
            wanted = one.network(tensors.get("rgb"), tensors.get("depth")).logits.sigmoid().numpy()
        (found,) = running.run(None, images)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, wanted, atol=2e-5)
        assert found.std() > 0.002


def test_the_file_says_what_a_verdict_needs():
    one, data = exported("depth")
    about = json.loads(session(data).get_modelmeta().custom_metadata_map[METADATA])
    preparation = about.pop("preparation")
    assert about == {
        "format": 1,
        "das3d": __version__,
        "mode": "depth",
        "normals": False,
        "depth_range": SPAN,
        "score_window": 5,
        "threshold": 0.25,
        "config": json.loads(json.dumps(one.config.to_dict())),
        "good_scores": None,
        "good_floors": None,
    }
    assert preparation == {**one.config.preparation.to_dict(), "size": "48x48", "xyz": False}


def test_nothing_of_this_machine_is_in_the_file():
    _, data = exported("rgbd")
    assert str(ROOT).encode() not in data
    assert b".py" not in data


@pytest.mark.parametrize("mode", ["rgb", "depth", "rgbd"])
def test_the_example_of_the_docs_gives_the_detectors_scores_without_torch(mode, tmp_path):
    one, data = exported(mode)
    (tmp_path / "detector.onnx").write_bytes(data)
    (tmp_path / "parts").symlink_to(parts())
    _, example = blocks(ROOT / "docs" / "how-to" / "export.md", "python")
    code = f"import sys\nsys.modules['torch'] = sys.modules['das3d_ref'] = None\n{example}"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], cwd=tmp_path, env=environment(), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    key, score, verdict = done.stdout.split()
    sample = next(iter(open_dataset(parts()).select(split="test")))
    wanted = one.predict_sample(sample)
    assert key == sample.entry.key
    assert float(score) == pytest.approx(wanted.score, abs=1e-4)
    assert verdict == str(wanted.label)


def test_a_detector_of_any_size_needs_one_and_others_have_one():
    with pytest.raises(ParameterError, match="size is missing"):
        to_onnx(made(preparation__size="none"))
    with pytest.raises(ParameterError, match=r"size '64' is not to be chosen: the detector's is \(48, 48\)"):
        to_onnx(made(), size="64")
    with pytest.raises(ParameterError, match="'64xyz'"):
        to_onnx(made(preparation__size="none"), size="64xyz")


def test_a_runtime_that_disagrees_is_refused(monkeypatch):
    monkeypatch.setattr(module, "_serialize", lambda *arguments: b"")
    monkeypatch.setattr(module, "open_runtime", lambda *_: lambda images: np.zeros((3, 1, 48, 48), np.float32))
    with pytest.raises(Das3dError, match=r"differs from PyTorch's by 0\.\d+, more than 0\.0001"):
        to_onnx(made())
    monkeypatch.setattr(module, "open_runtime", lambda *_: lambda images: np.full((3, 1, 48, 48), np.nan))
    with pytest.raises(Das3dError, match="by nan"):
        to_onnx(made())


def test_weights_beyond_a_file_are_refused_before_the_work(monkeypatch):
    monkeypatch.setattr(module, "_LARGEST", 10_000)
    with pytest.raises(ParameterError, match=r"the weights take 0\.0 GiB, and an ONNX file may hold 1.5"):
        to_onnx(made())


# Command line


def run(*arguments):
    program = Program(name="das3d-ref", commands=[export])
    return CliRunner().invoke(program, ["export", *map(str, arguments)])


def test_the_command_writes_the_file(tmp_path):
    out = tmp_path / "new" / "detector.onnx"
    done = run(detector(), "--out", out)
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith(f"{out}: 0.")
    assert done.stderr == ""
    one = Detector.load(detector())
    (found,) = session(out.read_bytes()).run(None, random_images(one.config, batch=1))
    assert found.shape == (1, 1, 48, 48)
    assert [path.name for path in out.parent.iterdir()] == ["detector.onnx"]


@pytest.mark.parametrize("package", ["onnx_ir", "onnxruntime", "onnxscript"])
def test_without_the_extra_one_line_says_what_to_install(package, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_serialize", module._serialize if package != "onnxruntime" else lambda *_: b"")
    monkeypatch.setitem(sys.modules, package, None)
    done = run(detector(), "--out", tmp_path / "detector.onnx")
    assert done.exit_code == 2
    assert (
        done.stderr
        == f"das3d-ref: error: {package} is not installed: pip install '.[export]' in the checkout of das3d\n"
    )
    assert not list(tmp_path.iterdir())


def test_mistakes_are_one_line(tmp_path):
    done = run(tmp_path, "--out", tmp_path / "a.onnx")
    assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
    assert "holds no detector" in done.stderr
    (tmp_path / "file").write_text("")
    done = run(detector(), "--out", tmp_path / "file" / "a.onnx", "--size", "64")
    assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
    assert "size '64' is not to be chosen" in done.stderr
