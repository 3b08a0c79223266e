"""One run made by many tasks: the same bytes, whoever is killed, comes twice, or was divided otherwise before."""

from __future__ import annotations

import errno
import fcntl
import itertools
import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from helpers.dumps import RECIPE, RUN, environment, put, recipes, tree, write_folder, write_mvtec

from das3d_aug.datasets import open_dataset
from das3d_aug.errors import FileError, ParameterError
from das3d_aug.generation import generate, merge, planning
from das3d_aug.generation.formats import FORMATS
from das3d_aug.generation.making import Job
from das3d_aug.runs.output_folder import digest
from das3d_aug.synthesis import Recipe

BUSY = "another run is writing here"
MIXED = Recipe(area=(0.1, 0.3))  # normal samples too


def make(source: Path, out: Path, tasks: int, *, only: Any = None, **settings: Any) -> None:
    for task in reversed(range(tasks)) if only is None else only:
        generate(source, out, task=task, tasks=tasks, **settings)


def start(source: Path, out: Path, **settings: Any) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", RUN, str(source), str(out), json.dumps(settings)], env=environment())


@pytest.mark.parametrize("written_as", FORMATS)
def test_tasks_in_any_order_and_a_merge_leave_what_one_run_leaves(tmp_path: Path, written_as: str) -> None:
    parts, out = write_mvtec(tmp_path / "parts"), tmp_path / "out"
    settings: dict[str, Any] = {"recipe": MIXED, "per_image": 4, "seed": 3, "format": written_as, "shard_size": 2}
    whole = generate(parts, tmp_path / "whole", **settings)
    make(parts, out, 7, **settings)
    assert len(open_dataset(out).entries) == 12  # parts of the manifest are nothing to readers
    merged = merge(out)
    assert tree(out) == tree(tmp_path / "whole")
    assert replace(merged, out=whole.out, written=12, kept=0, seconds=whole.seconds) == whole


@pytest.mark.parametrize("written_as", ["folder", "webdataset"])
def test_count_and_limit_are_those_of_the_whole(tmp_path: Path, written_as: str) -> None:
    parts, out = write_folder(tmp_path / "parts", camera=True), tmp_path / "out"
    recipe = replace(MIXED, kinds={"paste": 1.0})
    settings: dict[str, Any] = {"recipe": recipe, "count": 11, "limit": 10, "format": written_as, "shard_size": 3}
    generate(parts, tmp_path / "whole", donors=True, **settings)
    make(parts, out, 3, only=[0, 1], donors=True, **settings)
    generate(parts, out, task=2, tasks=3, workers=1, donors=True, **settings)
    assert merge(out).breakdown.samples == 10
    assert tree(out) == tree(tmp_path / "whole")


@pytest.mark.parametrize("written_as", ["mvtec3d", "webdataset"])
def test_a_third_of_the_tasks_is_killed_and_all_are_run_again(tmp_path: Path, written_as: str) -> None:
    parts, out = write_mvtec(tmp_path / "parts"), tmp_path / "out"
    settings: dict[str, Any] = {"per_image": 40, "seed": 3, "format": written_as, "shard_size": 2}
    generate(parts, tmp_path / "whole", **settings)
    for task in (1, 4):
        before = complete(out)
        process = start(parts, out, task=task, tasks=6, **settings)
        while process.poll() is None and complete(out) < before + 2:
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    put(out / ".shard-000001.tar.17.partial", b"half")
    make(parts, out, 6, only=[0, 2, 3, 5], **settings)
    with pytest.raises(FileError, match=r"tasks 1,4 of 6 have not ended: run them, then merge again"):
        merge(out)
    kept = [generate(parts, out, task=task, tasks=6, **settings).kept for task in range(6)]
    assert [kept[task] for task in (0, 2, 3, 5)] == [20] * 4
    assert all(0 < kept[task] < 20 for task in (1, 4))
    merge(out)
    assert tree(out) == tree(tmp_path / "whole")


def complete(out: Path) -> int:
    return len([*recipes(out), *out.glob("shard-*.json")])


