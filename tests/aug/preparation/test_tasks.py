"""One preparation made by many tasks: the same bytes, whoever is killed or fails."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from das3d_cli.aug import main
from helpers.dumps import environment, put, tree, write_folder, write_mvtec

from das3d_aug.datasets import open_dataset
from das3d_aug.errors import FileError, ParameterError
from das3d_aug.generation import generate
from das3d_aug.preparation import Preparation, is_prepared, merge_prepared, prepare

SETTINGS = Preparation(size=40)
RUN = """
import sys
from das3d_aug.preparation import Preparation, prepare

prepare(sys.argv[1], sys.argv[2], settings=Preparation(size=40), task=int(sys.argv[3]), tasks=3)
"""


@pytest.mark.parametrize("settings", [SETTINGS, replace(SETTINGS, foreground="auto", normalise="dataset", xyz=True)])
def test_tasks_in_any_order_and_a_merge_leave_what_one_run_leaves(tmp_path, settings):
    parts, out = write_mvtec(tmp_path / "parts", count=5), tmp_path / "out"
    whole = prepare(parts, tmp_path / "whole", settings=settings)
    made = [prepare(parts, out, settings=settings, task=task, tasks=4) for task in (3, 0, 2)]
    assert sum(one.written for one in made) == 4  # of 6: the parts are of 1, 2, 1 and 2
    with pytest.raises(FileError, match="tasks 1 of 4 have not ended: run them, then merge again"):
        merge_prepared(out)
    prepare(parts, out, settings=settings, task=1, tasks=4, workers=1)
    merged = merge_prepared(out)
    assert tree(out) == tree(tmp_path / "whole")
    same = {"out": whole.out, "written": 6, "kept": 0, "seconds": whole.seconds, "decision": whole.decision}
    assert replace(merged, **same) == whole
    assert len(open_dataset(out).entries) == 6


def test_a_task_is_killed_and_run_again(tmp_path):
    parts, out = write_mvtec(tmp_path / "parts", count=20), tmp_path / "out"
    prepare(parts, tmp_path / "whole", settings=SETTINGS)
    process = subprocess.Popen([sys.executable, "-c", RUN, parts, out, "1"], env=environment())
    while process.poll() is None and len([*out.rglob("records/**/*.json")]) < 2:
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    put(out / "rgb/.000.png.17.partial", b"half")
    kept = [prepare(parts, out, settings=SETTINGS, task=task, tasks=3).kept for task in range(3)]
    assert (kept[0], 0 < kept[1] < 7, kept[2]) == (0, True, 0)
    merge_prepared(out)
    assert tree(out) == tree(tmp_path / "whole")


def test_a_source_that_fails_is_told_by_the_merge_until_it_is_mended(tmp_path):
    parts, out = write_folder(tmp_path / "parts", camera=True), tmp_path / "out"
    depth = parts / "depth/p1.tiff"
    data = depth.read_bytes()
    prepare(parts, out, settings=SETTINGS, unit="m", task=0, tasks=1)  # what is made of it is out of date later
    depth.write_bytes(data[:100])
    prepare(parts, tmp_path / "whole", settings=SETTINGS, unit="m")
    for task in range(2):
        prepare(parts, out, settings=SETTINGS, unit="m", task=task, tasks=2)
    (out / "manifest/000000-of-000001.jsonl").unlink()
    merged = merge_prepared(out)
    assert [Path(where).name for where, _ in merged.failures] == ["p1.tiff"]
    for name in ("prepared.json", "manifest.json"):
        assert (out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    depth.write_bytes(data)
    for task in range(2):
        prepare(parts, out, settings=SETTINGS, unit="m", task=task, tasks=2)
    assert merge_prepared(out).failures == ()
    prepare(parts, tmp_path / "whole", settings=SETTINGS, unit="m")
    assert tree(out) == tree(tmp_path / "whole")


def test_what_cannot_be_merged_is_one_sentence(tmp_path):
    parts, out = write_folder(tmp_path / "parts", camera=True), tmp_path / "out"
    with pytest.raises(ParameterError, match="task must be one of 0 … tasks - 1"):
        prepare(parts, out, settings=SETTINGS, unit="m", task=2, tasks=2)
    with pytest.raises(FileError, match="is no folder that prepare wrote"):
        merge_prepared(out)
    prepare(parts, out, settings=SETTINGS, unit="m")
    with pytest.raises(FileError, match="has no part of a task to merge"):
        merge_prepared(out)
    prepare(parts, out, settings=SETTINGS, unit="m", task=0, tasks=1)
    before = tree(out)
    record = out / "records/p1.json"
    data = record.read_bytes()
    record.unlink()
    with pytest.raises(FileError, match="lacks sample 'p1'; run the tasks again"):
        merge_prepared(out)
    record.write_bytes(data)
    assert tree(out) == before
    part = out / "manifest/000000-of-000001.jsonl"
    good = json.loads(part.read_bytes())
    for change in (
        {"task": 1},
        {"tasks": 0},
        {"tasks": 10**99},
        {"asked": True},
        {"failures": {"p1": "gone"}},
        {"failures": {"p1": ["a", 3]}},
        {"said": {"a": -1}},
        {"said": []},
        {"decision": None},
    ):
        put(part, json.dumps(good | change).encode())
        with pytest.raises(FileError, match=r"is no part of a manifest .*; remove it and run its task again"):
            merge_prepared(out)
    put(part, b"{}")
    with pytest.raises(FileError, match=r"is no part of a manifest .*; remove it and run its task again"):
        merge_prepared(out)
    put(part, json.dumps(good).encode())
    header = json.loads((out / "das3d.json").read_bytes())
    for options in ([1], {"layout": "folder"}):
        put(out / "das3d.json", json.dumps(header | {"settings": header["settings"] | {"options": options}}).encode())
        with pytest.raises(FileError, match=r"das3d\.json: is not of prepare: its options are"):
            merge_prepared(out)


def test_the_commands(tmp_path):
    parts, out = write_folder(tmp_path / "parts", camera=True), tmp_path / "out"
    for task in "01":
        done = CliRunner().invoke(
            main, ["prepare", f"{parts}", "--out", f"{out}", "--task", task, "--tasks", "2", "--unit", "m"]
        )
        assert done.exit_code == 0, done.output
        assert f"next: das3d-aug merge {out}, when all 2 tasks have ended" in done.output
    assert is_prepared(out)
    done = CliRunner().invoke(main, ["merge", f"file://{out}", "--json"])
    assert (done.exit_code, json.loads(done.stdout)["result"]["complete_before"]) == (0, 3)
    assert len(open_dataset(out).entries) == 3
    (parts / "intrinsics.json").unlink()
    prepare(parts, tmp_path / "bare", settings=SETTINGS, task=0, tasks=1)
    done = CliRunner().invoke(main, ["merge", f"{tmp_path / 'bare'}"])
    assert (done.exit_code, "with --foreground all" in done.stderr) == (1, True), done.stderr
    generate(parts, tmp_path / "made", limit=1)
    assert not is_prepared(tmp_path / "made")
