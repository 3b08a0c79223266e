"""Pipelines that are replayed, saved, pickled and printed."""

from __future__ import annotations

import json
import pickle

import cv2
import numpy as np
import pytest
from helpers.transforming import DEPTH_AS_MASK, EVERY, RECIPE, among, labelled, part, same, seeded

from das3d_aug.synthesis import Recipe
from das3d_aug.transforms import DAS3DAnomaly, TextureAnomaly

import albumentations as A  # isort: skip  (das3d's import of it is the silent one)


def test_replays_are_exact_through_json():
    recorder = A.ReplayCompose(
        [A.HorizontalFlip(), DAS3DAnomaly(RECIPE, p=1.0), A.VerticalFlip()], additional_targets=DEPTH_AS_MASK
    )
    for _ in range(3):
        out = recorder(**labelled())
        saved = json.loads(json.dumps(out["replay"]))
        assert same(A.ReplayCompose.replay(saved, **labelled()), out)


def test_a_replay_knows_that_it_was_passed_over():
    recorder = A.ReplayCompose([DAS3DAnomaly(RECIPE, p=0.0)])
    out = A.ReplayCompose.replay(recorder(**part())["replay"], **part())
    assert out["image"].tobytes() == part()["image"].tobytes()
    assert "mask" not in out


@pytest.mark.parametrize("data_format", ["json", "yaml"])
@pytest.mark.parametrize("kind", EVERY)
def test_pipelines_load_as_they_were_saved(kind, data_format, tmp_path):
    recipe = Recipe(dropout=0.1)
    pipeline = among(A.HorizontalFlip(), kind(recipe, on_empty="skip", foreground="part", p=0.75))
    A.save(pipeline, tmp_path / "pipeline", data_format=data_format)
    loaded = A.load(tmp_path / "pipeline", data_format=data_format)
    assert repr(loaded.transforms[1]) == repr(pipeline.transforms[1])
    assert loaded.transforms[1].recipe == pipeline.transforms[1].recipe
    transform = kind(RECIPE, p=1.0)
    copy = A.from_dict(A.to_dict(transform))
    assert type(copy) is kind
    assert same(seeded(copy)(**part()), seeded(transform)(**part()))


def test_saved_pipelines_keep_their_texture_folder(tmp_path):
    cv2.imwrite(str(tmp_path / "stripes.png"), np.tile(np.arange(64, dtype=np.uint8), (64, 1)))
    transform = TextureAnomaly(RECIPE, texture=tmp_path, p=1.0)
    procedural = TextureAnomaly(RECIPE, p=1.0)
    copy = A.from_dict(A.to_dict(transform))
    out = seeded(transform)(**part())
    assert same(seeded(copy)(**part()), out)
    assert seeded(procedural)(**part())["image"].tobytes() != out["image"].tobytes()


@pytest.mark.parametrize("kind", EVERY)
def test_pickles_go_on_where_they_were(kind):
    pipeline = among(A.HorizontalFlip(), kind(RECIPE, p=1.0))
    pipeline(**labelled())
    assert same(pickle.loads(pickle.dumps(pipeline))(**labelled()), pipeline(**labelled()))


def test_repr_tells_what_differs_from_the_defaults():
    assert repr(DAS3DAnomaly()) == "DAS3DAnomaly(p=0.5)"
    words = "TextureAnomaly(recipe={'dropout': 0.0}, foreground='part', p=1.0)"
    recipe = Recipe(dropout=0.0)
    assert repr(TextureAnomaly(recipe, foreground="part", p=1.0)) == words
    assert words in repr(A.Compose([TextureAnomaly(recipe, foreground="part", p=1.0)]))
