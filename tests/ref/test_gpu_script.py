"""The script for a GPU, tried on a CPU: it runs to its end and prints one JSON."""

import json

import torch
from click.testing import CliRunner

from benchmarks import gpu


def test_it_prints_one_json(monkeypatch):
    monkeypatch.setattr(gpu, "WAYS", {"fp32": ("fp32", False), "bf16": ("bf16", False)})
    done = CliRunner().invoke(gpu.main, ["--device", "cpu", "--preset", "smoke", "--repeats", "1"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)["smoke"]
    assert found["equality"]["fp32"] == 0
    assert 0 < found["equality"]["bf16"] < 0.05
    assert all(found[way][name] > 0 for way in ("fp32", "bf16") for name in ("forward ms", "step ms"))
    assert found["examples a second, one process"] > 0


def test_what_cannot_run_says_why(monkeypatch):
    def fails(*_):
        raise RuntimeError("out of\nmemory")

    monkeypatch.setattr(gpu, "equality", fails)
    monkeypatch.setattr(gpu, "rate", fails)
    done = CliRunner().invoke(gpu.main, ["--device", "cpu", "--preset", "smoke", "--repeats", "1", "--seconds", "0"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)["smoke"]
    assert found["equality"] == {"trouble": "out of memory"}
    assert found["bf16"] == {"trouble": "not begun after 0 s"}


def test_without_a_gpu_one_line_says_so(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    done = CliRunner().invoke(gpu.main, [])
    assert done.exit_code == 1
    assert done.output == "Error: torch finds no GPU; --device cpu tries the script\n"
