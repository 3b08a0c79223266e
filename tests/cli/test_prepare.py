"""``das3d-aug prepare``: what it writes, says and returns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from das3d_cli.aug import main
from helpers.dumps import put

from das3d_aug.datasets import open_dataset
from das3d_aug.datasets.demo import make_part
from das3d_aug.files import encode_png, encode_tiff, read_rgb


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["prepare", *(str(argument) for argument in arguments)])


@pytest.fixture
def parts(tmp_path: Path) -> Path:
    root = tmp_path / "parts"
    for index in range(2):
        part = make_part("flange", seed=1, index=index, size=72)
        put(root / f"flange/train/good/rgb/{index:03d}.png", encode_png(part.rgb))
        put(root / f"flange/train/good/xyz/{index:03d}.tiff", encode_tiff(part.xyz))
    return root


def test_the_presets(parts: Path, tmp_path: Path) -> None:
    done = run(parts, "--out", tmp_path / "paper", "--sheet", tmp_path / "sheet.png")
    assert done.exit_code == 0, done.output
    assert "2 samples" in done.stdout
    assert f"das3d-aug preview {tmp_path / 'paper'}" in done.stdout
    assert read_rgb(tmp_path / "sheet.png").std() > 10
    sample = next(iter(open_dataset(tmp_path / "paper")))
    assert sample.depth.shape == (256, 256)
    assert sample.unit == "normalised"

    assert run(parts, "--out", tmp_path / "ads", "--preset", "3d-ads", "--size", 100).exit_code == 0
    padded = next(iter(open_dataset(tmp_path / "ads")))
    assert not padded.valid[:14].any()
    assert padded.valid[14:86, 14:86].mean() > 0.8


def test_options_reach_the_settings(parts: Path, tmp_path: Path) -> None:
    options = ("--distance", 0, "--size", "20x30", "--normalise", "none", "--xyz", "--limit", 1, "--workers", 1)
    done = run(parts, "--out", tmp_path / "out", *options)
    assert done.exit_code == 0, done.output
    (sample,) = open_dataset(tmp_path / "out")
    assert sample.depth.shape == (20, 30)
    assert sample.unit == "m"
    assert sample.xyz is not None
    assert sample.foreground is not None
    np.testing.assert_array_equal(sample.foreground, sample.valid)
    again = run(parts, "--out", tmp_path / "out", *options)
    assert again.stdout.split("complete before")[1].split()[0] == "1"
    other = run(parts, "--out", tmp_path / "out", "--size", 20)
    assert other.exit_code == 2
    assert other.stderr.count("\n") == 1
    assert "other" in other.stderr


def test_what_auto_is_is_said(parts: Path, tmp_path: Path) -> None:
    done = run(parts, "--out", tmp_path / "out", "--foreground", "auto", "--limit", 1)
    assert "2 images without the plane: something stands out of a plane in 2 of 2 good images" in done.stdout
    assert "1 sample," in done.stdout
    made = run(parts, "--out", tmp_path / "plane", "--limit", 1)
    assert "foreground" not in made.stdout
    paths = ("data/flange/train/good/depth/000.tiff", "das3d.json")
    assert all((tmp_path / "out" / path).read_bytes() == (tmp_path / "plane" / path).read_bytes() for path in paths)
    whole = run(parts, "--out", tmp_path / "all", "--foreground", "all")
    assert whole.exit_code == 0
    assert all(sample.foreground.mean() > 0.8 for sample in open_dataset(tmp_path / "all"))  # type: ignore[union-attr]


def test_a_sample_without_a_plane(parts: Path, tmp_path: Path) -> None:
    scattered = np.random.default_rng(0).uniform(0.3, 3, (72, 72, 3)).astype(np.float32)
    put(parts / "flange/train/good/xyz/001.tiff", encode_tiff(scattered))
    put(parts / "flange/train/good/xyz/002.tiff", b"II*\0")
    put(parts / "flange/train/good/rgb/002.png", b"")
    done = run(parts, "--out", tmp_path / "refused", "--sheet", tmp_path / "sheet.png")
    assert done.exit_code == 1
    assert f"das3d-aug: failed: {parts}/flange/train/good/001: no plane: the best one holds" in done.stderr
    assert "mend what fails" in done.stdout
    assert "2 sources failed" in done.stdout
    assert read_rgb(tmp_path / "sheet.png").shape[0] > 300
    for path in parts.rglob("002.*"):
        path.unlink()

    done = run(parts, "--out", tmp_path / "kept", "--fallback", "keep")
    assert done.exit_code == 0
    assert "das3d-aug: warning: flange/train/good/001: no plane" in done.stderr


def test_what_fails_everywhere_is_not_told_of_every_sample(tmp_path: Path) -> None:
    for index in range(25):
        put(tmp_path / f"parts/rgb/{index}.png", encode_png(np.arange(48, dtype=np.uint8).reshape(4, 4, 3)))
        put(tmp_path / f"parts/depth/{index}.tiff", encode_tiff(np.arange(1, 17, dtype=np.float32).reshape(4, 4)))
    done = run(tmp_path / "parts", "--out", tmp_path / "out")
    assert done.exit_code == 1
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith(
        f"das3d-aug: failed: 25 sources, such as {tmp_path}/parts/0: a plane is found in points"
    )
    assert done.stderr.endswith("or look for no plane with --foreground all\n")
    assert "25 sources failed" in done.stdout


def test_mistakes_are_one_line(parts: Path, tmp_path: Path) -> None:
    for options, said in (
        (("--distance", -1), "--distance must be a finite number >= 0"),
        (("--size", "big"), "--size must be N or HxW"),
        (("--layout", "eyecandies"), "eyecandies"),
    ):
        done = run(parts, "--out", tmp_path / "out", *options)
        assert done.exit_code == 2
        assert said in done.stderr
        assert done.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_run_that_is_refused_draws_no_sheet(parts: Path, tmp_path: Path) -> None:
    (tmp_path / "holiday").mkdir()
    (tmp_path / "holiday/photo.jpg").write_bytes(b"")
    for out, said in ((tmp_path / "holiday", "is not empty"), (parts / "inside", "separate folders")):
        done = run(parts, "--out", out, "--sheet", tmp_path / "sheet.png")
        assert done.exit_code == 2
        assert said in done.stderr
        assert done.stdout == ""
        assert not (tmp_path / "sheet.png").exists()
