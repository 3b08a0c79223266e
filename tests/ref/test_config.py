"""Presets and settings: every value is known and used, every mistake is named."""

from __future__ import annotations

import dataclasses
import json
import tomllib

import pytest

from das3d_aug import Recipe
from das3d_aug.errors import FileError, ParameterError
from das3d_ref import PRESETS, Config
from das3d_ref.config import preset_text
from das3d_ref.model.detector import build_network


@pytest.mark.parametrize("name", PRESETS)
def test_every_value_of_a_preset_reaches_the_configuration(name):
    text = preset_text(name)
    assert text.startswith("# ")
    values, found = tomllib.loads(text), json.loads(json.dumps(Config.preset(name).to_dict()))
    for section, settings in values.items():
        for setting, value in settings.items():
            assert found[section][setting] == (None if value == "none" else value), f"{section}.{setting}"


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("mode", ["rgb", "depth", "rgbd"])
def test_every_preset_builds_in_every_mode_and_survives_json(name, mode):
    import torch

    config = Config.preset(name).override([f"mode={mode}"])
    assert Config.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    with torch.device("meta"):
        network = build_network(config)
    if config.features.encoder == "none":
        assert (network.rgb is None, network.depth is None) == (mode == "depth", mode == "rgb")
    else:
        assert network.names == {"rgb": ("rgb",), "depth": ("depth",), "rgbd": ("rgb", "depth")}[mode]


def test_the_practical_preset_draws_the_realistic_kinds():
    assert Config.preset("practical").synthesis.kinds == Recipe.realistic().kinds


def test_the_mode_sets_the_modality_of_the_synthesis_and_back():
    config = Config.preset("smoke")
    assert config.synthesis.modality == "rgbd"
    assert (rgb := config.override(["mode=rgb"])).synthesis.modality == "rgb"
    assert rgb.override(["mode=rgbd"]) == config


def test_overrides_are_toml_values_with_or_without_quotes():
    config = Config().override(
        [
            "training.steps=7",
            "training.learning_rate = 1e-3",
            "training.clip=2",
            "training.compile=true",
            "mode='depth'",
            "training.schedule=cosine",
            "preparation.size=[32, 48]",
            "synthesis.area=none",
            "synthesis.sigma=[1, 2.5]",
            "preparation.normalise=dataset",
        ]
    )
    assert (config.training.steps, config.training.learning_rate, config.training.clip) == (7, 1e-3, 2)
    assert config.training.compile is True
    assert (config.mode, config.training.schedule) == ("depth", "cosine")
    assert config.preparation.size == (32, 48)
    assert config.synthesis.area is None
    assert config.synthesis.sigma == (1, 2.5)
    assert config.preparation.normalise == "dataset"


def test_every_field_can_be_set_though_the_preset_does_not_say_it():
    config = Config.preset("practical").override(
        [
            "synthesis.kinds={dent=1}",
            "synthesis.placement={edge=1}",
            "synthesis.dents=1",
            "synthesis.size={choice=[0.1]}",
        ]
    )
    assert config.synthesis.kinds == {"dent": 1}
    assert config.synthesis.placement == {"edge": 1}
    assert (config.synthesis.dents, config.synthesis.size) == (1.0, {"choice": (0.1,)})
    assert config.override(["synthesis.size=none", "synthesis.dents=0.5"]).synthesis.size is None
    for name in PRESETS:
        for field in dataclasses.fields(Recipe):
            value = json.dumps(Recipe.realistic().to_dict().get(field.name)).replace(":", "=")
            if field.init and value != "null":
                Config.preset(name).override(["synthesis.kinds={dent=1}", f"synthesis.{field.name}={value}"])


