"""Two runs into one folder never mix: the second refuses."""

import pytest
from helpers.dumps import recipes, tree, write_folder
from helpers.jobs import folder_jobs
from helpers.processes import Fork
from helpers.runs import CONFIG, detector, parts, source
from helpers.trainings import files

from das3d_aug.errors import FileError
from das3d_aug.generation import generate, write_demo_set
from das3d_aug.preparation import Preparation, prepare
from das3d_ref import train
from das3d_ref.studies.benchmark import benchmark
from das3d_ref.studies.cells import Study

BUSY = "another run is writing here; wait for it or use another folder"


def test_two_processes(tmp_path, record_property):
    job, out = folder_jobs(tmp_path)["generate folder"], tmp_path / "out"
    assert Fork(job.program, job.into(tmp_path / "alone")).end() == (0, "")
    refused = 0
    for _ in range(10):
        first, second = Fork(job.program, job.into(out)), Fork(job.program, job.into(out))
        ends = [first.end(), second.end()]
        assert (0, "") in ends
        refused += sum(code == 2 and said == f"das3d-aug: error: {out}: {BUSY}\n" for code, said in ends)
        assert all(code == 0 or BUSY in said for code, said in ends)
        assert tree(out) == tree(tmp_path / "alone")
        for recipe in recipes(out):
            recipe.unlink()
    assert refused
    record_property("figure", f"10 races of two processes: {refused} refused, all folders whole; 5 writers in turn")


def test_a_second_one_of_every_kind(tmp_path):
    folder, settings = write_folder(tmp_path / "parts", count=2), Preparation(size=16, foreground="all")
    counts = {"families": ("potato",), "train": 2, "validation": 0, "good": 0, "per_defect": 0, "size": 32}
    small = Study(data=parts(), options={}, preset="smoke")

    def cells(out, progress):
        benchmark(small, out, modes=("rgb",), run=lambda cell, stop: progress())

    writers = {
        "generate": lambda out, progress: generate(folder, out, progress=progress),
        "prepare": lambda out, progress: prepare(folder, out, settings=settings, progress=progress),
        "demo-data": lambda out, progress: write_demo_set(out, progress=progress, **counts),
        "benchmark": cells,
    }
    for name, write in writers.items():
        calls = []

        def second(*_, name=name, write=write, calls=calls):
            calls.append(name)
            if len(calls) == 1:
                with pytest.raises(FileError, match=BUSY):
                    write(tmp_path / name, lambda *_: None)
            elif name == "benchmark":
                raise AssertionError

        try:
            write(tmp_path / name, second)
        except FileError:
            assert name == "benchmark"  # its cell made nothing
        assert calls


def test_a_second_training(tmp_path):
    refused = []

    def again(step, steps, figures):
        if not refused:
            with pytest.raises(FileError, match=BUSY) as caught:
                train(source(), tmp_path, config=CONFIG, resume=True)
            refused.append(caught.value)

    train(source(), tmp_path, config=CONFIG, progress=again)
    assert refused
    assert files(tmp_path) == files(detector())
