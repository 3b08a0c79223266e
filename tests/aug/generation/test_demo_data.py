"""The demo set on disk: all splits, the same files however it was written, one folder one set."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from das3d_aug.datasets import open_dataset
from das3d_aug.datasets.demo import DEFECTS, demo_plan, make_part
from das3d_aug.errors import FileError, ParameterError
from das3d_aug.generation import write_demo_set

COUNTS = {"families": ("biscuit", "flange"), "train": 2, "validation": 1, "good": 1, "per_defect": 1, "size": 32}


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("demo") / "set"
    assert write_demo_set(out, **COUNTS) == 2 * (2 + 1 + 1 + len(DEFECTS))
    return out


def test_the_set_reads_as_what_was_planned(whole: Path) -> None:
    dataset = open_dataset(whole)
    assert dataset.layout == "mvtec3d"
    found = Counter((entry.category, entry.split, entry.defect, entry.label) for entry in dataset.entries)
    plan = list(demo_plan(**{name: value for name, value in COUNTS.items() if name != "size"}))
    wanted = Counter((i.category, i.split, i.defect or "good", int(i.defect is not None)) for i in plan)
    assert found == wanted
    item = next(item for item in plan if item.defect == "dent")
    part = make_part(item.category, seed=item.seed, index=item.index, size=32, defect="dent")
    entry = next(entry for entry in dataset.entries if entry.key == f"{item.folder}/{item.name}")
    sample = dataset.open(entry)
    for name in ("rgb", "depth", "xyz", "mask", "valid"):
        np.testing.assert_array_equal(getattr(sample, name), getattr(part, name))


def test_an_interrupted_set_is_completed_to_the_same_bytes(whole: Path, tmp_path: Path) -> None:
    class Stop(Exception):
        pass

    def stop(done: int, total: int) -> None:
        if done == 5:
            raise Stop

    out = tmp_path / "set"
    with pytest.raises(Stop):
        write_demo_set(out, progress=stop, **COUNTS)
    assert len(contents(out)) < len(contents(whole))
    seen = []
    write_demo_set(out, workers=1, progress=lambda done, total: seen.append((done, total)), **COUNTS)
    assert contents(out) == contents(whole)
    assert seen == [(done, 24) for done in range(6, 25)]


@pytest.mark.parametrize("role", ["rgb", "xyz", "gt"])
def test_a_sample_that_lost_a_file_or_what_is_in_it_is_made_again(whole: Path, tmp_path: Path, role: str) -> None:
    out = tmp_path / "set"
    shutil.copytree(whole, out)
    lost, emptied = [path for path in sorted(out.rglob("*.*")) if path.parent.name == role][:2]
    lost.unlink()
    emptied.write_bytes(b"")
    seen = []
    write_demo_set(out, progress=lambda done, total: seen.append((done, total)), **COUNTS)
    assert contents(out) == contents(whole)
    assert seen == [(23, 24), (24, 24)]


def test_other_settings_and_foreign_folders_are_refused(whole: Path, tmp_path: Path) -> None:
    before = contents(whole)
    with pytest.raises(FileError, match="holds a demo set of other settings"):
        write_demo_set(whole, **{**COUNTS, "seed": 1})
    assert contents(whole) == before
    (tmp_path / "holiday.jpg").write_bytes(b"")
    with pytest.raises(FileError, match=r"is not empty and was not written by this command \(no demo.json\)"):
        write_demo_set(tmp_path, **COUNTS)


def test_an_empty_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="must be positive, all are 0"):
        write_demo_set(tmp_path / "set", train=0, validation=0, good=0, per_defect=0)
    assert not (tmp_path / "set").exists()
