"""Full disk: existing files intact, clear error, non-zero exit."""

import pytest
from helpers.dumps import tree
from helpers.jobs import folder_jobs, training
from helpers.processes import Fork, program, start
from helpers.runs import detector

from das3d_ref.model import load_checkpoint

JOBS = ("generate mvtec3d", "generate eyecandies", "generate folder", "generate webdataset", "prepare", "demo-data")


def told(code, said, program_):
    """One line that names the file and the cause."""
    assert code == 2
    last = said.splitlines()[-1]
    assert last.startswith(f"{program_}: error: ")
    assert ": cannot be written: File too large" in last


@pytest.mark.parametrize("name", JOBS)
def test_commands_of_das3d_aug(tmp_path, name, record_property):
    job, out = folder_jobs(tmp_path)[name], tmp_path / "out"
    assert Fork(job.program, job.into(out)).end() == (0, "")
    whole = tree(out)
    largest = max((path for path in out.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
    size = largest.stat().st_size
    for mark in (*out.rglob("records/**/*.json"), *out.rglob("recipes/**/*.json"), *out.glob("shard-*.json")):
        mark.unlink()  # all is made again, over what is there
    if name == "demo-data":
        largest.unlink()
    before = tree(out)
    code, said = Fork(job.program, job.into(out), most=(size - 1, "refuse")).end()
    told(code, said, "das3d-aug")
    after = tree(out)
    assert before.items() <= after.items()
    assert after.items() <= whole.items()
    assert Fork(job.program, job.into(out)).end() == (0, "")
    assert tree(out) == whole
    record_property("figure", f"{len(JOBS)} commands and train, at a limit on files: exit 2, one line, no file lost")


@pytest.mark.slow
def test_train(tmp_path):
    """The state does not fit, the detector does (what an older run left: tests/ref/training/test_stopping.py)."""
    job, out = training(steps=4), tmp_path / "out"
    (weights,) = detector().glob("model-*.safetensors")
    process = start(program(job.program, job.into(out), most=(weights.stat().st_size + 1000, "refuse")))
    _, said = process.communicate()
    told(process.returncode, said, "das3d-ref")
    assert "training.safetensors" in said
    assert not (out / "training.safetensors").exists()
    assert not list(out.rglob("*.partial"))
    load_checkpoint(out)