def test_the_same_task_twice_at_once_is_harmless(tmp_path: Path) -> None:
    parts, out = write_folder(tmp_path / "parts"), tmp_path / "out"
    settings: dict[str, Any] = {"per_image": 8, "format": "webdataset", "shard_size": 1}
    generate(parts, tmp_path / "whole", **settings)
    twins = [start(parts, out, task=0, tasks=2, **settings) for _ in range(2)]
    assert [twin.wait() for twin in twins] == [0, 0]
    make(parts, out, 2, only=[1], **settings)
    merge(out)
    assert tree(out) == tree(tmp_path / "whole")


def test_tasks_of_another_division_are_kept_and_their_parts_go(tmp_path: Path) -> None:
    parts, out = write_folder(tmp_path / "parts"), tmp_path / "out"
    settings: dict[str, Any] = {"recipe": RECIPE, "per_image": 4}
    generate(parts, tmp_path / "whole", **settings)
    make(parts, out, 2, limit=6, **settings)  # whole, of fewer samples
    make(parts, out, 5, only=[0, 3], **settings)
    make(parts, out, 3, only=[0, 2], **settings)
    with pytest.raises(FileError, match=r"tasks 1 of 3 have not ended"):
        merge_all_of(out, 2)
    done = generate(parts, out, task=1, tasks=3, **settings)
    assert (done.kept, done.written, done.breakdown.samples) == (3, 1, 4)
    merge(out)
    assert tree(out) == tree(tmp_path / "whole")


def merge_all_of(out: Path, tasks: int) -> None:
    """Merge without the parts of a division."""
    for path in (out / "manifest").glob(f"*-of-{tasks:06d}.jsonl"):
        path.unlink()
    merge(out)


def test_missing_tasks_are_named_as_slurm_takes_them(tmp_path: Path) -> None:
    parts, out = write_folder(tmp_path / "parts"), tmp_path / "out"
    with pytest.raises(FileError, match=r"is no folder that generate wrote"):
        merge(tmp_path)
    generate(parts, out, recipe=RECIPE, limit=1)
    (out / "manifest.json").unlink()
    with pytest.raises(FileError, match=r"has no part of a task to merge: run generate"):
        merge(out)
    make(parts, out, 9, only=[3, 6], recipe=RECIPE)
    before = tree(out)
    with pytest.raises(FileError, match=r"tasks 0-2,4-5,7-8 of 9 have not ended"):
        merge(out)
    assert tree(out) == before


def test_of_many_missing_tasks_whole_ranges_are_named(tmp_path: Path) -> None:
    parts, out = write_folder(tmp_path / "parts"), tmp_path / "out"
    make(parts, out, 1000, only=[1], recipe=RECIPE, count=1000, limit=1)
    said = (out / "manifest/000001-of-001000.jsonl").read_text()
    for task in range(1, 1000, 2):
        path = out / f"manifest/{task:06d}-of-001000.jsonl"
        path.write_text(said.replace('"task": 1,', f'"task": {task},', 1))
    with pytest.raises(FileError) as caught:
        merge(out)
    said = r"tasks ([\d,]+) and (\d+) more tasks of 1000 have not ended: run them, then merge again"
    match = re.fullmatch(said, caught.value.reason)
    assert match is not None
    numbers = [int(number) for number in match[1].split(",")]
    assert numbers == list(range(0, 1000, 2))[: len(numbers)]
    assert len(numbers) + int(match[2]) == 500


