"""The figures of the paper: their stages are those of the synthesis, and all of an evaluation are written."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers.runs import parts
from PIL import Image

from das3d_aug import render
from das3d_aug.datasets import open_dataset
from das3d_aug.errors import FileError, ForegroundError
from das3d_aug.files import encode_tiff, write_atomic
from das3d_ref.evaluation import Evaluation
from das3d_ref.evaluation.figures import (
    _one_of_each,
    curves_figure,
    maps_figure,
    scores_figure,
    synthesis_stages,
    write_figures,
)

NAMES = ("figure3", "figure4", "figure5", "curves", "scores")


def normal():
    dataset = open_dataset(parts())
    return dataset.open(dataset.select(split="train").entries[0])


def evaluation(dataset, **changes):
    images = [
        {"key": entry.key, "defect": entry.defect, "label": bool(entry.label), "score": number / 10, "verdict": None}
        for number, entry in enumerate(dataset.select(split="test").entries)
    ]
    values = {
        "figures": {"I-AUROC": 0.5, "AUPRO@0.3": float("nan")},
        "images": tuple(images),
        "protocol": {"threshold": 0.4},
        "curves": {"ROC": ([0.0, 0.5, 1.0], [0.0, 0.7, 1.0]), "PRO": ([0.0, 0.3], [0.0, 0.9])},
    }
    return Evaluation(**values | changes)


def results(folder, found, shape=(32, 32)):
    """Write an evaluation as the evaluate command does."""
    write_atomic(folder / "evaluation.json", found.to_json())
    for number, image in enumerate(found.images):
        write_atomic(folder / f"maps/{image['key']}.tiff", encode_tiff(np.full(shape, number, np.float32)))
    return folder


@pytest.mark.parametrize("seed", range(4))
def test_the_stages_are_those_of_the_synthesis(seed):
    sample = normal()
    found = synthesis_stages(sample, seed=seed)
    pair = render(sample.rgb, sample.depth, found.plan, foreground=found.foreground)
    assert pair.mask.any()
    np.testing.assert_array_equal(found.mask, pair.mask)
    np.testing.assert_array_equal(found.rgb, pair.rgb)
    np.testing.assert_allclose(found.depth, pair.depth, rtol=1e-6)
    assert set(np.unique(found.ternary)) <= {-1, 0, 1}
    assert not found.ternary[~found.foreground].any()


def test_a_texture_smaller_than_the_image_is_mirrored():
    sample = normal()
    large = replace(
        sample,
        rgb=np.tile(sample.rgb, (5, 6, 1)),
        depth=np.tile(sample.depth, (5, 6)),
        valid=np.tile(sample.valid, (5, 6)),
        foreground=np.ones((320, 384), bool),
    )
    found = synthesis_stages(large, seed=1)
    assert found.texture.shape == (320, 384, 3)
    np.testing.assert_array_equal(found.texture[256:], found.texture[192:256][::-1])
    pair = render(large.rgb, large.depth, found.plan, foreground=found.foreground)
    np.testing.assert_array_equal(found.rgb, pair.rgb)


def test_a_sample_without_a_part_is_refused():
    sample = normal()
    with pytest.raises(ForegroundError, match="nothing stands out"):
        synthesis_stages(replace(sample, foreground=np.zeros(sample.depth.shape, bool)))


def test_all_figures_of_an_evaluation(tmp_path):
    dataset = open_dataset(parts())
    folder = results(tmp_path / "results", evaluation(dataset))
    paths = write_figures(folder, dataset, tmp_path / "out")
    assert set(paths) == {tmp_path / "out" / f"{name}.{kind}" for name in NAMES for kind in ("png", "pdf")}
    for path in paths:
        if path.suffix == ".png":
            assert np.asarray(Image.open(path).convert("L")).std() > 5
        else:
            assert path.read_bytes().startswith(b"%PDF")


def test_each_kind_of_defect_is_shown_by_its_image_of_median_score():
    images = [
        {"key": f"{defect} {score}", "defect": defect, "label": defect != "good", "score": score}
        for defect, scores in (("good", (9, 8, 7)), ("hole", (5, 1, 3)), ("cut", (4,)))
        for score in scores
    ]
    assert _one_of_each(images) == ["cut 4", "hole 3"]
    assert _one_of_each(images[:3]) == ["good 8"]


def test_a_row_shows_an_image_and_its_map_in_the_colours_of_all_maps():
    dataset = open_dataset(parts())
    samples = [dataset.open(entry) for entry in dataset.select(split="test").entries[:3]]
    maps = [np.full((32, 32), value, np.float32) for value in (0.0, 1.0, 4.0)]
    figure = maps_figure(samples, maps)
    places = [place for place in figure.axes if place.images][:12]
    assert [place.images[0].get_clim() for place in places[3::4]] == [(0, 4)] * 3
    for place, sample in zip(places[::4], samples, strict=True):
        np.testing.assert_array_equal(place.images[0].get_array(), sample.rgb)
        assert place.get_ylabel() == "\n".join(sample.entry.key.split("/")[-2:])


def test_curves_that_are_not_there_are_left_out():
    dataset = open_dataset(parts())
    assert len(curves_figure(evaluation(dataset)).axes) == 2
    assert len(curves_figure(evaluation(dataset, curves={})).axes) == 0


def test_the_threshold_is_drawn_where_there_is_one():
    dataset = open_dataset(parts())
    (line,) = scores_figure(evaluation(dataset)).axes[0].lines
    assert set(line.get_xdata()) == {0.4}
    assert not scores_figure(evaluation(dataset, protocol={"threshold": None})).axes[0].lines


def test_without_a_normal_image_fig_3_is_left_out(tmp_path):
    dataset = open_dataset(parts())
    folder = results(tmp_path / "results", evaluation(dataset))
    bad = dataset.select(split="test", label=1)
    found = evaluation(bad)
    write_atomic(folder / "evaluation.json", found.to_json())
    assert {path.stem for path in write_figures(folder, bad, tmp_path / "out")} == set(NAMES) - {"figure3"}


def test_other_results_are_refused(tmp_path):
    dataset = open_dataset(parts())

    def mistake(folder):
        with pytest.raises(FileError) as caught:
            write_figures(folder, dataset, tmp_path / "out")
        return str(caught.value)

    (tmp_path / "empty").mkdir()
    assert "evaluation.json: " in mistake(tmp_path / "empty")
    write_atomic(tmp_path / "damaged/evaluation.json", b"{}")
    assert "is not an evaluation" in mistake(tmp_path / "damaged")
    whole = {"figures": {"I-AUROC": 0.9}, "images": [], "protocol": {}, "intervals": {}, "curves": {}}
    Evaluation.from_json(json.dumps(whole).encode())
    image = {"key": "a", "defect": "", "label": True, "score": "0.1", "verdict": None}
    for lie in ({"figures": {"I-AUROC": "0.9"}}, {"intervals": {"I-AUROC": [0.1, True]}}, {"images": [image]}):
        with pytest.raises(FileError, match="is not an evaluation"):
            Evaluation.from_json(json.dumps(whole | lie).encode())
    other = json.loads(evaluation(dataset).to_json().replace(b"potato/test", b"leek/test"))
    write_atomic(tmp_path / "other/evaluation.json", json.dumps(other).encode())
    assert "names leek/test/" in mistake(tmp_path / "other")
    assert "is 20 x 32, its image 64 x 64" in mistake(results(tmp_path / "flat", evaluation(dataset), shape=(20, 32)))


def test_results_without_maps_name_the_missing_one(tmp_path):
    dataset = open_dataset(parts())
    write_atomic(tmp_path / "evaluation.json", evaluation(dataset).to_json())
    with pytest.raises(FileError) as caught:
        write_figures(tmp_path, dataset, tmp_path / "out")
    assert Path(caught.value.path).parent.parent.parent.parent == tmp_path / "maps"
