"""``das3d-aug fit`` and ``gap``: what is printed, the files, and that other commands take the recipe."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from das3d_cli.aug import main
from das3d_cli.distances import show_gaps

from das3d_aug.files import read_rgb
from das3d_aug.fitting import Distance, Gap
from das3d_aug.generation import write_demo_set
from das3d_aug.synthesis import Recipe


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("fit") / "parts"
    write_demo_set(out, families=("flange",), train=3, validation=0, good=1, per_defect=2, size=64)
    return out


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    recipe = tmp_path_factory.mktemp("start") / "start.toml"
    recipe.write_text("kinds = { dent = 1.0, stain = 1.0 }\ndropout = 0.0\n")
    return recipe


@pytest.fixture(scope="module")
def fitted(parts: Path, start: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    out = tmp_path_factory.mktemp("fitted") / "mine.toml"
    return out, run("fit", parts, "--recipe", start, "--out", out)


def test_fit_prints_a_table_and_writes_a_recipe_and_a_picture(fitted: tuple[Path, Result]) -> None:
    out, done = fitted
    assert done.exit_code == 0, done.output
    assert "AUROC" in done.stdout
    for name in ("length", "area", "elongation", "count", "luminance", "colour", "height", "edge"):
        assert f"\n{name} " in done.stdout
    assert "size each kind's own -> " in done.stdout
    told = re.findall(r"ones (\d+) are dents, (\d+) bumps, (\d+) neither", done.stdout)
    dents, bumps, neither = (int(number) for number in told[0])
    assert min(dents, bumps) > 0
    assert done.stdout.startswith(f"{dents + bumps + neither} labelled defects")
    recipe = Recipe.from_toml(out)
    assert recipe.size is not None
    assert recipe.height is not None
    assert recipe.kinds is not None
    assert set(recipe.kinds) == {"dent", "stain"}
    assert read_rgb(out.with_suffix(".png")).std() > 10


def test_generate_and_gap_take_what_fit_wrote(fitted: tuple[Path, Result], parts: Path, tmp_path: Path) -> None:
    made = tmp_path / "made"
    done = run("generate", parts, "--recipe", fitted[0], "--out", made, "--count", 8, "--format", "folder")
    assert done.exit_code == 0, done.output
    done = run("gap", made, parts)
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("A: ")
    assert "on 8 samples" in done.stdout
    assert "told apart: AUROC 0." in done.stdout or "told apart: AUROC 1." in done.stdout


def test_a_fit_that_brings_nothing_is_said(
    parts: Path, start: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from das3d_aug.fitting import folders

    monkeypatch.setattr(folders, "fit", lambda statistics, good, recipe, **options: recipe)  # nothing is moved
    done = run("fit", parts, "--recipe", start, "--out", tmp_path / "mine.toml")
    assert done.exit_code == 0, done.output
    assert "is no nearer to these defects than the recipe it started from" in done.stderr


def test_few_samples_are_said(parts: Path) -> None:
    done = run("gap", parts, parts)
    assert "16 samples are few: the AUROC says little" in done.stderr
    assert re.search(r"told apart: AUROC 0\.\d{3} ± 0\.\d{3} \(0\.5: not at all", done.stdout)


def test_an_auroc_below_a_half_is_chance_and_one_that_is_not_known_no_number(
    capsys: pytest.CaptureFixture[str],
) -> None:
    distances = {"length": Distance(medians=(0.1, 0.2), wasserstein=0.5, ks=0.5)}
    for auroc, said in (
        (0.37, "AUROC 0.370 ± 0.143 (0.5: not at all, below 0.5 by chance)"),
        (0.63, "AUROC 0.630 ± 0.143 (0.5: not at all),"),
        (math.nan, "AUROC not known (fewer than two samples)"),
    ):
        show_gaps({"": Gap(defects=(8, 9), samples=(8, 8), distances=distances, auroc=auroc)})
        assert said in capsys.readouterr().out


def test_json_and_a_sheet_elsewhere(parts: Path, start: Path, tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.png"
    done = run("fit", parts, "--recipe", start, "--out", tmp_path / "r.toml", "--sheet", sheet, "--json")
    found = json.loads(done.stdout)
    assert done.exit_code == found["exit_code"] == 0
    result = found["result"]
    assert result["defects"] >= result["samples"] > 4
    assert 0 <= result["after"]["auroc"] <= 1
    assert result["before"]["distances"]["length"]["wasserstein"] > 0
    assert result["changes"]["count"][0] == [1, 3]
    assert result["dents"] + result["bumps"] <= result["defects"]
    assert sheet.exists()
    assert not (tmp_path / "r.png").exists()
    done = run("gap", parts, parts, "--json")
    assert json.loads(done.stdout)["result"]["distances"]["edge"]["ks"] == 0
    assert 0 < json.loads(done.stdout)["result"]["auroc_error"] < 0.5


def test_a_set_without_defects_is_refused_in_one_line(tmp_path: Path) -> None:
    good = tmp_path / "good"
    write_demo_set(good, families=("flange",), train=2, validation=0, good=1, per_defect=0, size=48)
    for command in (("fit", good, "--out", tmp_path / "r.toml"), ("gap", good, good)):
        done = run(*command)
        assert done.exit_code == 2
        assert done.stderr.startswith("das3d-aug: error: ")
        assert done.stderr.count("\n") == 1
        assert "no labelled defect" in done.stderr
    assert not (tmp_path / "r.toml").exists()
    done = run("fit", good, "--out", tmp_path / "r.png")
    assert done.exit_code == 2
    assert "must be two files" in done.stderr
