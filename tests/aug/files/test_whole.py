"""Files that are whole or absent, regular files only, and folders that are not left."""

import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.image_files import put

from das3d_aug.errors import FileError
from das3d_aug.files import contained, open_atomic, sweep_partials, write_atomic, write_first


def test_atomic_writing_replaces_and_leaves_nothing_beside(tmp_path):
    path = tmp_path / "new" / "folder" / "a.bin"
    write_atomic(path, b"old")
    write_atomic(path, b"new")
    assert path.read_bytes() == b"new"
    assert [item.name for item in path.parent.iterdir()] == ["a.bin"]
    with pytest.raises(FileError, match=r"b\.bin: cannot be written"):
        write_atomic(path / "b.bin", b"")


def test_writers_touch_regular_files_only(tmp_path):
    target = put(tmp_path, "target", b"old")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(target)
    (tmp_path / "nowhere").symlink_to("absent")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "to_null").symlink_to("/dev/null")
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(tmp_path / "socket"))
    server.close()
    before = sorted(tmp_path.iterdir())
    for name, reason in {
        "folder": "is a folder, not a regular file",
        "pipe": "is a pipe, not",
        "socket": "is a device",
        "/dev/full": "is a device, not a regular file; name another one to write",
        "link": "is a symbolic link, which is not written through; name the file itself",
        "nowhere": "is a symbolic link",
        "loop": "is a symbolic link",
        "to_null": "is a symbolic link",
        "loop/x": "cannot be written",
    }.items():
        with pytest.raises(FileError, match=reason) as caught:
            write_atomic(tmp_path / name, b"new")
        assert caught.value.path == tmp_path / name
    assert sorted(tmp_path.iterdir()) == before
    assert target.read_bytes() == b"old"
    assert stat.S_ISCHR(Path("/dev/full").stat().st_mode)


def test_the_mode_of_an_older_file_is_kept(tmp_path):
    for mode in (0o600, 0o640, 0o777, 0o444):
        path = put(tmp_path, "a.bin", b"old")
        path.chmod(mode)
        write_atomic(path, b"new")
        assert stat.S_IMODE(path.stat().st_mode) == mode
        path.unlink()


@pytest.mark.parametrize("write", [write_atomic, write_first])
def test_a_link_in_the_place_of_the_partial_is_not_followed(tmp_path, monkeypatch, write):
    target = put(tmp_path, "target", b"old")
    monkeypatch.setattr(os, "urandom", bytes)
    (tmp_path / ".a.bin.0.partial").symlink_to(target)
    with pytest.raises(FileError, match="cannot be written"):
        write(tmp_path / "a.bin", b"new")
    assert target.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["target"]


def test_two_writers_of_one_process_id_have_two_partials(tmp_path):
    """In containers every process has the same; a folder that several machines write sees both."""
    path = tmp_path / "a.bin"
    with open_atomic(path) as first, open_atomic(path) as second:
        first.write(b"one")
        second.write(b"two")
    assert path.read_bytes() == b"one"
    assert [item.name for item in tmp_path.iterdir()] == ["a.bin"]


@pytest.mark.parametrize("links", [True, False])
def test_the_first_of_several_writers_wins(tmp_path, monkeypatch, links):
    if not links:
        monkeypatch.setattr(os, "link", refuse)
    write_first(tmp_path / "new/a.bin", b"one")
    write_first(tmp_path / "new/a.bin", b"two")
    assert (tmp_path / "new/a.bin").read_bytes() == b"one"
    assert [item.name for item in (tmp_path / "new").iterdir()] == ["a.bin"]


def refuse(*_):
    raise PermissionError(1, "Operation not permitted")


def test_a_full_disk_keeps_the_old_file_and_names_it(tmp_path):
    path = put(tmp_path, "a.bin", b"old")
    code = """
import resource, signal, sys
from das3d_aug.errors import FileError
from das3d_aug.files import write_atomic
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    write_atomic(sys.argv[1], bytes(5000))
except FileError as error:
    print(error)
"""
    run = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
    assert run.stdout.startswith(f"{path}: cannot be written: ")
    assert [item.name for item in tmp_path.iterdir()] == ["a.bin"]
    assert path.read_bytes() == b"old"


def test_partials_of_killed_writers_are_swept_and_nothing_else(tmp_path):
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    stale = [put(tmp_path, ".x.png.12.partial", b""), put(deep, ".y.tiff.345.partial", b"")]
    kept = [put(tmp_path, "x.png.12.partial", b""), put(deep, ".y.partial", b""), put(deep, "y.tiff", b"")]
    assert sweep_partials(tmp_path) == sorted(stale)
    assert not any(path.exists() for path in stale)
    assert all(path.exists() for path in kept)


def test_containment(tmp_path):
    root = tmp_path / "root"
    (root / "in").mkdir(parents=True)
    (root / "good").symlink_to("in")
    (root / "out").symlink_to(tmp_path)
    (root / "loop").symlink_to("loop")
    (tmp_path / "root2").mkdir()
    assert contained(root, root / "good" / "new.png") == (root / "in" / "new.png").resolve()
    assert contained(root, root) == root.resolve()
    for bad in (
        root / "out" / "x",
        root / ".." / "x",
        "/etc/passwd",
        root / "loop" / "x",
        tmp_path / "root2",
        root / "a\0b",
        root / "\ud800",
    ):
        with pytest.raises(FileError):
            contained(root, bad)