def test_a_task_that_starts_again_takes_back_its_part(tmp_path: Path) -> None:
    """Killed after it wrote a shard again, which lacked a source, and before it said so."""
    parts, out = write_folder(tmp_path / "parts"), tmp_path / "out"
    settings: dict[str, Any] = {"recipe": RECIPE, "format": "webdataset", "shard_size": 3}
    victim = parts / "depth/p1.tiff"
    good = victim.read_bytes()
    victim.write_bytes(good[:100])
    make(parts, out, 1, **settings)
    victim.write_bytes(good)

    def killed(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        generate(parts, out, task=0, tasks=1, progress=killed, **settings)
    with pytest.raises(FileError, match=r"has no part of a task"):
        merge(out)


def test_a_part_that_is_older_than_its_shard_is_refused(tmp_path: Path) -> None:
    """A task of another division has written the shard again, with more samples."""
    parts, out = write_folder(tmp_path / "parts"), tmp_path / "out"
    settings: dict[str, Any] = {"recipe": RECIPE, "per_image": 4, "format": "webdataset", "shard_size": 4}
    generate(parts, tmp_path / "whole", **settings)
    make(parts, out, 2, limit=6, **settings)
    make(parts, out, 3, only=[1], **settings)
    with pytest.raises(
        FileError, match=r"'shard-000001.json' was written again since, or is gone; run task 1 of 2"
    ) as e:
        merge(out)
    assert e.value.path == out / "manifest/000001-of-000002.jsonl"
    assert not (out / "manifest.json").exists()
    make(parts, out, 3, only=[0, 2], **settings)
    merge(out)
    assert tree(out) == tree(tmp_path / "whole")


@pytest.mark.parametrize("written_as", ["folder", "webdataset"])
def test_what_was_merged_before_is_merged(tmp_path: Path, written_as: str) -> None:
    parts, out = write_folder(tmp_path / "parts", camera=True), tmp_path / "out"
    settings: dict[str, Any] = {"recipe": MIXED, "per_image": 2, "format": written_as, "shard_size": 2}
    make(parts, out, 2, **settings)
    first, before = merge(out), tree(out)
    put(out / ".manifest.removed/000000-of-000002.jsonl", b"left by a kill")
    again = merge(out)
    assert tree(out) == before
    assert not (out / ".manifest.removed").exists()
    assert replace(again, how=first.how, left_out=first.left_out) == first
    generate(parts, out, task=0, tasks=2, **settings)
    with pytest.raises(FileError, match=r"tasks 1 of 2 have not ended"):
        merge(out)
    (out / "manifest/000000-of-000002.jsonl").unlink()  # begun, none has ended
    with pytest.raises(FileError, match=r"has no part of a task"):
        merge(out)
    (out / "manifest").rmdir()
    victim = next(out.rglob("*1.json" if written_as == "webdataset" else "recipes/**/*.json"))
    victim.unlink()
    with pytest.raises(FileError, match=r"is in manifest.json and is gone or damaged; run generate again") as caught:
        merge(out)
    assert caught.value.path == victim


@pytest.mark.parametrize("written_as", ["folder", "webdataset"])
def test_limited_tasks_do_not_drop_what_the_manifest_lists(tmp_path: Path, written_as: str) -> None:
    parts, out = write_folder(tmp_path / "parts", camera=True), tmp_path / "out"
    settings: dict[str, Any] = {"recipe": RECIPE, "per_image": 2, "format": written_as, "shard_size": 1}
    generate(parts, out, **settings)
    whole = tree(out)
    make(parts, out, 2, limit=4, **settings)
    before = tree(out)
    with pytest.raises(FileError, match=r"is there beyond the first 4 samples, .* run tasks without that limit, then"):
        merge(out)
    assert tree(out) == before
    make(parts, out, 2, **settings)
    merge(out)
    assert tree(out) == whole


@pytest.mark.parametrize("given", [(0, None), (None, 3), (3, 3), (-1, 3), (0, 0), (0.5, 3), ("0", 3)], ids=str)
def test_a_task_that_is_none_of_so_many_is_refused(tmp_path: Path, given: tuple[Any, Any]) -> None:
    with pytest.raises(ParameterError, match=r"task must be one of 0 … tasks - 1, and both are given or neither"):
        generate(write_folder(tmp_path / "parts"), tmp_path / "out", task=given[0], tasks=given[1])
    assert not (tmp_path / "out").exists()


def test_tasks_share_the_folder_and_keep_out_who_must_be_alone(tmp_path: Path) -> None:
    parts, out = write_folder(tmp_path / "parts"), tmp_path / "out"

    def beside(done: int, total: int) -> None:
        assert total == 2  # of its own part
        if done == 1:
            put(out / ".of.another.task.5.partial", b"half")
            make(parts, out, 2, only=[0], recipe=RECIPE)
            assert (out / ".of.another.task.5.partial").exists()
        for alone in (lambda: generate(parts, out, recipe=RECIPE), lambda: merge(out)):
            with pytest.raises(FileError, match=BUSY):
                alone()

    generate(parts, out, recipe=RECIPE, task=1, tasks=2, progress=beside)
    merge(out)

    def task(done: int, total: int) -> None:
        with pytest.raises(FileError, match=BUSY):
            make(parts, out, 2, only=[1], recipe=RECIPE)

    generate(parts, out, recipe=RECIPE, progress=task)


def test_without_locks_tasks_and_merge_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    parts, out = write_folder(tmp_path / "parts"), tmp_path / "out"
    generate(parts, tmp_path / "whole", recipe=RECIPE)
    monkeypatch.setattr(fcntl, "flock", none)
    make(parts, out, 2, recipe=RECIPE)
    merge(out)
    assert tree(out) == tree(tmp_path / "whole")
    with pytest.raises(FileError, match="cannot be written: No locks available"):
        generate(parts, out, recipe=RECIPE)


def test_a_run_of_its_own_completes_what_tasks_left(tmp_path: Path) -> None:
    parts, out = write_folder(tmp_path / "parts"), tmp_path / "out"
    generate(parts, tmp_path / "whole", recipe=RECIPE)
    make(parts, out, 3, only=[1], recipe=RECIPE)
    put(out / ".manifest.removed/000000-of-000001.jsonl", b"left by a kill")
    with pytest.raises(FileError, match=r"other settings wrote this folder \(seed\)"):
        make(parts, out, 3, only=[0], recipe=RECIPE, seed=1)
    assert generate(parts, out, recipe=RECIPE).kept == 1
    assert tree(out) == tree(tmp_path / "whole")


def test_what_failed_in_tasks_is_told_by_the_merge_and_the_parts_stay(tmp_path: Path) -> None:
    parts, out = write_folder(tmp_path / "parts"), tmp_path / "out"
    settings: dict[str, Any] = {"recipe": RECIPE, "per_image": 2, "format": "webdataset", "shard_size": 1}
    generate(parts, tmp_path / "whole", **settings)
    victim = parts / "depth/p1.tiff"
    good = victim.read_bytes()
    victim.write_bytes(good[:100])
    make(parts, out, 4, **settings)
    merged = merge(out)
    assert [path for path, _ in merged.failures] == [str(victim)]
    assert (merged.kept, merged.breakdown.samples) == (4, 4)
    assert len(json.loads((out / "manifest.json").read_bytes())["sha256"]) == 8
    victim.write_bytes(good)
    make(parts, out, 4, **settings)
    assert merge(out).failures == ()
    assert tree(out) == tree(tmp_path / "whole")


@pytest.mark.parametrize("data", [b"", b"{", b"{}\n", b'{"task": 0, "tasks": 1, "asked": 3}\n'])
def test_a_damaged_part_is_named(tmp_path: Path, data: bytes) -> None:
    parts, out = write_folder(tmp_path / "parts"), tmp_path / "out"
    make(parts, out, 1, recipe=RECIPE)
    (part,) = (out / "manifest").iterdir()
    part.write_bytes(data)
    with pytest.raises(FileError) as caught:
        merge(out)
    assert caught.value.path == part
    assert "remove it and run its task again" in caught.value.reason


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"tasks": 10**99}, "got a whole number of 329 bits where a number is expected"),
        ({"tasks": 0}, "it is of task 0 of 0"),
        ({"task": 3, "tasks": 4}, "it is of task 3 of 4"),
        ({"task": True}, "got True where a number is expected"),
        ({"failures": [[0, 1, "a"]]}, "got 1 where text is expected"),
        ({"common": {"\ud800": "a"}}, "UnicodeEncodeError"),
    ],
)
def test_a_part_that_says_what_no_task_writes_is_named(tmp_path: Path, said: dict[str, Any], reason: str) -> None:
    parts, out = write_folder(tmp_path / "parts"), tmp_path / "out"
    make(parts, out, 1, recipe=RECIPE)
    (part,) = (out / "manifest").iterdir()
    head, *samples = part.read_bytes().splitlines(keepends=True)
    part.write_bytes(json.dumps(json.loads(head) | said).encode() + b"\n" + b"".join(samples))
    with pytest.raises(FileError, match=reason) as caught:
        merge(out)
    assert caught.value.path == part
    part.write_bytes(head + b"".join(samples).replace(b'"recipes/', b'"\\ud800/'))
    with pytest.raises(FileError, match="is no part of a manifest"):
        merge(out)
    part.write_bytes(head + b"".join(samples))
    assert merge(out).kept == len(samples) - 1


