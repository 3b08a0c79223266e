"""Shards in an object store, moto's, whose server is killed from, busy or gone: `make test-remote`."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from typing import Any

import pytest
import s3fs
from helpers.dumps import RECIPE, RUN, environment, tree, write_mvtec
from helpers.store import ENVIRONMENT, serving

from das3d_aug.errors import Das3dError, FileError, ParameterError
from das3d_aug.files import Remote
from das3d_aug.generation import generate, merge

SETTINGS: dict[str, Any] = {"per_image": 4, "seed": 3, "format": "webdataset", "shard_size": 2}
OF_THE_PLACE = {"das3d.json", "das3d.lock"}  # the header says where the source is, seen from here


@pytest.fixture
def store(monkeypatch):
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    with serving() as (made, url):
        for name, value in {**ENVIRONMENT, "AWS_ENDPOINT_URL": url}.items():
            monkeypatch.setenv(name, value)
        s3fs.S3FileSystem.clear_instance_cache()
        s3fs.S3FileSystem().mkdir("lab")
        yield made
    s3fs.S3FileSystem.clear_instance_cache()


@pytest.fixture
def parts(tmp_path):
    return write_mvtec(tmp_path / "parts")


@pytest.fixture
def whole(parts, tmp_path):
    generate(parts, tmp_path / "whole", **SETTINGS)
    return without_place(tree(tmp_path / "whole"))


def objects(name: str) -> dict[str, str]:
    files = s3fs.S3FileSystem(use_listings_cache=False)
    start = len(f"lab/{name}/")
    return {path[start:]: hashlib.sha256(files.cat_file(path)).hexdigest() for path in files.find(f"lab/{name}")}


def without_place(found: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in found.items() if name not in OF_THE_PLACE}


def start(source: Any, out: str, **settings: Any) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", RUN, str(source), out, json.dumps(settings)], env=environment())


def test_a_run_and_tasks_leave_the_bytes_of_a_run_into_a_folder(store, parts, whole):
    assert generate(parts, "s3://lab/one", **SETTINGS).written == 12
    assert without_place(objects("one")) == whole
    assert generate(parts, "s3://lab/one/", **SETTINGS).kept == 12
    for task in (2, 0):
        generate(parts, "s3://lab/tasks", task=task, tasks=3, **SETTINGS)
    with pytest.raises(FileError, match=r"s3://lab/tasks: tasks 1 of 3 have not ended"):
        merge("s3://lab/tasks")
    generate(parts, "s3://lab/tasks", task=1, tasks=3, workers=2, **SETTINGS)
    assert merge("s3://lab/tasks").kept == 12
    assert without_place(objects("tasks")) == whole
    assert merge("s3://lab/tasks").how == "merged before"


def test_killed_in_the_middle_of_an_upload_and_run_again(store, parts, whole):
    store.stalled = "shard-000002.tar"
    process = start(parts, "s3://lab/out", **SETTINGS)
    assert store.half.wait(120)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    store.stalled = ""
    store.gone.set()
    left = without_place(objects("out"))
    assert left == {f"shard-00000{k}.{of}": whole[f"shard-00000{k}.{of}"] for k in (0, 1) for of in ("json", "tar")}
    done = generate(parts, "s3://lab/out", **SETTINGS)
    assert (done.kept, done.written) == (4, 8)
    assert without_place(objects("out")) == whole


def test_killed_between_the_parts_of_a_large_object(store, tmp_path):
    large = tmp_path / "large"
    with large.open("wb") as stream:
        stream.truncate(120 * 2**20)  # beyond 100 MB fsspec sends parts of 50
    store.stalled = "large"
    code = "import sys, pathlib; from das3d_aug.files import Remote; Remote('s3://lab/large').put(pathlib.Path(sys.argv[1]))"
    process = subprocess.Popen([sys.executable, "-c", code, str(large)], env=environment())
    assert store.half.wait(120)
    process.send_signal(signal.SIGKILL)
    process.wait()
    store.stalled = ""
    store.gone.set()
    remote = Remote("s3://lab/large")
    assert (remote.is_file(), remote.exists()) == (False, False)
    remote.put(large)
    assert remote.size() == 120 * 2**20


def test_a_shard_without_its_mark_or_of_no_bytes_is_made_again(store, parts, whole):
    generate(parts, "s3://lab/out", **SETTINGS)
    files = s3fs.S3FileSystem()
    files.rm_file("lab/out/shard-000001.json")
    files.rm_file("lab/out/shard-000003.tar")
    files.pipe_file("lab/out/shard-000004.tar", b"")
    done = generate(parts, "s3://lab/out", **SETTINGS)
    assert (done.kept, done.written) == (6, 6)
    assert without_place(objects("out")) == whole


@pytest.mark.parametrize("trouble", ["busy", "dropped"])
def test_a_store_that_fails_for_a_moment_is_asked_again(store, parts, whole, trouble):
    settings = {**SETTINGS, "limit": 4}
    setattr(store, trouble, 4)
    generate(parts, "s3://lab/out", **settings)
    assert getattr(store, trouble) == 0
    setattr(store, trouble, 4)
    generate(parts, "s3://lab/out", **SETTINGS)
    assert getattr(store, trouble) == 0
    assert without_place(objects("out")) == whole


def test_other_settings_and_what_is_not_ours_are_refused(store, parts):
    generate(parts, "s3://lab/out", **SETTINGS)
    before = objects("out")
    with pytest.raises(FileError, match=r"s3://lab/out: other settings wrote this folder \(seed\)"):
        generate(parts, "s3://lab/out", **{**SETTINGS, "seed": 4})
    with pytest.raises(FileError, match="s3://lab: is not empty and was not written by this command"):
        generate(parts, "s3://lab", **SETTINGS)
    with pytest.raises(ParameterError, match="format must be 'webdataset' in a store"):
        generate(parts, "s3://lab/folder", recipe=RECIPE)
    assert objects("out") == before


def test_the_first_header_stays(store):
    remote = Remote("s3://lab/out/das3d.json")
    remote.put_first(b"1")
    remote.put_first(b"2")
    assert remote.read_bytes() == b"1"


def test_what_is_wrong_is_one_line_that_says_what_to_do(store, parts, monkeypatch):
    with pytest.raises(Das3dError, match=r"^s3://gone/out/das3d.json: there is no such bucket; make it"):
        generate(parts, "s3://gone/out", **SETTINGS)
    with pytest.raises(FileError, match=r"s3://gone/out: is no folder that generate wrote"):
        merge("s3://gone/out")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    s3fs.S3FileSystem.clear_instance_cache()
    with pytest.raises(Das3dError, match="there are no credentials: set AWS_ACCESS_KEY_ID and"):
        generate(parts, "s3://lab/out", **SETTINGS)


def test_requests_of_a_shard(store, parts):
    generate(parts, "s3://lab/out", **{**SETTINGS, "limit": 2})
    few = len(store.asked)
    generate(parts, "s3://lab/more", **SETTINGS)
    assert len(store.asked) - 2 * few <= 5 * 11  # docs/benchmarks.md counts with it
    assert sum(one.startswith("PUT") and one.endswith(".tar") for one in store.asked) == 7