@pytest.mark.parametrize(
    ("assignment", "said"),
    [
        ("synthesis.dents=1", "dents is of kinds of defects, and there are none: give kinds too"),
        ("training.steps", "'training.steps' must be section.name=value"),
        ("a.b.c=1", "'a.b.c=1' must be section.name=value"),
        ("training=1", "'training' is no setting; there are mode, seed, preparation"),
        ("training.stepps=1", "'training.stepps' is no setting; there are steps, batch"),
        ("mode.rgb=1", "'mode.rgb' is no setting"),
        ("trainning.steps=1", "'trainning.steps' is no setting; there are mode"),
        ("data.donors=true", "data.donors = true is for kinds that take patches, and the recipe has none"),
        ("mode=lidar", "mode must be one of rgb, depth, rgbd, got 'lidar'"),
        ("seed=-1", "seed must be 0 … 9223372036854775807, got -1"),
        ("training.steps=1.5", "training.steps must be like 20000, got 1.5"),
        ("training.steps=0", "training.steps must be 1 … 100000000, got 0"),
        ("training.steps=many", "training.steps must be like 20000, got 'many'"),
        ("training.compile=1", "training.compile must be like False, got 1"),
        ("training.clip=true", "training.clip must be like 0.0, got True"),
        ("training.learning_rate=nan", "training.learning_rate must be 0 … 1, got nan"),
        ("training.ema=1", "training.ema must be at least 0 and below 1, got 1"),
        ("training.schedule=linear", "training.schedule must be one of cosine, step, got 'linear'"),
        ("training.precision=int8", "training.precision must be one of fp32, bf16, fp16, got 'int8'"),
        ("data.crop=8", "data.crop must be 16 … 4096, got 8"),
        ("score.window=4", "score.window must be odd, got 4"),
        ("score.false_positives=1", "score.false_positives must be at least 0 and below 1, got 1"),
        ("preparation.normalise=none", "preparation.normalise must be 'image' or 'dataset', got 'none'"),
        ("preparation.size=huge", "size must be N or HxW"),
        ("synthesis.sigma=wide", "sigma must be a range"),
        ("network.width=12", "network.width must be a multiple of 8, got 12"),
        ("loss.alpha=2", "loss.alpha must be between 0 and 1, got 2"),
    ],
)
def test_mistakes_are_named(assignment, said):
    with pytest.raises(ParameterError) as caught:
        Config().override([assignment])
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"modes": "rgb"}, "modes is no setting; there are mode, seed"),
        ({"training": {"step": 1}}, "training.step is no setting; there are steps"),
        ({"synthesis": {"_octaves": 1}}, "synthesis._octaves is no setting; there are resolution"),
        ({"preparation": {"sizes": 1}}, "preparation.sizes is no setting; there are distance"),
        ({"training": 3}, "training must be a section, got 3"),
        ({"preparation": []}, "preparation must be a section, got []"),
        ([], "configuration must be a section, got []"),
        ({"mode": 3}, "mode must be like 'rgbd', got 3"),
    ],
)
def test_what_is_no_configuration_is_refused(values, said):
    with pytest.raises(ParameterError) as caught:
        Config.from_dict(values)
    assert said in str(caught.value)


def test_an_unknown_preset():
    with pytest.raises(ParameterError, match="preset must be one of paper, small, demo, practical, smoke, got 'large'"):
        Config.preset("large")


def test_the_package_s_example_runs():
    import doctest

    import das3d_ref

    assert doctest.testmod(das3d_ref).failed == 0


def test_numbers_are_stored_as_their_defaults_are():
    values = {"seed": 3, "training": {"clip": 2, "learning_rate": 1}, "score": {"false_positives": 0}}
    config = Config.from_dict(values)
    assert (config.seed, config.training.clip, config.training.learning_rate) == (3, 2.0, 1.0)
    found = (config.training.clip, config.training.learning_rate, config.score.false_positives, config.seed)
    assert [type(value) for value in found] == [float, float, float, int]


@pytest.mark.parametrize(
    ("assignment", "name"),
    [
        ("training.steps=" + "[" * 5000, "training.steps"),
        ("training.steps=1" + "0" * 5000, "training.steps"),
        ("training.clip=1" + "0" * 400, "training.clip"),
        ("synthesis.magnitude=[0, 1" + "0" * 400 + "]", "magnitude"),
        ("seed=1" + "0" * 400, "seed"),
        ("x" * 5000 + "=1", "is no setting"),
        ("training.steps" + "x" * 5000, "must be section.name=value"),
    ],
    ids=lambda text: text[:24],
)
def test_numbers_beyond_a_float_and_endless_text_are_refused_in_one_short_line(assignment, name):
    with pytest.raises(ParameterError, match=name) as caught:
        Config().override([assignment])
    assert len(str(caught.value)) < 250


def test_a_recipe_file_takes_the_place_of_what_it_names(tmp_path):
    recipe = tmp_path / "recipe.toml"
    recipe.write_text("kinds = { dent = 2.0 }\nsize = [0.1, 0.2]\nmodality = 'rgb'\n")
    practical = Config.preset("practical")
    found = practical.with_recipe(recipe)
    assert dict(found.synthesis.kinds) == {"dent": 2.0}
    assert found.synthesis.size == (0.1, 0.2)
    assert found.synthesis.probability == practical.synthesis.probability
    assert found.synthesis.modality == found.mode == "rgbd"
    assert found.override(["training.steps=7"]).synthesis == found.synthesis
    recipe.write_text("sizes = [0.1, 0.2]\n")
    with pytest.raises(FileError, match=r"recipe\.toml: synthesis\.sizes is no setting"):
        practical.with_recipe(recipe)
