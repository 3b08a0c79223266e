"""Patches of other parts in generated sets: of the same category, named by the recipe, and needed to replay."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from das3d_cli.aug import main
from helpers.dumps import put, recipes, tree, write_folder

from das3d_aug.datasets import Entry
from das3d_aug.errors import FileError, ParameterError
from das3d_aug.files import encode_png, read_rgb
from das3d_aug.generation import generate, replay
from das3d_aug.generation.donors import choose_donors
from das3d_aug.synthesis import Recipe

PASTE = Recipe(kinds={"paste": 1}, size=(0.5, 0.8), count=(2, 2), dropout=0.0, relight=False)


def test_a_donor_is_another_one_of_the_category() -> None:
    entries = [
        Entry(key=f"{k}", category="ab"[k % 2], files={}, label=0, split="train", defect="good") for k in range(20)
    ]
    entries.append(Entry(key="alone", category="c", files={}, label=0, split="train", defect="good"))
    chosen = choose_donors(entries, 3)
    for entry, donor in zip(entries[:-1], chosen, strict=False):
        assert donor is not None
        assert donor is not entry
        assert donor.category == entry.category
    assert chosen[-1] is None
    assert len({donor.key for donor in chosen if donor is not None}) > 5
    assert chosen == choose_donors(entries, 3) != choose_donors(entries, 4)


@pytest.fixture
def parts(tmp_path: Path) -> Path:
    """Parts of one tone each, so that it is seen whose patch it is."""
    source = write_folder(tmp_path / "parts", count=3)
    for tone, path in zip((40, 120, 200), sorted(source.rglob("rgb/*.png")), strict=True):
        put(path, encode_png(np.full_like(read_rgb(path), tone)))
    return source


@pytest.mark.parametrize("written_as", ["folder", "webdataset"])
def test_the_recipe_names_the_donor_and_replays(parts: Path, tmp_path: Path, written_as: str) -> None:
    out = tmp_path / "out"
    generate(parts, out, recipe=PASTE, per_image=2, donors=True, format=written_as)
    if written_as == "webdataset":
        assert replay(next(out.glob("*.tar")), sample="000003").differences == ()
        return
    for path in recipes(out):
        record = json.loads(path.read_text())
        assert record["donor"]["key"] != record["source"]["key"]
        assert record["plan"]["defects"]["donor"] is True
        assert replay(path).differences == ()
        image = read_rgb(next(out / name for name in record["files"] if name.startswith("rgb/")))
        assert len(np.unique(image)) <= 2
    assert any(len(np.unique(read_rgb(path))) == 2 for path in out.glob("rgb/*.png"))
    key = record["donor"]["key"]
    (image_of_donor,) = [path for path in parts.rglob("rgb/*.png") if path.stem in key]
    put(image_of_donor, encode_png(read_rgb(image_of_donor) + np.uint8(1)))
    with pytest.raises(FileError, match="is not the file from which"):
        replay(path)


def test_only_recipes_of_patches_name_a_donor_and_need_it(parts: Path, tmp_path: Path) -> None:
    both = dataclasses.replace(PASTE, kinds={"paste": 1, "dent": 1}, count=(1, 1))
    generate(parts, tmp_path / "out", recipe=both, per_image=6, donors=True, format="folder")
    records = {path: json.loads(path.read_text()) for path in recipes(tmp_path / "out")}
    pasted = {path: record["plan"]["defects"]["items"][0]["kind"] == "paste" for path, record in records.items()}
    assert {"donor" in record for record in records.values()} == {True, False}
    assert {path: "donor" in record for path, record in records.items()} == pasted
    dented = next(path for path, pastes in pasted.items() if not pastes)
    put(dented, json.dumps(records[dented] | {"donor": {"key": "gone", "sha256": {}}}).encode())  # as recipes once did
    assert replay(dented).differences == ()
    path = next(path for path, pastes in pasted.items() if pastes)
    del records[path]["donor"]
    put(path, json.dumps(records[path]).encode())
    with pytest.raises(FileError, match="is not a das3d sample recipe: KeyError 'donor'"):
        replay(path)


@pytest.mark.parametrize("recipe", [None, Recipe(kinds={"dent": 1, "paste": 0, "skewed": 1})])
def test_donors_from_whom_nothing_takes_are_refused(parts: Path, tmp_path: Path, recipe: Recipe | None) -> None:
    with pytest.raises(ParameterError, match=r"donors=True is for kinds that take patches, and the recipe has none"):
        generate(parts, tmp_path / "out", recipe=recipe, donors=True)
    assert not (tmp_path / "out").exists()


def test_a_part_that_has_no_other_is_warned_of(tmp_path: Path) -> None:
    source = write_folder(tmp_path / "parts", count=1)
    summary = generate(source, tmp_path / "out", recipe=PASTE, donors=True)
    assert any("alone in its category" in sentence for _, sentence in summary.warnings)


def test_workers_and_the_command_write_the_same(parts: Path, tmp_path: Path) -> None:
    generate(parts, tmp_path / "one", recipe=PASTE, donors=True)
    (tmp_path / "recipe.toml").write_text(
        "kinds = { paste = 1 }\nsize = [0.5, 0.8]\ncount = [2, 2]\ndropout = 0.0\nrelight = false\n"
    )
    options = ["--out", tmp_path / "two", "--recipe", tmp_path / "recipe.toml", "--donors", "--workers", 2]
    done = CliRunner().invoke(main, ["generate", str(parts), *map(str, options)])
    assert done.exit_code == 0, done.output
    assert tree(tmp_path / "one") == tree(tmp_path / "two")
    generate(parts, tmp_path / "none", recipe=PASTE)
    assert tree(tmp_path / "none") != tree(tmp_path / "one")
    with pytest.raises(FileError, match="other settings"):
        generate(parts, tmp_path / "none", recipe=PASTE, donors=True)