def test_a_part_cut_at_the_end_of_a_line_is_no_shorter_run(tmp_path: Path) -> None:
    parts, out = write_folder(tmp_path / "parts"), tmp_path / "out"
    make(parts, out, 1, recipe=RECIPE)
    (part,) = (out / "manifest").iterdir()
    lines = part.read_bytes().splitlines(keepends=True)
    for cut in range(1, len(lines)):
        part.write_bytes(b"".join(lines[:cut]))
        with pytest.raises(FileError, match=r"it is cut short.*; remove it and run its task again"):
            merge(out)
    part.write_bytes(b"".join(lines))
    assert merge(out).kept == len(lines) - 2


@pytest.mark.parametrize("written_as", ["folder", "webdataset"])
def test_a_task_costs_its_own_part_of_however_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written_as: str
) -> None:
    """Of 10**9 samples ten are planned, named and looked for; the folder is not listed."""
    parts, out, looked, name = write_folder(tmp_path / "parts"), tmp_path / "out", [], Job.name
    settings: dict[str, Any] = {"count": 10**9, "format": written_as, "shard_size": 10, "recipe": RECIPE}
    make(parts, out, 10**8, only=[0], **settings)

    def named(*given: Any) -> str:
        looked.append(given)
        return name(*given)

    def elsewhere(function: Any) -> Any:
        def listing(path: Any = ".") -> Any:
            assert not Path(path).is_relative_to(out)
            return function(path)

        return listing

    monkeypatch.setattr(os, "listdir", elsewhere(os.listdir))
    monkeypatch.setattr(os, "scandir", elsewhere(os.scandir))
    monkeypatch.setattr(Job, "name", named)
    done = generate(parts, out, task=10**8 - 1, tasks=10**8, **settings)
    monkeypatch.undo()
    assert (done.written, done.breakdown.samples) == (10, 10)
    assert len(looked) <= 50
    assert (out / "manifest/099999999-of-100000000.jsonl").is_file()
    if written_as == "webdataset":
        assert sorted(path.name for path in out.glob("*.tar")) == ["shard-00000000.tar", "shard-99999999.tar"]
    else:
        indices = [json.loads(path.read_bytes())["index"] for path in recipes(out)]
        assert sorted(indices) == [*range(0, 30, 3), *range(10**9 - 29, 10**9, 3)]


