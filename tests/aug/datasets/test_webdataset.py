"""WebDataset shards: what lies in them, completion after any interruption, and reading damaged or lying ones."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from helpers.dumps import RECIPE, environment, kill_and_complete, put, tree, write_folder, write_mvtec

from das3d_aug.datasets import encode_webdataset, open_dataset
from das3d_aug.errors import FileError, ParameterError
from das3d_aug.generation import generate, replay
from das3d_aug.generation import making as _making
from das3d_aug.geometry import Intrinsics
from das3d_aug.synthesis import Recipe

ROLES = ["rgb.png", "depth.tiff", "mask.png", "rgb_mask.png", "depth_mask.png", "json"]
RGB = np.random.default_rng(5).integers(0, 256, (6, 8, 3), dtype=np.uint8)
DEPTH = np.random.default_rng(6).uniform(0.4, 0.5, (6, 8)).astype(np.float32)
MASK = np.eye(6, 8, dtype=np.uint8) * np.uint8(255)
ABOUT = {
    "label": 1,
    "kind": "both",
    "category": "bolt",
    "unit": "m",
    "intrinsics": {"fx": 9.0, "fy": 8.0, "cx": 3.5, "cy": 2.5},
}


def members(key: str, **about: object) -> dict[str, bytes]:
    """Return the files of one sample, made with other libraries."""
    tiff = io.BytesIO()
    tifffile.imwrite(tiff, DEPTH)
    png = cv2.imencode(".png", MASK)[1].tobytes()
    return {
        f"{key}.rgb.png": cv2.imencode(".png", RGB[:, :, ::-1])[1].tobytes(),
        f"{key}.depth.tiff": tiff.getvalue(),
        f"{key}.mask.png": png,
        f"{key}.rgb_mask.png": png,
        f"{key}.depth_mask.png": png,
        f"{key}.json": json.dumps(ABOUT | about).encode(),
    }


def tar_of(files: dict[str, bytes] | list[tuple[str, bytes]]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for name, data in files.items() if isinstance(files, dict) else files:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return stream.getvalue()


def shards(root: Path, *tars: bytes) -> Path:
    put(root / "das3d.json", b"{}")
    for number, data in enumerate(tars):
        put(root / f"shard-{number:06d}.tar", data)
    return root


def test_a_shard_is_a_plain_tar_of_whole_samples(tmp_path: Path) -> None:
    parts, out = write_mvtec(tmp_path / "parts"), tmp_path / "out"
    generate(parts, out, recipe=RECIPE, per_image=3, seed=2, format="webdataset", shard_size=4)
    assert sorted(path.name for path in out.glob("*.tar")) == [f"shard-{k:06d}.tar" for k in range(3)]
    names = []
    for path in sorted(out.glob("*.tar")):
        with tarfile.open(path, "r:") as tar:
            for member in tar:
                assert member.isreg()
                about = (member.mtime, member.uid, member.gid, member.uname, member.gname, member.mode)
                assert about == (0, 0, 0, "", "", 0o644)
                names.append(member.name)
            records = [json.load(tar.extractfile(name)) for name in tar.getnames() if name.endswith(".json")]
            for record in records:
                assert len(record["files"]) == 5
                for name, wanted in record["files"].items():
                    assert hashlib.sha256(tar.extractfile(name).read()).hexdigest() == wanted
    assert names == [f"{index:06d}.{role}" for index in range(9) for role in ROLES]

    found = tree(out)
    manifest = json.loads((out / "manifest.json").read_bytes())["sha256"]
    assert manifest == {name: value for name, value in found.items() if name.startswith("shard-")}
    mark = json.loads((out / "shard-000002.json").read_bytes())
    assert [figures["sample"] for figures in mark.pop("figures")] == ["000008"]
    assert mark == {"format": 1, "samples": ["000008"], "files": {"shard-000002.tar": found["shard-000002.tar"]}}


def test_shards_written_by_others_are_read_in_any_order(tmp_path: Path) -> None:
    normal = members("b-2", label=0, kind="normal", intrinsics=None)
    root = shards(tmp_path / "set", tar_of(members("a_1") | normal), tar_of(members("c") | {"c.notes.txt": b"hello"}))
    dataset = open_dataset(root)
    assert dataset.how == "2 shards beside das3d.json"
    entries = {entry.key: entry for entry in dataset.entries}
    assert {key: (entry.label, entry.defect, entry.category) for key, entry in entries.items()} == {
        "a_1": (1, "both", "bolt"),
        "b-2": (0, "good", "bolt"),
        "c": (1, "both", "bolt"),
    }
    for key in ("c", "a_1", "b-2"):
        sample = dataset.open(entries[key])
        np.testing.assert_array_equal(sample.rgb, RGB)
        np.testing.assert_array_equal(sample.depth, DEPTH)
        assert sample.mask is not None
        np.testing.assert_array_equal(sample.mask, MASK > 0)
        assert sample.unit == "m"
        assert sample.intrinsics == (None if key == "b-2" else Intrinsics(9.0, 8.0, 3.5, 2.5))
    assert [entry.key for entry in dataset.select(label=0).entries] == ["b-2"]
    with pytest.raises(FileError, match=r"shard-000001.tar: holds no normals of sample 'c'"):
        dataset.read(entries["c"], "normals")


def test_shards_are_a_source_too(tmp_path: Path) -> None:
    parts, dump, out = write_folder(tmp_path / "parts"), tmp_path / "dump", tmp_path / "out"
    generate(parts, dump, recipe=Recipe(dropout=1.0), format="webdataset")
    assert generate(dump, out, recipe=RECIPE).written == 3
    assert replay(out / "shard-000000.tar", sample="000001").differences == ()


@pytest.mark.parametrize(("workers", "marks", "wanted"), [(0, ".shard-*.partial", 1), (0, "*.tar", 3), (2, "*.tar", 2)])
def test_killed_at_any_moment_then_completed(tmp_path: Path, workers: int, marks: str, wanted: int) -> None:
    parts = write_mvtec(tmp_path / "parts", count=8)
    kills: list[Callable[[Path], bool]] = [lambda out: len(list(out.glob(marks))) >= wanted]
    kill_and_complete(tmp_path, source=parts, written_as="webdataset", workers=workers, kills=kills)


def test_a_shard_that_lacks_samples_is_made_again(tmp_path: Path) -> None:
    parts = write_folder(tmp_path / "parts", count=4)
    settings = {"recipe": RECIPE, "per_image": 2, "seed": 1, "format": "webdataset", "shard_size": 3}
    whole, out = tmp_path / "whole", tmp_path / "out"
    generate(parts, whole, **settings)  # type: ignore[arg-type]

    assert generate(parts, out, **settings, limit=4).written == 4  # type: ignore[arg-type]
    assert len(open_dataset(out).entries) == 4
    victim = parts / "depth/p2.tiff"
    good = victim.read_bytes()
    victim.write_bytes(good[:100])
    done = generate(parts, out, **settings)  # type: ignore[arg-type]
    assert (done.kept, done.written) == (3, 3)
    assert [path for path, _ in done.failures] == [str(victim)]
    assert [entry.key for entry in open_dataset(out).entries] == [f"{k:06d}" for k in (0, 1, 2, 3, 6, 7)]
    found = tree(out)
    assert json.loads((out / "manifest.json").read_bytes())["sha256"].items() <= found.items()

    victim.write_bytes(good)
    done = generate(parts, out, **settings)  # type: ignore[arg-type]
    assert (done.kept, done.written, done.failures) == (5, 3, ())
    assert tree(out) == tree(whole)
    assert generate(parts, out, **settings, limit=2).kept == 2  # type: ignore[arg-type]
    assert tree(out) == tree(whole)


def test_ctrl_c_ends_a_shard_and_leaves_no_part_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parts, out = write_folder(tmp_path / "parts", count=3), tmp_path / "out"
    pressed = iter([False, False, True])
    monkeypatch.setattr(_making, "interrupted", lambda: next(pressed))
    with pytest.raises(KeyboardInterrupt):
        generate(parts, out, recipe=RECIPE, format="webdataset", shard_size=2)
    assert sorted(tree(out)) == ["das3d.json", "das3d.lock", "shard-000000.json", "shard-000000.tar"]


def test_a_full_disk_is_an_error_and_leaves_whole_files(tmp_path: Path) -> None:
    parts, out = write_folder(tmp_path / "parts", count=4), tmp_path / "out"
    generate(parts, out, recipe=RECIPE, format="webdataset", shard_size=1, limit=1)
    before = tree(out)
    limited = (
        "import resource, signal, sys; from das3d_aug.generation import generate; from das3d_aug import Recipe;"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (9000, 9000));"
        "recipe = Recipe(dropout=0.0, area=(0.1, 0.3));"
        "generate(sys.argv[1], sys.argv[2], recipe=recipe, format='webdataset', shard_size=1)"
    )
    command = [sys.executable, "-c", limited, str(parts), str(out)]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "FileError" in done.stderr.splitlines()[-1]
    assert "shard-000001.tar: cannot be written" in done.stderr.splitlines()[-1]
    assert tree(out) == before


def test_one_writer_at_a_time_and_one_set_of_settings(tmp_path: Path) -> None:
    parts, out = write_folder(tmp_path / "parts", count=2), tmp_path / "out"

    def second_run(done: int, total: int) -> None:
        with pytest.raises(FileError, match="another run is writing here"):
            generate(parts, out, recipe=RECIPE, format="webdataset")

    generate(parts, out, recipe=RECIPE, format="webdataset", progress=second_run)
    for other in ({"shard_size": 7}, {"format": "folder"}):
        with pytest.raises(FileError, match=rf"\(.*{next(iter(other))}"):
            generate(parts, out, **{"recipe": RECIPE, "format": "webdataset", **other})  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["shard-000000.tar", "shard-000000.json"])
def test_nothing_is_written_through_a_link_that_leads_out(tmp_path: Path, name: str) -> None:
    parts, out = write_folder(tmp_path / "parts", count=1), tmp_path / "out"
    generate(parts, out, recipe=RECIPE, format="webdataset")
    for path in out.glob("shard-*"):
        path.unlink()
    put(tmp_path / "elsewhere", b"mine")
    (out / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileError, match="leads outside"):
        generate(parts, out, recipe=RECIPE, format="webdataset")
    assert (tmp_path / "elsewhere").read_bytes() == b"mine"


def refused(root: Path, words: str) -> None:
    """Check that listing the shards fails in one line, quickly."""
    start = time.perf_counter()
    with pytest.raises(FileError, match=words) as caught:
        open_dataset(root)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(str(root / "shard-00000"))
    assert time.perf_counter() - start < 1


def header(name: str, size: int, kind: bytes = tarfile.REGTYPE) -> bytes:
    member = tarfile.TarInfo(name)
    member.size, member.type = size, kind
    return member.tobuf(tarfile.GNU_FORMAT)


ONE = members("000001")
HOSTILE = {
    "up": (tar_of({"../000001.rgb.png": b""}), r"has a member '\.\./000001.rgb.png'; names of the form"),
    "absolute": (tar_of({"/etc/passwd": b""}), "has a member '/etc/passwd'"),
    "folder": (tar_of({"a/000001.rgb.png": b""}), "has a member 'a/000001.rgb.png'"),
    "hidden": (tar_of({".rgb.png": b""}), r"has a member '\.rgb.png'"),
    "newline": (tar_of({"1\n2.rgb.png": b""}), r"has a member '1\\n2.rgb.png'"),
    "twice": (tar_of([*ONE.items(), ("000001.rgb.png", b"")]), "has two members '000001.rgb.png'"),
    "apart": (tar_of([*ONE.items(), *members("2").items(), ("000001.x", b"")]), "of sample '000001' in two places"),
    "link": (header("000001.rgb.png", 0, tarfile.SYMTYPE), "of type b'2'; only plain files are read"),
    "long name": (header("././@LongLink", 2**40, tarfile.GNUTYPE_LONGNAME), "only plain files are read"),
    "too long": (header("000001.rgb.png", 10**6), "is cut short: '000001.rgb.png' declares 1000000 bytes at byte 512"),
    "huge": (header("000001.rgb.png", 2**62), "is cut short"),
    "negative": (header("000001.rgb.png", -5), "is cut short: '000001.rgb.png' declares -5 bytes"),
    "no tar": (b"P5 1 1 255 " * 100, "damaged tar: .* at byte 0"),
    "empty": (b"", "damaged tar: empty header at byte 0"),
    "flipped": (tar_of(ONE).replace(b"000001.rgb", b"000002.rgb", 1), "damaged tar: bad checksum at byte 0"),
}


@pytest.mark.parametrize(("data", "words"), HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_shards_are_refused(tmp_path: Path, data: bytes, words: str) -> None:
    refused(shards(tmp_path / "set", tar_of(members("7")), data), words)


def test_a_shard_cut_anywhere_is_noticed(tmp_path: Path) -> None:
    data = tar_of(ONE)
    root = shards(tmp_path / "set", data)
    for length in range(0, len(data.rstrip(b"\0")), 256):
        (root / "shard-000000.tar").write_bytes(data[:length])
        refused(root, "damaged tar|is cut short")


def test_a_sample_in_two_shards_is_refused(tmp_path: Path) -> None:
    refused(shards(tmp_path / "set", tar_of(ONE), tar_of(ONE)), "shard-000001.tar: holds a second sample '000001'")


def test_a_shard_elsewhere_is_refused(tmp_path: Path) -> None:
    root = shards(tmp_path / "set")
    put(tmp_path / "elsewhere.tar", tar_of(ONE))
    (root / "shard-000000.tar").symlink_to(tmp_path / "elsewhere.tar")
    refused(root, "leads outside")


def test_a_member_of_absurd_size_is_not_read(tmp_path: Path) -> None:
    root = shards(tmp_path / "set", header("000001.json", 2**35))
    os.truncate(root / "shard-000000.tar", 2**35 + 2**12)  # it is all there, and takes no disk
    dataset = open_dataset(root)
    assert dataset.entries[0].label is None
    with pytest.raises(FileError, match=r"000001.json: holds 34359738368 bytes; at most 1048576 are read"):
        dataset.read(dataset.entries[0], "json")


BAD = {
    "json": (ONE | {"000001.json": b"{"}, "000001.json: is not JSON"),
    "list": (ONE | {"000001.json": b"[]"}, "000001.json: is not a JSON object"),
    "unit": (ONE | {"000001.json": b'{"label": 1}'}, "000001.json: has no unit or intrinsics"),
    "camera": (members("000001", intrinsics={"fx": -1}), "000001.json: has no unit or intrinsics"),
    "image": (ONE | {"000001.rgb.png": b"\x89PNG\r\n\x1a\n"}, "000001.rgb.png: damaged"),
    "type": (ONE | {"000001.depth.tiff": ONE["000001.rgb.png"]}, "000001.depth.tiff: is not a TIFF file"),
    "missing": ({name: data for name, data in ONE.items() if "depth.tiff" not in name}, "holds no depth of sample"),
    "size": (
        ONE | {"000001.mask.png": cv2.imencode(".png", np.zeros((3, 3), np.uint8))[1].tobytes()},
        "000001.mask.png: is 3 x 3, its partner",
    ),
}


@pytest.mark.parametrize(("files", "words"), BAD.values(), ids=BAD.keys())
def test_a_bad_sample_is_named_and_harms_no_other(tmp_path: Path, files: dict[str, bytes], words: str) -> None:
    dataset = open_dataset(shards(tmp_path / "set", tar_of(files | members("000002"))))
    first, second = dataset.entries
    with pytest.raises(FileError, match=words) as caught:
        dataset.open(first)
    assert str(tmp_path / "set/shard-000000.tar") in str(caught.value)
    assert "\n" not in str(caught.value)
    np.testing.assert_array_equal(dataset.open(second).rgb, RGB)


@pytest.mark.parametrize("key", ["", "a.b", "../x", "a/b", "x\n"])
def test_keys_that_are_no_names_are_not_written(key: str) -> None:
    with pytest.raises(ParameterError, match="key must be"):
        encode_webdataset(key, rgb=RGB, depth=DEPTH, mask=MASK, rgb_mask=MASK, depth_mask=MASK)
