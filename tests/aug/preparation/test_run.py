"""Prepared folders: read back as they were made, completed after any interruption."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from helpers.dumps import environment, put, tree

from das3d_aug.datasets import open_dataset
from das3d_aug.datasets.demo import make_part
from das3d_aug.datasets.prepared import LISTING, Normalisation, PreparedDataset
from das3d_aug.errors import FileError, ParameterError
from das3d_aug.files import encode_png, encode_tiff
from das3d_aug.generation import generate
from das3d_aug.geometry import Intrinsics, Orthographic
from das3d_aug.preparation import Preparation, prepare, prepare_sample
from das3d_aug.preview import contact_sheet, preparation_sheet

SETTINGS = Preparation(size=40)
RUN = """
import sys
from das3d_aug.preparation import Preparation, prepare

if __name__ == "__main__":
    prepare(sys.argv[1], sys.argv[2], settings=Preparation(size=40, xyz=True), workers=int(sys.argv[3]))
"""


def parts_of(root: Path, *, train: int = 3) -> Path:
    """Two categories in the MVTec 3D-AD layout."""
    for category in ("biscuit", "potato"):
        for split, defect, count in (("train", None, train), ("test", None, 1), ("test", "dent", 1)):
            for index in range(count):
                part = make_part(category, seed=len(split), index=index, size=48, defect=defect)
                folder = root / category / split / (defect or "good")
                put(folder / f"rgb/{index:03d}.png", encode_png(part.rgb))
                put(folder / f"xyz/{index:03d}.tiff", encode_tiff(part.xyz))
                if split == "test":
                    put(folder / f"gt/{index:03d}.png", encode_png(part.mask.astype(np.uint8) * 255))
    return root


def own_images(root: Path) -> Path:
    """Depth in millimetres with a camera, in the folder layout."""
    for index in range(2):
        part = make_part("potato", seed=1, index=index, size=48)
        put(root / f"rgb/p{index}.png", encode_png(part.rgb))
        put(root / f"depth/p{index}.tiff", encode_tiff(part.depth * np.float32(1000)))
    put(root / "intrinsics.json", b'{"fx": 240, "fy": 240, "cx": 23.5, "cy": 23.5}')
    return root


def test_it_reads_back_as_it_was_prepared(tmp_path: Path) -> None:
    parts = parts_of(tmp_path / "parts")
    summary = prepare(parts, tmp_path / "out", settings=SETTINGS)
    source, made = open_dataset(parts), open_dataset(tmp_path / "out")
    assert isinstance(made, PreparedDataset)
    assert (summary.written, summary.kept, summary.failures, summary.warnings) == (10, 0, (), ())
    for name in ("key", "split", "defect", "label", "category"):
        assert [getattr(entry, name) for entry in made.entries] == [getattr(entry, name) for entry in source.entries]
    for before, after in zip(source.entries, made.entries, strict=True):
        expected, sample = prepare_sample(source.open(before), SETTINGS), made.open(after)
        for name in ("rgb", "depth", "valid", "foreground", "mask"):
            np.testing.assert_array_equal(getattr(sample, name), getattr(expected, name))
        assert (sample.unit, sample.xyz, sample.intrinsics) == ("normalised", None, None)
        assert made.normalisation(after) == expected.normalisation
        assert made.unit(after) == "m"


def test_without_normalisation_points_and_camera_come_too(tmp_path: Path) -> None:
    settings = replace(SETTINGS, normalise="none", xyz=True)
    prepare(own_images(tmp_path / "parts"), tmp_path / "out", settings=settings, unit="mm")
    made = open_dataset(tmp_path / "out")
    sample = made.open(made.entries[0])
    assert sample.unit == "mm"
    assert sample.intrinsics == Intrinsics(240, 240, 23.5, 23.5).scaled(40 / 48, 40 / 48)
    assert sample.xyz is not None
    np.testing.assert_array_equal(sample.xyz[:, :, 2], np.where(sample.foreground, sample.depth, 0))
    assert sample.depth[sample.valid].min() > 400


def test_the_range_of_a_data_set_is_that_of_its_normal_training_images(tmp_path: Path) -> None:
    parts = parts_of(tmp_path / "parts")
    prepare(parts, tmp_path / "image", settings=SETTINGS)
    prepare(parts, tmp_path / "dataset", settings=replace(SETTINGS, normalise="dataset"))
    by_image, by_set = open_dataset(tmp_path / "image"), open_dataset(tmp_path / "dataset")
    assert isinstance(by_image, PreparedDataset)
    assert isinstance(by_set, PreparedDataset)
    for category in ("biscuit", "potato"):
        train = by_image.select(category=category, split="train").entries
        ranges = [by_image.normalisation(entry) for entry in train]
        expected = Normalisation(min(span.low for span in ranges if span), max(span.high for span in ranges if span))
        for entry in by_set.select(category=category).entries:
            assert by_set.normalisation(entry) == expected
            stored = tifffile.imread(entry.files["depth"])
            np.testing.assert_array_equal(by_set.open(entry).depth, expected.apply(stored))


def test_listing_opens_no_image(tmp_path: Path) -> None:
    prepare(parts_of(tmp_path / "parts"), tmp_path / "out", settings=SETTINGS)
    for path in (tmp_path / "out/data").rglob("*.*"):
        path.write_bytes(b"not an image")
    made = open_dataset(tmp_path / "out")
    assert len(made.select(split="test", label=1)) == 2
    with pytest.raises(FileError, match=r"rgb/000\.png"):
        made.open(made.entries[0])


def test_generate_and_preview_run_on_it(tmp_path: Path) -> None:
    prepare(parts_of(tmp_path / "parts"), tmp_path / "prepared", settings=SETTINGS)
    summary = generate(tmp_path / "prepared", tmp_path / "out", seed=1)
    assert (summary.layout, summary.written, summary.failures) == ("prepared", 6, ())
    assert contact_sheet(tmp_path / "prepared", count=2).std() > 10


def test_the_sheet_paints_what_is_removed_red(tmp_path: Path) -> None:
    parts = parts_of(tmp_path / "parts")
    sheet = preparation_sheet(parts, count=1)
    tile = sheet.shape[1] // 5
    before, removed, after = (sheet[30:-30, n * tile + 10 : n * tile + 200].astype(int) for n in (0, 2, 3))
    painted = (removed != before).any(axis=2)
    assert 0.5 < painted.mean() < 0.95
    assert (removed[painted][:, 0] > removed[painted][:, 1]).all()
    assert after[painted].mean() < 10
    np.testing.assert_array_equal(after[~painted], before[~painted])
    with pytest.raises(ParameterError, match="count must be at least 1"):
        preparation_sheet(parts, count=0)


def test_manifest_lists_every_file(tmp_path: Path) -> None:
    out = tmp_path / "out"
    prepare(parts_of(tmp_path / "parts"), out, settings=replace(SETTINGS, xyz=True))
    found = tree(out)
    manifest = json.loads((out / "manifest.json").read_text())
    for name in ("manifest.json", "das3d.json", "das3d.lock"):
        del found[name]
    assert manifest["sha256"] == found


def test_workers_limit_and_repetition_leave_no_trace(tmp_path: Path) -> None:
    parts = parts_of(tmp_path / "parts")
    for workers in (0, 2):
        prepare(parts, tmp_path / str(workers), settings=SETTINGS, workers=workers)
    limited = tmp_path / "limited"
    assert prepare(parts, limited, settings=SETTINGS, limit=3).written == 3
    assert len(open_dataset(limited)) == 3
    calls = []
    summary = prepare(parts, limited, settings=SETTINGS, progress=lambda done, total: calls.append((done, total)))
    assert (summary.written, summary.kept) == (7, 3)
    assert calls == [(done, 10) for done in range(1, 11)]
    assert tree(tmp_path / "0") == tree(tmp_path / "2") == tree(limited)


def test_only_what_changed_is_made_again(tmp_path: Path) -> None:
    parts, out = parts_of(tmp_path / "parts"), tmp_path / "out"
    prepare(parts, out, settings=SETTINGS)
    part = make_part("potato", seed=77, index=0, size=48)
    put(parts / "potato/train/good/xyz/001.tiff", encode_tiff(part.xyz))
    put(parts / "potato/train/good/rgb/001.png", encode_png(part.rgb))
    put(parts / "potato/train/good/xyz/003.tiff", encode_tiff(part.xyz))
    put(parts / "potato/train/good/rgb/003.png", encode_png(part.rgb))
    (out / "data/biscuit/test/good/depth/000.tiff").unlink()
    (out / "records/biscuit/test/dent/000.json").write_bytes(b'{"files": {}}')
    summary = prepare(parts, out, settings=SETTINGS)
    assert (summary.written, summary.kept) == (4, 7)
    prepare(parts, tmp_path / "anew", settings=SETTINGS)
    assert tree(out) == tree(tmp_path / "anew")


def test_another_camera_is_another_input(tmp_path: Path) -> None:
    parts, out = own_images(tmp_path / "parts"), tmp_path / "out"
    prepare(parts, out, settings=SETTINGS, unit="mm")
    put(parts / "intrinsics.json", b'{"fx": 250, "fy": 240, "cx": 23.5, "cy": 23.5}')
    assert prepare(parts, out, settings=SETTINGS, unit="mm").written == 2


def test_a_line_scanners_images_are_prepared(tmp_path: Path) -> None:
    depth = np.full((40, 60), 400, np.float32)
    depth[10:30, 20:40] -= 12
    put(tmp_path / "parts/rgb/a.png", encode_png(np.full((40, 60, 3), 200, np.uint8)))
    put(tmp_path / "parts/depth/a.tiff", encode_tiff(depth))
    put(tmp_path / "parts/intrinsics.json", b'{"pitch_x": 0.5, "pitch_y": 0.8}')
    prepare(tmp_path / "parts", tmp_path / "out", settings=replace(SETTINGS, size=None), unit="mm")
    made = open_dataset(tmp_path / "out")
    assert isinstance(made, PreparedDataset)
    (sample,) = made
    np.testing.assert_array_equal(sample.foreground, depth < 400)
    assert made.camera(sample.entry) == Orthographic(0.5, 0.8)


def test_other_settings_are_refused(tmp_path: Path) -> None:
    parts, out = own_images(tmp_path / "parts"), tmp_path / "out"
    prepare(parts, out, settings=SETTINGS, unit="mm")
    before = tree(out)
    for name, other in (("distance", 0.004), ("size", 32), ("normalise", "none"), ("seed", 1)):
        with pytest.raises(FileError, match=rf"\({name}\)"):
            prepare(parts, out, settings=replace(SETTINGS, **{name: other}), unit="mm")
    assert tree(out) == before


def test_a_bad_source_is_reported_and_the_others_go_on(tmp_path: Path) -> None:
    parts, out = parts_of(tmp_path / "parts"), tmp_path / "out"
    prepare(parts, out, settings=SETTINGS)
    whole = tree(out)
    victim = parts / "potato/train/good/xyz/001.tiff"
    good = victim.read_bytes()
    victim.write_bytes(good[:2000])
    empty = np.zeros((48, 48, 3), np.float32)
    flat = parts / "biscuit/test/dent/xyz/000.tiff"
    dented = flat.read_bytes()
    put(flat, encode_tiff(empty))
    summary = prepare(parts, out, settings=SETTINGS)
    assert (summary.written, summary.kept) == (0, 8)
    (first, no_plane), (second, damaged) = summary.failures
    assert first == str(parts / "biscuit/test/dent/000")
    assert no_plane == "nothing is left: no pixel has a measured depth"
    assert (second, "TIFF" in damaged) == (str(victim), True)
    assert len(open_dataset(out)) == 8
    victim.write_bytes(good)
    flat.write_bytes(dented)
    prepare(parts, out, settings=SETTINGS)
    assert tree(out) == whole


def test_a_fallback_is_told_now_and_later(tmp_path: Path) -> None:
    parts, out = own_images(tmp_path / "parts"), tmp_path / "out"
    scattered = np.random.default_rng(0).uniform(300, 3000, (48, 48)).astype(np.float32)
    put(parts / "depth/p1.tiff", encode_tiff(scattered))
    for _ in range(2):
        ((key, reason),) = prepare(parts, out, settings=replace(SETTINGS, fallback="keep"), unit="mm").warnings
        assert key == "p1"
        assert "no plane: the best one holds" in reason
    made = open_dataset(out)
    assert made.open(made.entries[1]).foreground.all()  # type: ignore[union-attr]


@pytest.mark.parametrize("workers", [0, 2])
def test_killed_at_any_moment_then_completed(tmp_path: Path, workers: int) -> None:
    parts = parts_of(tmp_path / "parts", train=5)
    script = tmp_path / "run.py"
    script.write_text(RUN)

    def command(out: Path) -> list[str]:
        return [sys.executable, str(script), str(parts), str(out), str(workers)]

    undisturbed, killed = tmp_path / "undisturbed", tmp_path / "killed"
    subprocess.run(command(undisturbed), check=True, env=environment())
    whole = tree(undisturbed)
    process = subprocess.Popen(command(killed), env=environment())
    while len(list(killed.rglob("records/**/*.json"))) < 2 and process.poll() is None:
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    left = {name: value for name, value in tree(killed).items() if not name.endswith(".partial")}
    assert {name: whole[name] for name in left} == left
    assert LISTING not in left
    subprocess.run(command(killed), check=True, env=environment())
    assert tree(killed) == whole


def test_refused_places(tmp_path: Path) -> None:
    parts = own_images(tmp_path / "parts")
    for out in (parts, parts / "out", tmp_path):
        with pytest.raises(FileError, match="must be separate folders"):
            prepare(parts, out)
    put(tmp_path / "mine/letter.txt", b"dear")
    with pytest.raises(FileError, match="is not empty"):
        prepare(parts, tmp_path / "mine")
    for name in ("workers", "limit"):
        with pytest.raises(ParameterError, match=f"{name} must be"):
            prepare(parts, tmp_path / "out", **{name: -1})
    prepare(parts, tmp_path / "out", settings=SETTINGS, unit="mm")
    with pytest.raises(FileError, match="other"):
        generate(parts, tmp_path / "out", unit="mm")
