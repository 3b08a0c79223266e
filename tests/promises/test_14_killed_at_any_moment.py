"""kill -9 at any moment leaves whole files only; the same command completes the run to the same bytes."""

import contextlib
import json
import random
import signal
import time

import pytest
from helpers.dumps import put, tree
from helpers.jobs import benchmark, folder_jobs, training
from helpers.processes import Fork, program, start
from helpers.trainings import files

from das3d_ref.model import load_checkpoint
from das3d_ref.model.checkpoint import load_state

CHANCE = random.Random()
JOBS = ("generate mvtec3d", "generate eyecandies", "generate folder", "generate webdataset", "prepare", "demo-data")
KILLS = 4


@pytest.mark.parametrize("name", JOBS)
def test_commands_of_das3d_aug(tmp_path, name, record_property):
    job, out = folder_jobs(tmp_path)[name], tmp_path / "killed"
    begin = time.monotonic()
    assert Fork(job.program, job.into(tmp_path / "undisturbed")).end() == (0, "")
    took, whole = time.monotonic() - begin, tree(tmp_path / "undisturbed")
    sizes = sorted(path.stat().st_size for path in (tmp_path / "undisturbed").rglob("*") if path.is_file())

    def check():
        left = {path: digest for path, digest in tree(out).items() if not path.endswith(".partial")}
        assert {path: whole[path] for path in left} == left

    # In the middle of writing a file: the largest one, and one of the others.
    for size in (sizes[-1] // 2, sizes[len(sizes) // 2] - 1):
        code, _ = Fork(job.program, job.into(out), most=(size, "die")).end()
        assert code == -signal.SIGXFSZ
        check()
    for _ in range(KILLS):
        process = Fork(job.program, job.into(out))
        time.sleep(CHANCE.uniform(0, took))
        process.kill()
        process.end()
        check()
    put(out / ".x.png.12.partial", b"stale")
    assert Fork(job.program, job.into(out)).end() == (0, "")
    assert tree(out) == whole
    record_property("figure", f"{len(JOBS)} commands × {KILLS + 2} kills, train × 2, benchmark × 1: equal bytes")


@pytest.mark.slow
def test_train(tmp_path):
    job, whole, out = training(), tmp_path / "whole", tmp_path / "out"
    process = start(program(job.program, job.into(whole)))
    begin = time.monotonic()
    while not (whole / "training.json").exists() and process.poll() is None:
        time.sleep(0.01)
    loading = time.monotonic() - begin
    assert (process.wait(), process.stderr.close()) == (0, None)
    took = time.monotonic() - begin - loading
    half = (whole / "training.safetensors").stat().st_size // 2
    for most in ((half, "die"), None):
        process = start(program(job.program, job.into(out), most=most))
        if most is None:
            while not (out / "training.safetensors").exists() and process.poll() is None:
                time.sleep(0.001)
            time.sleep(CHANCE.uniform(0, took))
            process.kill()
        process.communicate()
        assert process.returncode in ((-signal.SIGXFSZ,) if most else (-signal.SIGKILL, 0))
        for path in out.glob("*.json"):
            json.loads(path.read_text())
        for name, load in (("detector.json", load_checkpoint), ("training.safetensors", load_state)):
            with contextlib.nullcontext() if (out / name).exists() else pytest.raises(Exception, match=str(out)):
                load(out)
    put(out / ".model-abc.safetensors.123.partial", b"left by a kill")
    _, said = start(program(job.program, job.into(out))).communicate()
    assert "error" not in said
    assert files(out) == files(whole)


@pytest.mark.slow
def test_benchmark(tmp_path):
    job, out = benchmark(), tmp_path / "out"
    begin = time.monotonic()
    start(program(job.program, job.into(out))).communicate()
    took, whole = time.monotonic() - begin, results(out)
    out.rename(tmp_path / "whole")  # reports say where they lie, so the second run is in the same place
    process = start(program(job.program, job.into(out)))
    while not list(out.rglob("training.json")) and process.poll() is None:
        time.sleep(0.01)
    time.sleep(CHANCE.uniform(0, took / 2))
    process.kill()
    process.communicate()
    for path in out.rglob("*.json"):
        json.loads(path.read_text())
    _, said = start(program(job.program, job.into(out))).communicate()
    assert "failed" not in said
    assert results(out) == whole


def results(out):
    """Return what a benchmark holds, without what its processes said and the lock."""
    assert (out / "tables.md").exists()
    return {name: digest for name, digest in files(out).items() if not name.endswith(("log.txt", ".lock"))}
