"""Trainings on very little, and on what no plane fits: done, or one sentence that says what to do."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from das3d_cli.ref import main
from helpers.dumps import put
from helpers.runs import detector, parts

from das3d_aug.files import encode_png, encode_tiff

V, U = np.mgrid[:64, :64]
DOME = (600 - (np.hypot(U - 32, V - 32) < 20) * (40 - 0.03 * ((U - 32) ** 2 + (V - 32) ** 2))).astype(np.float32)
FLAT, EMPTY = np.full_like(DOME, 600), np.zeros_like(DOME)
NOISE = np.random.default_rng(0).uniform(300, 3000, DOME.shape).astype(np.float32)
WIDE = DOME.repeat(2, axis=1)


def write(root: Path, *depths: np.ndarray) -> Path:
    for index, depth in enumerate(depths):
        rgb = np.where((depth < 600)[..., None], (200, 90, 40), (30, 30, 30)).astype(np.uint8)
        put(root / f"rgb/{index}.png", encode_png(rgb))
        put(root / f"depth/{index}.tiff", encode_tiff(depth))
    put(root / "intrinsics.json", json.dumps({"fx": 80, "fy": 80, "cx": 32, "cy": 32}).encode())
    return root


def train(tmp_path: Path, *settings: str):
    arguments = ["train", "--data", str(tmp_path / "parts"), "--unit", "mm", "--out", str(tmp_path / "model")]
    small = ["--preset", "smoke", "--set", "training.steps=2", "--set", "training.validation_anomalies=4"]
    return CliRunner().invoke(main, [*arguments, *small, *settings])


@pytest.mark.parametrize(
    ("depths", "settings"),
    [
        ((DOME, DOME), ()),
        ((DOME, DOME, WIDE), ()),
        ((DOME, DOME, DOME), ("--set", "training.batch=32")),
        (
            (FLAT, FLAT, FLAT),
            (
                "--set=preparation.fallback=keep",
                "--set=synthesis.magnitude_unit=depth",
                "--set=synthesis.magnitude=[1, 5]",
            ),
        ),
        ((NOISE, NOISE, NOISE), ("--set", "preparation.distance=0")),
        ((NOISE, NOISE, NOISE), ("--set", "preparation.foreground=all")),
        ((NOISE, NOISE, NOISE), ("--set", "preparation.foreground=auto")),
    ],
    ids=["two", "sizes", "batch", "flat", "distance", "all", "auto"],
)
def test_little_is_enough(tmp_path: Path, depths: tuple[np.ndarray, ...], settings: tuple[str, ...]) -> None:
    write(tmp_path / "parts", *depths)
    done = train(tmp_path, *settings)
    assert done.exit_code == 0, done.output
    assert (tmp_path / "model/detector.json").is_file()


@pytest.mark.parametrize(
    ("depths", "said"),
    [
        ((DOME,), "1 good image to learn from, and 2 are needed (rgb/ beside depth/)"),
        ((FLAT,), "1 good image to learn from, and 2 are needed"),
        ((DOME, DOME, EMPTY), "parts/2: nothing is left: no pixel has a measured depth; mend or remove what fails"),
        ((FLAT,) * 3, "3 images, such as {}/0: no plane: everything lies within 0.005 m of the best one; --set prep"),
        ((DOME, NOISE), "keeps everything, --set preparation.foreground=all looks for no plane"),
    ],
    ids=["one", "one flat", "empty", "flat", "noise"],
)
def test_too_little_is_one_sentence(tmp_path: Path, depths: tuple[np.ndarray, ...], said: str) -> None:
    source = write(tmp_path / "parts", *depths)
    done = train(tmp_path)
    assert done.exit_code == 2
    assert done.stderr.count("\n") == 1
    assert said.format(source) in done.stderr
    assert "prepared" not in done.stderr


@pytest.mark.parametrize("command", ["train", "baselines"])
@pytest.mark.parametrize("told_by", ["masks", "folders", "test"])
def test_a_set_without_a_good_image_says_so_before_all_else(tmp_path: Path, command: str, told_by: str) -> None:
    below = {"masks": ".", "folders": "train/dent", "test": "test/good"}[told_by]
    write(tmp_path / "parts" / below, FLAT, FLAT)  # no plane could be found either
    if told_by == "masks":
        for index in range(2):
            put(tmp_path / f"parts/mask/{index}.png", encode_png((DOME < 590).astype(np.uint8) * 255))
    data = ["--data"] if command == "train" else []
    arguments = [command, *data, str(tmp_path / "parts"), "--unit", "mm", "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 2
    assert done.stderr.startswith(f"das3d-ref: error: {tmp_path}/parts: no good image to learn from, and ")
    assert done.stderr.count("\n") == 1
    assert "plane" not in done.stderr
    assert not (tmp_path / "prepared").exists()


def test_where_no_plane_is_found_in_a_wrong_unit_the_unit_is_named(tmp_path: Path) -> None:
    rough = [np.random.default_rng(seed).normal(0, 0.3, DOME.shape) for seed in range(3)]
    source = write(tmp_path / "parts", *((DOME + noise).astype(np.float32) for noise in rough))
    arguments = ["train", "--data", str(source), "--unit", "m", "--out", str(tmp_path / "model"), "--preset", "smoke"]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 2
    assert "; mend or remove what fails; depth " in done.stderr
    assert "as if mm were read as m: say --depth-scale 1000 and --unit m, or --unit mm" in done.stderr
    assert done.stderr.count("\n") == 1


def test_predict_has_what_its_errors_propose(tmp_path: Path) -> None:
    source = write(tmp_path / "parts", NOISE, NOISE + 1)
    arguments = ["predict", str(detector()), str(source), "--unit", "mm", "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 1
    assert done.stderr.startswith("das3d-ref: failed: 2 images, such as 0: no plane")
    assert "--fallback keep keeps everything, --foreground all looks for no plane" in done.stderr
    assert "0 of 2 images judged, 0 anomalous" in done.stdout
    kept = CliRunner().invoke(main, [*arguments, "--fallback", "keep"])
    assert kept.exit_code == 0, kept.output
    assert kept.stderr.startswith("das3d-ref: warning: 2 images, such as 0: no plane")
    assert kept.stderr.count("\n") == 1
    assert CliRunner().invoke(main, [*arguments, "--distance", "0"]).exit_code == 0
    assert CliRunner().invoke(main, [*arguments, "--foreground", "all"]).exit_code == 0


def test_maps_of_eight_bits_are_warned_of_and_a_report_has_its_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from das3d_aug.datasets import open_dataset

    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    for sample in open_dataset(parts()).select(split="test"):
        put(tmp_path / f"maps/{sample.entry.key}.png", encode_png(np.asarray(sample.depth * 100, np.uint8)))
    arguments = ["score", "--maps", str(tmp_path / "maps"), "--data", str(parts()), "--category", "potato"]
    done = CliRunner().invoke(main, [*arguments, "--out", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    assert done.stderr.startswith(f"das3d-ref: warning: {tmp_path}/maps: 8 bits: ties; ")
    assert json.loads((tmp_path / "out/evaluation.json").read_text())["date"] == "2023-11-14"
    page = (tmp_path / "out/report.html").read_text()
    assert f"<title>potato: {tmp_path}/maps on {parts()}, 2023-11-14</title>" in page
