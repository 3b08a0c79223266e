"""The page holds the samples as they are on disk, and beside them the good ones that they were made of."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from das3d_cli.aug import main
from helpers.dumps import put
from helpers.galleries import HOSTILE, depth_of, held, inflated, unpacked, write_generated, write_parts

from das3d_aug.datasets import open_dataset
from das3d_aug.datasets.demo import make_part
from das3d_aug.errors import FileError, ParameterError
from das3d_aug.files import encode_png, encode_tiff
from das3d_aug.gallery import write_gallery
from das3d_aug.gallery.encode import deflated, differences, mark, steps
from das3d_aug.generation import generate
from das3d_aug.synthesis import Recipe


def test_steps_come_back_within_half_a_step() -> None:
    rng = np.random.default_rng(0)
    depth = rng.uniform(-3, 8, (7, 11)).astype(np.float32)
    valid = rng.random((7, 11)) < 0.7
    codes = steps(depth, valid, -3, 8)
    np.testing.assert_array_equal(codes > 0, valid)
    np.testing.assert_array_equal(unpacked(deflated(differences(codes)), codes.shape), codes)
    back = -3 + (codes - 1.0) / 65534 * 11
    assert np.abs(back - depth)[valid].max() <= 0.51 * 11 / 65534
    flat = np.full_like(depth, 2)
    assert (steps(flat, valid, 2, 2)[valid] == 1).all()
    row = codes[valid]
    np.testing.assert_array_equal(unpacked(deflated(differences(row)), row.shape), row)


def test_a_thin_mark_does_not_vanish_where_it_is_scaled_down() -> None:
    line = np.zeros((100, 100), bool)
    line[33, 10:90] = True
    assert mark(line, (25, 25)).sum() in range(20, 23)
    assert mark(line, (100, 100)) is line


@pytest.mark.parametrize("written_as", ["mvtec3d", "folder", "eyecandies", "webdataset"])
def test_every_format_is_shown_beside_its_source(tmp_path: Path, written_as: str) -> None:
    made = write_generated(tmp_path, written_as=written_as)
    found = write_gallery(made, tmp_path / "page.html")
    assert (found.shown, found.there, found.with_before, found.failures) == (6, 6, 6, ())
    assert found.bytes == (tmp_path / "page.html").stat().st_size
    samples = held(tmp_path / "page.html")["samples"]
    stored = {sample.entry.key: sample for sample in open_dataset(made)}
    sources = {sample.entry.key: sample for sample in open_dataset(tmp_path / "parts")}
    changed = set()
    for sample in samples:
        there = stored[sample["key"]]
        record = _record(made, sample["command"])
        source = sources[record["source"]["key"]]
        width = sample["range"][1] - sample["range"][0]
        for before, wanted in ((False, there.depth), (True, source.depth)):
            shown = depth_of(sample, before=before)
            np.testing.assert_array_equal(np.isnan(shown), wanted <= 0)
            apart = np.abs(shown - wanted)[wanted > 0].max()
            rounded = wanted.max() / 65535 if written_as == "eyecandies" else 0.0
            assert apart <= 0.51 * width / 65534 + 1.01 * rounded
        np.testing.assert_array_equal(inflated(sample["marks"]).reshape(there.shape) > 0, there.mask)
        drawn = {item["kind"] for item in record["plan"]["defects"]["items"]}
        assert set(sample["kinds"]) == {defect["kind"] for defect in sample["defects"]}
        assert set(sample["kinds"]) <= drawn
        assert sample["pixels"] == record["measured"]["pixels"]
        told = " ".join(defect["does"] for defect in sample["defects"])
        assert ("colour" in told) == (sample["changed"] in ("colour", "both"))
        assert ("nearer" in told or "farther" in told or "lost" in told) == (sample["changed"] in ("depth", "both"))
        changed.add(sample["changed"])
        numbers = dict(sample["facts"])
        assert f"{record['measured']['area']:.3g} mm²" in numbers["size"]
    assert changed == {"colour", "depth", "both"}


def _record(made: Path, command: str) -> dict:
    program, name, place, *rest = shlex.split(command)
    assert (program, name) == ("das3d-aug", "replay")
    done = CliRunner().invoke(main, ["replay", place, *rest])
    assert done.exit_code == 0, done.output
    if rest:
        dataset = open_dataset(made)
        return dataset.record(next(entry for entry in dataset.entries if entry.key == rest[1]))
    return json.loads(Path(place).read_text())


def test_without_the_source_there_is_no_before_and_the_page_says_why(tmp_path: Path) -> None:
    made = write_generated(tmp_path)
    (tmp_path / "parts").rename(tmp_path / "moved")
    found = write_gallery(made, tmp_path / "page.html")
    assert (found.shown, found.with_before) == (6, 0)
    page = held(tmp_path / "page.html")
    for sample in page["samples"]:
        assert "parts" in sample["why"]
        assert "depthBefore" not in sample
        assert sample["kinds"]
        assert len(sample["defects"]) == 1  # which defect marks a pixel is known from the source alone
    assert "No before: " in (tmp_path / "page.html").read_text().split("<noscript>")[0]


def test_a_source_that_was_changed_is_none(tmp_path: Path) -> None:
    made = write_generated(tmp_path)
    victim = tmp_path / "parts/biscuit/train/good/rgb/000.png"
    put(victim, encode_png(np.zeros((64, 64, 3), np.uint8)))
    assert write_gallery(made, tmp_path / "page.html").with_before == 4
    why = {sample["why"] for sample in held(tmp_path / "page.html")["samples"]}
    assert any("is not the file from which" in reason for reason in why)


def test_labelled_samples_are_shown_as_they_are(tmp_path: Path) -> None:
    parts = write_parts(tmp_path / "parts")
    found = write_gallery(parts, tmp_path / "page.html")
    assert (found.shown, found.with_before) == (1, 0)
    (sample,) = held(tmp_path / "page.html")["samples"]
    assert (sample["kinds"], sample["changed"], sample["command"]) == (["dent"], "", None)
    assert "mm²" in dict(sample["facts"])["size"]
    text = (tmp_path / "page.html").read_text()
    assert "1 of 1 sample, read as the layout mvtec3d. 3 normal samples left out." in text
    assert held(tmp_path / "page.html")["about"] == {}  # what the set calls a dent is not what a recipe does


@pytest.mark.parametrize("role", ["rgb", "depth"])
def test_one_modality_is_enough_and_good_samples_alone_are_shown(tmp_path: Path, role: str) -> None:
    part = make_part("flange", seed=1, index=0, size=48)
    put(tmp_path / f"good/{role}/0.{'png' if role == 'rgb' else 'tiff'}",
        encode_png(part.rgb) if role == "rgb" else encode_tiff(part.depth))  # fmt: skip
    write_gallery(tmp_path / "good", tmp_path / "good.html")
    (sample,) = held(tmp_path / "good.html")["samples"]
    assert (sample["kinds"], sample["defects"], sample["pixels"]) == ([], [], 0)
    generate(tmp_path / "good", tmp_path / "made", recipe=Recipe(area=(0.1, 0.2)), count=2)
    assert write_gallery(tmp_path / "made", tmp_path / "made.html").with_before == 2
    for sample in held(tmp_path / "made.html")["samples"]:
        assert sample["kinds"] == ["skewed"]
        assert ("colour" in sample, "depth" in sample) == (role == "rgb", role == "depth")
        assert role == "rgb" or " units " in sample["defects"][0]["does"]  # a TIFF without a unit


def test_samples_are_spread_scaled_down_and_few_enough_bytes(tmp_path: Path) -> None:
    made = write_generated(tmp_path, size=256)
    assert write_gallery(made, tmp_path / "page.html").bytes / 6 * 60 < 15e6
    found = write_gallery(made, tmp_path / "page.html", limit=3, side=100)
    assert (found.shown, found.there) == (3, 6)
    samples = held(tmp_path / "page.html")["samples"]
    keys = [entry.key for entry in open_dataset(made).entries]
    assert [keys.index(sample["key"]) for sample in samples] == [0, 2, 5]
    for sample in samples:
        assert sample["size"] == [100, 100]
        record = _record(made, sample["command"])
        assert sample["pixels"] == record["measured"]["pixels"]  # of the full size
        shown = depth_of(sample, before=True)
        assert np.isfinite(shown).mean() > 0.9
    assert "scaled down, such as 256 × 256 px to 100 × 100" in (tmp_path / "page.html").read_text()


def test_names_are_text(tmp_path: Path) -> None:
    part = make_part("potato", seed=1, index=0, size=32)
    put(tmp_path / HOSTILE / f"rgb/{HOSTILE}.png", encode_png(part.rgb))
    write_gallery(tmp_path / HOSTILE, tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text()
    assert "<img" not in text
    assert held(tmp_path / "page.html")["samples"][0]["key"] == HOSTILE
    assert text.count("<h1>") == 1


def test_the_page_is_written_whole_beside_what_is_read_and_nowhere_else(tmp_path: Path) -> None:
    made = write_generated(tmp_path)
    for out in (made / "page.html", made / "biscuit/test/synthetic/rgb/000.png", tmp_path / "parts/page.html"):
        with pytest.raises(FileError, match="which is read; write the page elsewhere"):
            write_gallery(made, out)
    (tmp_path / "link.html").symlink_to(tmp_path / "parts/biscuit/train/good/rgb/000.png")
    with pytest.raises(FileError, match=r"is read|symbolic link"):
        write_gallery(made, tmp_path / "link.html")
    (tmp_path / "other.html").symlink_to(tmp_path / "nowhere.html")
    with pytest.raises(FileError, match="symbolic link"):
        write_gallery(made, tmp_path / "other.html")
    with pytest.raises(FileError, match="is a folder, not a regular file"):
        write_gallery(made, tmp_path)
    (tmp_path / "page.html").write_text("older")
    for path in made.rglob("rgb/*.png"):
        path.write_bytes(b"")
    with pytest.raises(FileError, match="is empty, it has no byte"):
        write_gallery(made, tmp_path / "page.html")
    assert (tmp_path / "page.html").read_text() == "older"
    assert not list(tmp_path.glob(".*partial"))
    with pytest.raises(ParameterError, match="limit must be"):
        write_gallery(made, tmp_path / "page.html", limit=0)
    with pytest.raises(ParameterError, match="side must be"):
        write_gallery(made, tmp_path / "page.html", side=4)


def test_what_cannot_be_shown_is_told_and_the_rest_is_shown(tmp_path: Path) -> None:
    made = write_generated(tmp_path)
    (made / "biscuit/test/synthetic/rgb/001.png").write_bytes(b"")
    (made / "recipes/biscuit/002.json").write_text('{"files": {"biscuit/test/synthetic/rgb/002.png": ""}}')
    (made / "recipes/biscuit/003.json").unlink()
    (made / "recipes/biscuit/004.json").write_bytes((made / "recipes/biscuit/005.json").read_bytes())
    done: list[tuple[int, int]] = []
    found = write_gallery(made, tmp_path / "page.html", progress=lambda *numbers: done.append(numbers))
    assert done == [(number, 6) for number in range(1, 7)]
    assert [(key[-3:], reason.split(": ", 1)[1][:20]) for key, reason in found.failures] == [
        ("001", "is empty, it has no "),
        ("002", "is not a das3d sampl"),
        ("004", "is not the recipe of"),
    ]
    samples = {sample["key"][-3:]: sample for sample in held(tmp_path / "page.html")["samples"]}
    assert sorted(samples) == ["000", "003", "005"]
    assert samples["003"]["command"] is None  # without its recipe it is a labelled sample


def test_the_command_says_what_it_wrote(tmp_path: Path) -> None:
    made = write_generated(tmp_path)
    out = tmp_path / "page.html"
    done = CliRunner().invoke(main, ["gallery", str(made), "--out", str(out), "--limit", "2"])
    assert done.exit_code == 0, done.output
    assert f"{out}: 2 of 6 samples, 2 beside the good part, " in done.stdout
    (made / "biscuit/test/synthetic/rgb/001.png").write_bytes(b"")
    done = CliRunner().invoke(main, ["gallery", str(made), "--out", str(out), "--json"])
    told = json.loads(done.stdout)
    assert (done.exit_code, told["exit_code"], len(told["failures"])) == (1, 1, 1)
    assert told["result"] == {
        "out": str(out), "samples": 5, "there": 6, "with_before": 5, "bytes": out.stat().st_size,
    }  # fmt: skip
    done = CliRunner().invoke(main, ["gallery", str(made), "--out", str(made / "x.html")])
    assert done.exit_code == 2
    assert done.stderr.count("\n") == 1
    for name in ("page.png", "page"):
        done = CliRunner().invoke(main, ["gallery", str(made), "--out", str(tmp_path / name)])
        assert done.exit_code == 2
        assert "an HTML page is written, so its name ends in .html or .htm" in done.stderr
        assert not (tmp_path / name).exists()
