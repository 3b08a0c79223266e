"""What a prediction costs: counts against counting by hand, memory that is the network's, and what cannot run here."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
import torch
from click.testing import CliRunner
from das3d_cli.options import PRESETS as SHOWN
from das3d_cli.program import Program
from das3d_cli.ref.cost import _BACK_ENDS
from das3d_cli.ref.cost import cost as command
from helpers.dumps import environment
from helpers.encoders import on_features
from helpers.runs import detector, settings

from das3d_aug.errors import Das3dError, ParameterError
from das3d_ref import PRESETS, Detector
from das3d_ref.deployment import back_ends
from das3d_ref.deployment.back_ends import BACK_ENDS, measure_memory
from das3d_ref.studies.cost import measure_cost, untrained

CPU = torch.device("cpu")


def memory(config, *, name="eager-fp32", batch=1, **options):
    return measure_memory(name, config, batch=batch, device=CPU, threads=1, **options)


@pytest.fixture
def no_children(monkeypatch):
    monkeypatch.setattr(
        "das3d_ref.studies.cost.measure_memory", lambda *arguments, **options: back_ends.Memory(300.0, 200.0)
    )


# Figures


def test_every_back_end_is_measured(no_children, monkeypatch):
    monkeypatch.setattr(torch, "compile", lambda network, dynamic: network)  # it takes a minute
    one, before, done = Detector.load(detector()), torch.get_num_threads(), []
    here = [name for name in BACK_ENDS if not name.startswith("openvino")]  # these: the next test
    cost = measure_cost(
        one, batches=(1, 3), repeats=4, threads=1, back_ends=here, progress=lambda *step: done.append(step)
    )
    assert [(row.back_end, row.batch) for row in cost.rows] == [(name, batch) for name in here for batch in (1, 3)]
    assert done == [(step, 12) for step in range(1, 13)]  # 4 in turns, and 8 of memory
    assert torch.get_num_threads() == before
    for row in cost.rows:
        assert row.trouble is None
        assert 0 < row.network.low <= row.network.median <= row.network.high
        assert row.memory.peak == 300
    for row in cost.rows[::2]:
        assert row.prediction.median > row.network.median  # of which it is a part
    assert all(row.prediction is None for row in cost.rows[1::2])


def test_parameters_and_operations_are_those_counted_by_hand(no_children):
    config = settings(preparation__size="[37, 50]", mode="depth", network__convolutions=2)
    one = untrained(config)
    counted = []

    def count(layer, inputs, output):
        counted.append(2 * layer.weight[0].numel() * output[0].numel())

    for layer in one.network.modules():
        if isinstance(layer, torch.nn.Conv2d):
            layer.register_forward_hook(count)
    one.network(None, torch.rand(1, 1, 37, 50))
    expected = sum(counted)
    cost = measure_cost(untrained(config), batches=(1,), repeats=1, back_ends=("eager-fp32",))
    assert cost.operations == expected
    assert cost.parameters == sum(weights.numel() for weights in one.network.parameters())


def test_openvino_is_measured():
    code = f"""
from das3d_ref import Detector
from das3d_ref.studies.cost import measure_cost
names = ("openvino-fp32", "openvino-bf16")
cost = measure_cost(Detector.load({str(detector())!r}), batches=(1,), repeats=2, threads=1, back_ends=names)
assert [(row.back_end, row.trouble) for row in cost.rows] == [(name, None) for name in names]
assert all(0 < row.network.median < row.prediction.median and row.memory.peak > 100 for row in cost.rows)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment())
    assert done.returncode == 0, done.stderr


def test_memory_is_the_networks_and_grows_with_the_batch(tmp_path):
    config = settings(mode="rgb", preparation__size=256)
    one, eight = (memory(config, batch=batch, model=tmp_path) for batch in (1, 8))
    image = 256 * 256 * 4 / 2**20  # a channel in fp32
    assert eight.peak - eight.idle > 8 * 2 * 8 * image  # an activation of 8 channels and the one that it becomes
    assert eight.peak - one.peak > 7 * 8 * image


def test_another_size_than_the_detectors_own(no_children):
    one = Detector.load(detector())
    costs = [
        measure_cost(one, size=size, batches=(1,), repeats=1, back_ends=("eager-bf16",)) for size in ("64", "64x96")
    ]
    assert [cost.protocol["size"] for cost in costs] == [(64, 64), (64, 96)]
    assert costs[1].operations == pytest.approx(1.5 * costs[0].operations)
    assert one.config.preparation.size == (48, 48)


def test_a_range_of_the_training_images_does_not_matter(no_children):
    one = untrained(settings(preparation__normalise="dataset"))
    header = {**one.header, "depth_range": {"low": 1.0, "high": 2.0, "unit": "raw"}}
    cost = measure_cost(Detector(one.network, header, device=CPU), batches=(1,), repeats=1, back_ends=("eager-fp32",))
    assert cost.rows[0].prediction is not None


@pytest.mark.parametrize("mode", ["rgb", "depth", "rgbd"])
def test_a_detector_on_frozen_features_has_a_cost_too(no_children, mode):
    cost = measure_cost(untrained(on_features(mode=mode)), batches=(1, 2), repeats=1, back_ends=("eager-bf16",))
    assert [row.trouble for row in cost.rows] == [None, None]
    assert cost.operations > cost.parameters > 0


# What cannot be measured here


