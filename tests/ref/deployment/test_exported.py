"""A detector from its ONNX file judges as the one it was made of, and files that are none are refused."""

from __future__ import annotations

import functools
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from click.testing import CliRunner
from das3d_cli.program import Program
from das3d_cli.ref.predict import _RUNTIMES, predict
from helpers.dumps import environment
from helpers.encoders import encoder_file, on_features
from helpers.runs import CONFIG, detector, parts, source, workplace

from das3d_aug.datasets import open_dataset
from das3d_aug.errors import FileError, ParameterError
from das3d_ref import Detector, train
from das3d_ref.deployment.export import METADATA, to_onnx
from das3d_ref.deployment.exported import ExportedDetector
from das3d_ref.deployment.onnx_file import read_about
from das3d_ref.deployment.runtimes import RUNTIMES


@functools.cache
def features(mode):
    """Return a detector on frozen features, and its file."""
    config = on_features(mode=mode)
    folder = workplace() / f"features-{mode}"
    train(source(config), folder, config=config)
    one = Detector.load(folder, device="cpu")
    return one, to_onnx(one)


@pytest.fixture(scope="session")
def plain(tmp_path_factory):
    """Return the file of a trained detector."""
    path = tmp_path_factory.mktemp("plain") / "detector.onnx"
    path.write_bytes(to_onnx(Detector.load(detector())))
    return path


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("mode", ["rgb", "depth", "rgbd"])
def test_frozen_features_give_the_same_verdicts(mode, runtime, tmp_path):
    one, data = features(mode)
    (tmp_path / "detector.onnx").write_bytes(data)
    found = ExportedDetector.open(tmp_path / "detector.onnx", runtime=runtime, threads=1)
    assert (found.threshold, found.depth_range) == (one.threshold, one.depth_range)
    scores = set()
    for sample in list(open_dataset(parts()).select(split="test"))[:3]:
        wanted, judged = one.predict_sample(sample), found.predict_sample(sample)
        np.testing.assert_allclose(judged.anomaly_map, wanted.anomaly_map, atol=2e-3)
        assert judged.score == pytest.approx(wanted.score, abs=2e-3)
        assert (judged.label, judged.p_value) == (wanted.label, wanted.p_value)
        assert judged.anomaly_map.std() > 0.01
        scores.add(round(judged.score, 4))
    assert len(scores) > 1


def test_any_batch_of_frozen_features_is_its_images_one_by_one(tmp_path):
    one, data = features("rgbd")
    (tmp_path / "detector.onnx").write_bytes(data)
    run = ExportedDetector.open(tmp_path / "detector.onnx")._run
    random = np.random.default_rng(0)
    images = {"rgb": np.float32(random.random((3, 3, 48, 48))), "depth": np.float32(random.random((3, 7, 48, 48)))}
    together = run(images)
    for number in range(3):
        alone = run({name: image[number : number + 1] for name, image in images.items()})
        np.testing.assert_allclose(together[number : number + 1], alone, atol=1e-3)
    with torch.inference_mode():
        logits = one.network(*(torch.from_numpy(images[name]) for name in ("rgb", "depth"))).logits
    np.testing.assert_allclose(together, logits.sigmoid().numpy(), atol=2e-3)


def test_the_file_does_not_say_where_the_encoder_lay():
    _, data = features("rgb")
    about = json.loads(next(entry.value for entry in onnx.load_from_string(data).metadata_props))
    assert about["config"]["features"]["encoder"] == encoder_file().name
    assert str(encoder_file().parent).encode() not in data


