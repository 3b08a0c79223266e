"""Ctrl-C ends cleanly and says how to go on."""

import os
import shutil
import signal
import time

import pytest
from helpers.dumps import put, tree, write_folder
from helpers.jobs import training
from helpers.processes import program, start

ANEW = "what is finished is kept: run the same command again"


def interrupted(name, arguments, begun, out):
    """Interrupt a program once it has ``begun``, as a terminal does: the workers too; return what it said."""
    process = start(program(name, arguments), start_new_session=True)
    while not begun(out) and process.poll() is None:
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 130, said
    assert not list(out.rglob("*.partial"))
    return [line for line in said.splitlines() if line]


@pytest.mark.parametrize("name", ["generate", "generate, 1 worker", "prepare", "demo-data"])
def test_what_is_finished_is_kept_and_the_same_command_goes_on(tmp_path, name, record_property):
    out, source = tmp_path / "out", write_folder(tmp_path / "parts", count=1)
    if name == "prepare":
        for role, suffix in (("rgb", "png"), ("depth", "tiff")):
            for k in range(1, 60):
                put(source / f"{role}/p{k}.{suffix}", (source / f"{role}/p0.{suffix}").read_bytes())
    arguments = {
        "generate": ["generate", source, "--out", out, "--per-image", 200],
        "generate, 1 worker": ["generate", source, "--out", out, "--per-image", 200, "--workers", 1],
        "prepare": ["prepare", source, "--out", out, "--size", 40, "--foreground", "all"],
        "demo-data": ["demo-data", out, "--train", 20, "--validation", 0, "--good", 0, "--per-defect", 0, "--size", 48],
    }[name]
    some = {"prepare": "records/*.json", "demo-data": "*/train/good/xyz/*"}.get(name, "recipes/*.json")
    assert interrupted("aug", arguments, lambda out: list(out.glob(some)), out) == [f"das3d-aug: interrupted; {ANEW}"]
    kept = tree(out)
    process = start(program("aug", arguments))
    _, said = process.communicate()
    assert process.returncode == 0, said
    assert kept.items() <= tree(out).items()
    assert len(tree(out)) > len(kept)
    record_property(
        "figure", "generate (0 and 1 workers), prepare, demo-data, train: exit 130, one line, completed after"
    )


@pytest.mark.slow
def test_a_training(tmp_path):
    job, out = training(steps=100_000), tmp_path / "out"
    said = interrupted("ref", job.into(out), lambda out: (out / "training.safetensors").exists(), out)
    assert said[-1] == "das3d-ref: interrupted; the same command with --resume goes on"
    assert not any("Traceback" in line for line in said)
    shutil.rmtree(out)
