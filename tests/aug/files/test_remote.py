"""Places in a store, in fsspec's memory; tests/plug_in/run_remote.py has a server."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path

import fsspec
import pytest

from das3d_aug.errors import Das3dError, FileError, ParameterError
from das3d_aug.files import Remote, contained, open_atomic, place, sweep_partials, write_first


@pytest.fixture
def root():
    yield Remote("memory://lab/out")
    fsspec.filesystem("memory").rm("/lab", recursive=True)


def test_what_is_a_place():
    assert place("out") == place(Path("out")) == Path("out")
    assert place("file:///a%20b/out") == Path("/a b/out")
    assert place("s3://bucket/a/") == Remote("s3://bucket/a") == place(Remote("s3://bucket/a"))
    assert place("S3://bucket/A#b?c") == Remote("s3://bucket/A#b?c")
    assert place("FILE:///a#1/b?") == Path("/a#1/b?")
    for url in ("ftp://host/out", "s3://", "s3:///out", "https://host/out", "s3://", "://out", "http://[out"):
        with pytest.raises(ParameterError, match=r"out must be a folder, file:///folder, s3://bucket/name"):
            place(url)
    for url in ("file://host/out", "file://out", "file://"):
        with pytest.raises(ParameterError, match=r"out must be a folder, file:///folder, s3://bucket/name"):
            place(url)


def test_an_object_is_there_when_its_writer_has_ended(root):
    with open_atomic(root / "a.tar") as stream:
        stream.write(b"12345")
        stream.seek(0)
        assert stream.read(2) == b"12"
        assert not (root / "a.tar").is_file()
    assert ((root / "a.tar").read_bytes(), (root / "a.tar").size()) == (b"12345", 5)
    with (root / "a.tar").open("rb") as stream:
        assert list(stream) == [b"12345"]


def test_a_writer_that_fails_leaves_what_was_there(root):
    write_first(root / "a", b"old")
    write_first(root / "a", b"new")
    with pytest.raises(TypeError), open_atomic(root / "a") as stream:
        stream.write(b"half" + "")
    assert (root / "a").read_bytes() == b"old"
    assert sweep_partials(root) == []


def test_names_below(root):
    for name in ("a.json", "b.tar", "c/d.json"):
        write_first(root / name, b"1")
    assert sorted(root.below("*.json")) == ["a.json", "c/d.json"]
    assert sorted(root.listed()) == ["a.json", "b.tar", "c"]
    assert ((root / "c").exists(), (root / "c").is_file(), (root / "e").exists()) == (True, False, False)
    (root / "c").remove_all()
    (root / "c").remove_all()
    (root / "a.json").unlink()
    (root / "a.json").unlink(missing_ok=True)
    with pytest.raises(FileNotFoundError):
        (root / "a.json").unlink()
    assert root.listed() == ["b.tar"]
    assert (root / "e").listed() == []


def test_nothing_outside_is_touched(root):
    assert contained(root, root / "a/b") == root / "a/b"
    for name in ("../x", "a/../../x", "", "a//b"):
        with pytest.raises(FileError, match="leads outside memory://lab/out"):
            contained(root, root / name)
    with pytest.raises(FileError):
        contained(root, Remote("memory://lab/outside/x"))
    write_first(root / "a", b"1")


def test_errors_name_the_place_after_a_journey_too(root):
    write_first(root / "a", b"1")
    error = pickle.loads(pickle.dumps(FileError(root / "a", "is odd")))
    assert (str(error), error.path) == ("memory://lab/out/a: is odd", root / "a")


def test_a_package_that_is_missing_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(Das3dError, match=r"^s3:// needs s3fs: pip install '\.\[remote\]' in the checkout of das3d$"):
        Remote("s3://lab/a").is_file()
    with pytest.raises(Das3dError, match=r"^gs:// needs gcsfs: pip install gcsfs$"):
        Remote("gs://lab/a").is_file()


def test_a_store_that_fails_is_no_absence(root, monkeypatch):
    write_first(root / "a", b"1")

    def refuse(*_: object) -> None:
        raise PermissionError("Access Denied")

    monkeypatch.setattr(fsspec.get_filesystem_class("memory"), "info", refuse)
    with pytest.raises(Das3dError, match="memory://lab/out/a: access is refused: the credentials must be of someone"):
        (root / "a").is_file()
