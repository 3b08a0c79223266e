"""Shards in a store have the bytes of shards in a folder."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import fsspec
import pytest
from click.testing import CliRunner
from das3d_cli.aug import main
from helpers.dumps import RECIPE, tree, write_mvtec

from das3d_aug.errors import FileError, ParameterError
from das3d_aug.generation import generate, merge

SETTINGS: dict[str, Any] = {"recipe": RECIPE, "per_image": 4, "seed": 3, "format": "webdataset", "shard_size": 2}


@pytest.fixture
def lab():
    yield "memory://lab"
    fsspec.filesystem("memory").rm("/lab", recursive=True)


def objects(name: str) -> dict[str, str]:
    store = fsspec.filesystem("memory")
    found = {path.removeprefix(f"/lab/{name}/"): store.cat_file(path) for path in store.find(f"/lab/{name}")}
    return {path: hashlib.sha256(data).hexdigest() for path, data in found.items() if path != "das3d.json"}


def of_folder(out: Path) -> dict[str, str]:
    return {name: found for name, found in tree(out).items() if name not in ("das3d.json", "das3d.lock")}


def test_a_run_and_tasks_leave_what_a_run_leaves_in_a_folder(tmp_path, lab):
    parts = write_mvtec(tmp_path / "parts")
    whole = generate(parts, tmp_path / "whole", **SETTINGS)
    made = generate(parts, f"{lab}/one", **SETTINGS)
    assert (str(made.out), made.breakdown, made.written) == (f"{lab}/one", whole.breakdown, 12)
    for task in (2, 0, 1):
        generate(parts, f"{lab}/tasks", task=task, tasks=3, **SETTINGS)
    with pytest.raises(FileError, match=r"other settings wrote this folder \(seed\)"):
        generate(parts, f"{lab}/one", **{**SETTINGS, "seed": 4})
    assert merge(f"{lab}/tasks").breakdown == whole.breakdown
    assert objects("one") == objects("tasks") == of_folder(tmp_path / "whole")
    header = json.loads(fsspec.filesystem("memory").cat_file("/lab/one/das3d.json"))
    assert header["source"] == parts.as_posix()


def test_what_is_missing_is_made_and_a_task_that_was_limited_takes_nothing_away(tmp_path, lab):
    parts, store = write_mvtec(tmp_path / "parts"), fsspec.filesystem("memory")
    generate(parts, f"{lab}/one", **SETTINGS)
    before = objects("one")
    store.rm_file("/lab/one/shard-000002.json")
    store.rm_file("/lab/one/shard-000004.tar")
    done = generate(parts, f"{lab}/one", **SETTINGS)
    assert (done.kept, done.written, objects("one")) == (8, 4, before)
    for task in range(2):
        generate(parts, f"{lab}/one", task=task, tasks=2, limit=4, **SETTINGS)
    with pytest.raises(FileError, match=r"shard-000002.json: is there beyond the first 4 samples"):
        merge(f"{lab}/one")


def test_tasks_that_began_after_a_merge_must_end_before_the_next(tmp_path, lab):
    parts = write_mvtec(tmp_path / "parts")

    def kill(*_: int) -> None:
        raise KeyboardInterrupt

    generate(parts, f"{lab}/out", task=0, tasks=1, limit=4, **SETTINGS)
    assert merge(f"{lab}/out").kept == 4
    with pytest.raises(KeyboardInterrupt):
        generate(parts, f"{lab}/out", task=0, tasks=1, progress=kill, **SETTINGS)
    with pytest.raises(FileError, match="has no part of a task to merge: run generate with a task and tasks first"):
        merge(f"{lab}/out")
    generate(parts, f"{lab}/out", task=0, tasks=1, **SETTINGS)
    assert merge(f"{lab}/out").kept == 12
    assert not any(name.startswith("manifest/") for name in objects("out"))


def test_the_commands_take_urls(tmp_path, lab):
    parts = write_mvtec(tmp_path / "parts")
    options = ["--format", "webdataset", "--shard-size", "2", "--count", "4"]
    for task in "01":
        run = [str(parts), "--out", f"{lab}/out", *options, "--task", task, "--tasks", "2"]
        done = CliRunner().invoke(main, ["generate", *run])
        assert done.exit_code == 0, done.output
    assert f"das3d-aug merge {lab}/out" in done.output
    done = CliRunner().invoke(main, ["merge", f"{lab}/out", "--json"])
    assert json.loads(done.stdout)["result"]["out"] == f"{lab}/out"
    again = CliRunner().invoke(main, ["generate", str(parts), "--out", f"{lab}/out", *options])
    assert "copy a shard and its .json from memory://lab/out" in again.output
    said = CliRunner().invoke(main, ["generate", str(parts), "--out", "ftp://lab/out"])
    assert "error: --out must be a folder" in said.stderr
    local = f"file://{tmp_path}/local"
    assert CliRunner().invoke(main, ["generate", str(parts), "--out", local]).exit_code == 0
    assert CliRunner().invoke(main, ["merge", local]).exit_code == 0
    assert (tmp_path / "local/manifest.json").is_file()


def test_formats_of_single_files_are_refused(tmp_path, lab):
    parts = write_mvtec(tmp_path / "parts")
    generate(parts, f"{lab}/one", **SETTINGS)
    for written_as in ("folder", None):
        with pytest.raises(ParameterError, match="format must be 'webdataset' in a store"):
            generate(parts, f"{lab}/{written_as}", format=written_as)
