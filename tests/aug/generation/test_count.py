"""``count``: so many anomalous samples, the sources in turns; and what is said where nothing becomes anomalous."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.dumps import put, recipes, tree, write_folder, write_mvtec

from das3d_aug.datasets import open_dataset
from das3d_aug.errors import FileError, ParameterError
from das3d_aug.files import encode_tiff
from das3d_aug.generation import generate, replay
from das3d_aug.runs.output_folder import recorded_settings
from das3d_aug.synthesis import Recipe

RARE = Recipe(area=(0.1, 0.3), probability=0.4)  # with dropout, 30 % of the draws are anomalous


def test_exactly_so_many_anomalous_samples_the_sources_in_turns(tmp_path: Path) -> None:
    parts, out = write_mvtec(tmp_path / "parts"), tmp_path / "out"
    summary = generate(parts, out, recipe=RARE, count=11, seed=3)
    assert (summary.written, summary.breakdown.samples, summary.breakdown.normal) == (11, 11, 0)
    made = open_dataset(out)
    assert [entry.label for entry in made.entries] == [1] * 11
    assert all(np.any(made.open(entry).mask) for entry in made.entries)
    records = sorted((json.loads(path.read_text()) for path in recipes(out)), key=lambda record: record["index"])
    sources = [entry.key for entry in open_dataset(parts).entries if entry.label != 1]
    assert [record["source"]["key"] for record in records] == [sources[index % 3] for index in range(11)]
    assert max(record["attempt"] for record in records) > 0
    assert recorded_settings(out / "das3d.json")["count"] == 11
    for path in recipes(out):
        assert replay(path).differences == ()


def test_no_defect_is_put_on_another(tmp_path: Path) -> None:
    generate(write_folder(tmp_path / "parts"), tmp_path / "out", count=3)
    with pytest.raises(FileError, match="folders or masks say that all are anomalous"):
        generate(tmp_path / "out", tmp_path / "again")


def test_a_sample_of_which_hardly_a_pixel_is_anomalous_does_not_count(tmp_path: Path) -> None:
    parts, recipe = write_folder(tmp_path / "parts"), Recipe(area=(0.001, 0.02), sigma=(0.3, 0.5), dropout=0.0)

    def pixels(out: Path) -> list[int]:
        return [json.loads(path.read_text())["measured"]["pixels"] for path in recipes(out)]

    generate(parts, tmp_path / "plain", recipe=recipe, per_image=20)
    assert {1, 2, 3} & set(pixels(tmp_path / "plain"))
    assert generate(parts, tmp_path / "counted", recipe=recipe, count=60).written == 60
    assert min(pixels(tmp_path / "counted")) >= 4
    specks = Recipe(area=(1e-4, 1e-3), sigma=(0.1, 0.2), dropout=0.0)
    ((_, reason),) = generate(
        write_folder(tmp_path / "one", count=1), tmp_path / "none", recipe=specks, count=1
    ).failures
    assert " have fewer than 4 anomalous pixels; raise the recipe's area" in reason


@pytest.mark.parametrize("written_as", ["mvtec3d", "webdataset"])
def test_workers_limit_and_what_was_lost_leave_no_trace(tmp_path: Path, written_as: str) -> None:
    parts = write_mvtec(tmp_path / "parts")
    settings: dict[str, Any] = {"recipe": RARE, "count": 10, "seed": 3, "format": written_as, "shard_size": 4}
    generate(parts, tmp_path / "whole", **settings)
    generate(parts, tmp_path / "spread", workers=2, **settings)
    assert generate(parts, tmp_path / "parted", limit=5, **settings).written == 5
    generate(parts, tmp_path / "parted", **settings)
    for lost in sorted((tmp_path / "spread").rglob("*.json"))[1:3]:
        if lost.name != "das3d.json":
            lost.unlink()
    generate(parts, tmp_path / "spread", **settings)
    assert tree(tmp_path / "spread") == tree(tmp_path / "parted") == tree(tmp_path / "whole")


def test_a_draw_that_is_anomalous_at_once_is_that_of_a_run_without_count(tmp_path: Path) -> None:
    parts, recipe = write_folder(tmp_path / "parts"), Recipe(area=(0.1, 0.3), dropout=0.0)
    for name, more in (("plain", {}), ("counted", {"count": 3})):
        generate(parts, tmp_path / name, recipe=recipe, seed=1, **more)
    plain, counted = (tree(tmp_path / name / "rgb") for name in ("plain", "counted"))
    assert plain == counted


@pytest.mark.parametrize(
    ("recipe", "said"),
    [
        (Recipe(probability=0.0), "the recipe's probability is 0 and its dropout 0.5"),
        (Recipe(dropout=1.0), "the recipe's probability is 1 and its dropout 1"),
        (Recipe(magnitude=(0.0, 0.0)), "below the recipe's mask_threshold"),
    ],
)
def test_where_nothing_becomes_anomalous_one_sentence_says_why(tmp_path: Path, recipe: Recipe, said: str) -> None:
    parts = write_folder(tmp_path / "parts", count=1)
    summary = generate(parts, tmp_path / "out", recipe=recipe, count=2)
    ((_, reason),) = summary.failures
    assert summary.written == 0
    assert reason.startswith("none of 200 draws is anomalous: ")
    assert said in reason


def test_a_flat_part_and_an_empty_foreground_are_named(tmp_path: Path) -> None:
    parts = write_folder(tmp_path / "parts", count=1)
    put(parts / "depth/p0.tiff", encode_tiff(np.full((48, 48), 0.5, np.float32)))
    recipe = Recipe(modality="depth", dropout=0.0)
    warned = generate(parts, tmp_path / "warned", recipe=replace(recipe, modality="rgbd"), workers=2).warnings
    assert ("1 source", "depth has no range") in [(about, text[:18]) for about, text in warned]
    summary = generate(parts, tmp_path / "flat", recipe=recipe, count=1)
    assert "magnitude_unit='depth'" in summary.failures[0][1]
    (reason,) = (why for _, why in generate(parts, tmp_path / "none", count=1, foreground="plane").failures)
    assert "nothing stands out of the background" in reason


def test_count_takes_the_place_of_per_image(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="count= takes the place of per_image="):
        generate(write_folder(tmp_path / "parts", count=1), tmp_path / "out", count=3, per_image=2)