def test_openvino_asks_no_server_and_leaves_no_file(plain, tmp_path):
    code = f"""
import socket
def refuse(*arguments, **named):
    print("asked for", arguments)
    raise OSError
socket.getaddrinfo = socket.socket.connect = refuse
from das3d_ref.deployment.exported import ExportedDetector
from das3d_ref.deployment.onnx_file import read_about
ExportedDetector.open({str(plain)!r}, runtime="openvino")
"""
    surroundings = environment() | {"HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=surroundings, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not [path for path in tmp_path.iterdir() if path.name != ".cache"]


def altered(plain, tmp_path, change, **settings):
    """Write the file with another model or other metadata, and return its path."""
    model = onnx.load_from_string(plain.read_bytes())
    about = json.loads(model.metadata_props[0].value)
    if change is not None:
        change(model, about)
    if len(model.metadata_props):
        model.metadata_props[0].value = json.dumps(about | settings)
    path = tmp_path / "altered.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def test_what_is_no_detector_is_refused(plain, tmp_path):
    def other_key(model, about):
        model.metadata_props[0].key = "mlflow"

    def outside(model, about):
        model.graph.initializer[0].data_location = onnx.TensorProto.EXTERNAL
        model.graph.initializer[0].external_data.add(key="location", value="../secret")

    def scarce(model, about):
        tensor = next(one for one in model.graph.initializer if list(one.dims) == [8, 3, 3, 3])
        tensor.raw_data = tensor.raw_data[:-1]

    def texts(model, about):
        model.graph.initializer.add(name="words", data_type=onnx.TensorProto.STRING, dims=[0])

    def foreign(model, about):
        model.graph.node[0].domain = "com.microsoft"

    def looped(model, about):
        node = model.graph.node.add(op_type="Loop", input=["", ""], output=["x"])
        node.attribute.append(onnx.helper.make_attribute("body", onnx.GraphProto(name="body")))

    def constant(model, name, values):
        model.graph.initializer.append(onnx.numpy_helper.from_array(np.array(values), name))

    def folded(model, about):
        constant(model, "one", [1.0])
        constant(model, "size", [20_000, 20_000])
        model.graph.node.add(op_type="Expand", input=["one", "size"], output=["large"])

    def unsized(model, about):
        constant(model, "size", [2.0, 2.0])
        node = model.graph.node.add(op_type="Cast", input=["size"], output=["whole"])
        node.attribute.append(onnx.helper.make_attribute("to", onnx.TensorProto.INT64))
        model.graph.node.add(op_type="ConstantOfShape", input=["whole"], output=["unsized"])

    def enlarged(model, about):
        model.graph.initializer.append(onnx.numpy_helper.from_array(np.float32([1, 1, 1000, 1000]), "scales"))
        model.graph.node.add(op_type="Resize", input=["rgb", "", "scales"], output=["vast"])

    def unknown(model, about):
        model.graph.node[0].op_type = "Teleport"

    for change, settings, reason in (
        (other_key, {}, "is not a detector of das3d"),
        (outside, {}, "has weights outside the file"),
        (scarce, {}, r"bytes where a tensor of shape \[8, 3, 3, 3\] and type float32 is declared"),
        (texts, {}, "has a tensor of type 8"),
        (foreign, {}, "has operators of 'com.microsoft'"),
        (looped, {}, "has graphs in its nodes"),
        (folded, {}, r"computes large constants, or ones of no known size \('large'\)"),
        (unsized, {}, r"computes large constants, or ones of no known size \('unsized'\)"),
        (enlarged, {}, r"computes a tensor of shape \['\?', 3, 48000, 48000\]"),
        (unknown, {}, "cannot be run by openvino"),
        (lambda model, about: about.pop("config"), {}, "has no config: export the detector again"),
        (None, {"format": 2}, "has format 2; this das3d reads format 1"),
        (None, {"threshold": "high"}, "threshold"),
        (None, {"good_scores": "many"}, "good_scores must be a list"),
        (None, {"depth_range": {"low": 1}}, "depth_range must be low, high and unit"),
        (None, {"config": {"mode": "smell"}}, "mode"),
    ):
        path = altered(plain, tmp_path, change, **settings)
        with pytest.raises(FileError, match=reason) as caught:
            ExportedDetector.open(path)
        assert caught.value.path == path

    def function(model, about):
        model.functions.add(name="inner", domain="mine")

    with pytest.raises(FileError, match="has functions, sparse weights or a training"):
        ExportedDetector.open(altered(plain, tmp_path, function))
    for data in (b"", b"\x00" * 50, plain.read_bytes()[:1000]):
        (tmp_path / "cut.onnx").write_bytes(data)
        with pytest.raises(FileError, match=r"is not an ONNX file|is not a detector"):
            ExportedDetector.open(tmp_path / "cut.onnx")
    with pytest.raises(ParameterError, match="runtime must be one of openvino, onnxruntime, got 'tensorrt'"):
        ExportedDetector.open(plain, runtime="tensorrt")


def another(graph_shape, name="anomaly_map", given="rgb"):
    """Return a model of one node, whatever the metadata says of it."""
    value = onnx.helper.make_tensor_value_info
    node = onnx.helper.make_node("Identity", [given], [name])
    shape = ["batch", *graph_shape]
    graph = onnx.helper.make_graph([node], "other", [value(given, 1, shape)], [value(name, 1, shape)])
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=9)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_networks_that_are_not_those_of_the_metadata_are_an_error_of_the_file(runtime, plain, tmp_path):
    about = onnx.load_from_string(plain.read_bytes()).metadata_props[0].value
    sample = next(iter(open_dataset(parts()).select(split="test")))
    path = tmp_path / "other.onnx"
    for model in (
        another((3, 48, 48)),
        another((1, 9, 9)),
        another((3, 48, 48), given="picture"),
        another((3, 48, 48), "x"),
    ):
        model.metadata_props.add(key=METADATA, value=about)
        path.write_bytes(model.SerializeToString())
        with pytest.raises(FileError, match=r"cannot be run by|gives no anomaly map of \(48, 48\)") as caught:
            ExportedDetector.open(path, runtime=runtime).predict_sample(sample)
        assert caught.value.path == path
        assert "\n" not in str(caught.value)
    with pytest.raises(ParameterError, match=r"use ExportedDetector\.open"):
        ExportedDetector.load(tmp_path)