def test_a_back_end_that_cannot_run_is_a_line(no_children, monkeypatch):
    def refuse(network, dynamic):
        raise RuntimeError("no working C++ compiler\nfound: set CXX")

    monkeypatch.setattr(torch, "compile", refuse)
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    cost = measure_cost(Detector.load(detector()), batches=(1, 2), repeats=2)
    troubles = {row.back_end: row.trouble for row in cost.rows}
    assert troubles == {
        "eager-fp32": None,
        "eager-bf16": None,
        "compile-bf16": "not measured: no working C++ compiler found: set CXX",
        **dict.fromkeys(
            ("onnx-fp32", "openvino-fp32", "openvino-bf16"),
            "not measured: onnxscript is not installed: pip install '.[export]' in the checkout of das3d",
        ),
    }
    table = cost.table()
    assert table.rows[-2] == ("openvino-bf16", "2", "–", "–", "–", "–")
    assert table.notes[-1] == f"openvino-bf16, batch 2: {troubles['openvino-bf16']}"
    saved = json.loads(cost.to_json())
    assert saved["rows"][-1] == {
        "back_end": "openvino-bf16",
        "batch": 2,
        "network": None,
        "prediction": None,
        "memory": None,
        "trouble": troubles["onnx-fp32"],
    }


def test_a_child_that_fails_leaves_the_time(monkeypatch):
    monkeypatch.setattr(back_ends, "_CHILD", "import sys; sys.exit('no memory\\nto be had')")
    cost = measure_cost(Detector.load(detector()), batches=(1,), repeats=1, back_ends=("eager-fp32",))
    (row,) = cost.rows
    assert row.network is not None
    assert (row.memory, row.trouble) == (None, "memory not measured: to be had")


def test_a_child_that_is_killed_is_told(monkeypatch, tmp_path):
    monkeypatch.setattr(back_ends, "_CHILD", "import os; os.kill(os.getpid(), 9)")
    with pytest.raises(Das3dError, match="the process was ended by signal 9"):
        memory(settings(), model=tmp_path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batches": ()}, "batches must be at least 1, got ()"),
        ({"batches": (1, 0)}, "batches must be at least 1, got (1, 0)"),
        ({"batches": tuple(range(1, 10))}, "batches must be at most 8, got 9"),
        ({"repeats": 0}, "repeats must be at least 1, got [0]"),
        ({"threads": -1}, "threads must be at least 1, got [-1]"),
        ({"back_ends": ("tpu",)}, "back_ends must be of eager-fp32, "),
        ({"size": "none"}, "size is missing"),
        ({"size": "0"}, "size must be N or HxW"),
    ],
)
def test_wrong_arguments_are_named(options, message):
    with pytest.raises(ParameterError) as told:
        measure_cost(untrained(settings()), **options)
    assert message in str(told.value)


# Command line


def run(*arguments):
    return CliRunner().invoke(Program(name="das3d-ref", commands=[command]), ["cost", *map(str, arguments)])


def test_the_command_prints_and_writes_table_5(no_children, tmp_path):
    out = tmp_path / "out"
    few = ("--backend", "eager-fp32", "--backend", "eager-bf16", "--repeats", 3, "--threads", 1)
    done = run("--preset", "smoke", "--size", "40x64", "--batch", 1, "--batch", 2, *few, "--out", out)
    assert done.exit_code == 0, done.output
    assert "eager-bf16" in done.stdout
    assert "mode rgbd, 40 × 64 pixels" in done.stdout
    assert done.stdout.endswith(f"{out}: see cost.md and cost.json\n")
    saved = json.loads((out / "cost.json").read_text())
    assert saved["paper"] == {"Method": "DAS3D", "Inf. time": 0.041, "Memory": 3936, "I-AUROC": 0.982, "AUPRO": 0.975}
    assert [(row["back_end"], row["batch"]) for row in saved["rows"]] == [
        ("eager-fp32", 1),
        ("eager-fp32", 2),
        ("eager-bf16", 1),
        ("eager-bf16", 2),
    ]
    about = saved["protocol"]
    assert (about["mode"], about["size"], about["repeats"], about["threads"]) == ("rgbd", [40, 64], 3, 1)
    assert about["machine"]["cores"] == os.cpu_count()
    assert about["versions"]["torch"] == torch.__version__
    lines = (out / "cost.md").read_text().splitlines()
    assert "| DAS3D (paper) | – | 0.041 | – | – | 3936 |" in lines
    assert f"{about['machine']['cpu']}, " in "\n".join(lines)
    median = saved["rows"][0]["network"]["median"]
    assert f"| {1 / median:.3g} |" in next(line for line in lines if line.startswith("| eager-fp32 | 1 |"))


def test_the_command_takes_a_detector_or_a_preset(tmp_path):
    done = run(detector(), "--backend", "onnx-fp32", "--batch", 1, "--repeats", 1, "--out", tmp_path)
    assert done.exit_code == 0, done.output
    assert "48 × 48 pixels" in done.stdout
    (row,) = json.loads((tmp_path / "cost.json").read_text())["rows"]
    assert row["memory"]["peak"] > row["memory"]["idle"] > 50
    for wrong in ((), (detector(), "--preset", "smoke")):
        done = run(*wrong)
        assert (done.exit_code, done.stderr) == (2, "das3d-ref: error: give MODEL or --preset, one of them\n")


def test_the_commands_choices_are_the_librarys():
    assert BACK_ENDS == _BACK_ENDS
    assert SHOWN == PRESETS