def test_any_place_in_turns_is_found_at_once() -> None:
    """Against the order written out: all indices of a source, then those of the next."""
    for sources, asked in itertools.product(range(1, 6), range(1, 17)):
        job = object.__new__(Job)
        object.__setattr__(job, "count", 20)
        object.__setattr__(job, "sources", sources)
        written_out = [index for first in range(sources) for index in range(first, asked, sources)]
        assert [job.index(place, asked) for place in range(asked)] == written_out


def test_parts_are_disjoint_and_make_the_whole() -> None:
    job = object.__new__(Job)
    for size, asked, tasks in itertools.product((None, 1, 4), (1, 5, 12), (1, 2, 5, 30)):
        object.__setattr__(job, "shard_size", size)
        parts = [planning.units(job, asked, task=task, tasks=tasks) for task in range(tasks)]
        assert [unit for part in parts for unit in part] == list(planning.units(job, asked))
        assert sum(planning.samples_in(job, asked, part) for part in parts) == asked


def test_a_merge_looks_at_nothing_outside_the_folder(tmp_path: Path) -> None:
    """What a part, or an older manifest, lists is not its own."""
    source, out = write_folder(tmp_path / "parts"), tmp_path / "out"
    make(source, out, 1, recipe=RECIPE)
    secret = tmp_path / "secret.json"
    put(secret, b"{}")
    (part,) = (out / "manifest").iterdir()
    head, *lines = part.read_bytes().splitlines()
    line = json.loads(lines[0])
    mark, _ = list(line["sha256"].items())[-1]
    named = f"recipes/../../{secret.name}"
    line["sha256"] = {named: digest(secret.read_bytes())}
    part.write_bytes(b"\n".join((head, json.dumps(line).encode(), *lines[1:])) + b"\n")
    with pytest.raises(FileError, match="leads outside"):
        merge(out)
    assert not (out / "manifest.json").exists()
    part.write_bytes(b"\n".join((head, *lines)) + b"\n")
    merge(out)
    manifest = out / "manifest.json"
    manifest.write_bytes(manifest.read_bytes().replace(mark.encode(), named.encode()))
    with pytest.raises(FileError, match="leads outside"):
        merge(out)