# Command line


def run(*arguments):
    program = Program(name="das3d-ref", commands=[predict])
    return CliRunner().invoke(program, ["predict", *map(str, arguments)])


@pytest.mark.parametrize("backend", RUNTIMES)
def test_the_command_gives_the_verdicts_of_the_folder(backend, plain, tmp_path):
    assert CONFIG.training.precision == "fp32"
    place = parts() / "flange" / "test" if (parts() / "flange").is_dir() else parts()
    done = run(plain, place, "--out", tmp_path / "file", "--backend", backend)
    assert done.exit_code == 0, done.output
    assert run(detector(), place, "--out", tmp_path / "folder").exit_code == 0
    lines = [
        [json.loads(line) for line in (tmp_path / name / "predictions.jsonl").read_text().splitlines()]
        for name in ("file", "folder")
    ]
    assert len(lines[0]) == len(lines[1]) > 1
    for found, wanted in zip(*lines, strict=True):
        assert found["score"] == pytest.approx(wanted["score"], abs=1e-4)
        assert found["file"] == wanted["file"] if "file" in wanted else True
    assert run(plain, place, "--out", tmp_path / "fewer", "--false-positives", 0.5).exit_code == 0


def test_a_backend_is_for_an_exported_file(tmp_path):
    done = run(detector(), parts(), "--out", tmp_path / "out", "--backend", "openvino")
    assert done.exit_code == 2
    assert "--backend runs an exported detector: das3d-ref export" in done.stderr
    assert _RUNTIMES == RUNTIMES


@pytest.mark.parametrize("package", ["onnx", "onnxruntime", "openvino"])
def test_without_the_extra_one_line_says_what_to_install(package, plain, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    backend = package if package in RUNTIMES else "openvino"
    done = run(plain, parts(), "--out", tmp_path / "out", "--backend", backend)
    assert done.exit_code == 2
    assert done.stderr.endswith(
        f"error: {package} is not installed: pip install '.[export]' in the checkout of das3d\n"
    )
    assert not list(tmp_path.iterdir())


def test_the_metadata_has_one_name():
    _, data = features("rgb")
    assert [entry.key for entry in onnx.load_from_string(data).metadata_props] == [METADATA]


def test_what_is_computed_of_known_patches_is_no_large_constant():
    """A file of `das3d_ref.model.memory.nearest_distances` on more patches than the spare numbers hold."""
    helper = onnx.helper
    values = {"bank": np.ones((8000, 64), np.float32), "two": np.float32([-2]), "last": np.int64([1])}
    nodes = [
        ("Mul", ["bank", "two"], "doubles", {}),
        ("Mul", ["bank", "bank"], "squares", {}),
        ("ReduceSum", ["squares", "last"], "sums", {}),
        ("Concat", ["doubles", "sums"], "both", {"axis": 1}),
        ("Transpose", ["both"], "turned", {"perm": [1, 0]}),
        ("MatMul", ["points", "turned"], "anomaly_map", {}),
    ]
    graph = helper.make_graph(
        [helper.make_node(kind, given, [made], **settings) for kind, given, made, settings in nodes],
        "distances",
        [helper.make_tensor_value_info("points", onnx.TensorProto.FLOAT, ["batch", 65])],
        [helper.make_tensor_value_info("anomaly_map", onnx.TensorProto.FLOAT, ["batch", 8000])],
        [onnx.numpy_helper.from_array(value, name) for name, value in values.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    model.metadata_props.add(key=METADATA, value='{"format": 1}')
    assert read_about(Path("a.onnx"), model.SerializeToString()) == {"format": 1}
