"""A few real defects beside the synthetic ones: learnt from, never tested on, every third one validates."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from das3d_cli.ref import main
from helpers.dumps import put
from helpers.encoders import encoder_file, on_features
from helpers.runs import CONFIG, parts, source

from das3d_aug.errors import ParameterError
from das3d_aug.files import encode_png
from das3d_ref import Detector, evaluate, open_source, train
from das3d_ref.evaluation.judge import unseen
from das3d_ref.training.examples import SyntheticAnomalies
from das3d_ref.training.few_shot import MixedAnomalies, RealAnomalies
from das3d_ref.training.loop import Trainer


def few(tmp_path: Path, *kinds: str) -> Path:
    """Copy some of the demo's test defects to a folder of their own."""
    folder = tmp_path / "defects"
    for kind in kinds:
        shutil.copytree(parts() / "potato/test" / kind, folder / "potato/test" / kind)
    return folder


def real(tmp_path: Path, *kinds: str, **values: object):
    config = on_features(**values)
    data = source(config)
    config = data.narrowed(config)
    anomalies = open_source(few(tmp_path, *kinds), config=config, cache=tmp_path / "cache")
    return config, data, anomalies


def test_a_share_of_the_examples_is_real_turned_with_its_mask(tmp_path: Path) -> None:
    config, data, anomalies = real(tmp_path, "hole", "dent", data__real_share=0.5)
    found = RealAnomalies(anomalies, config, data.depth_range(config))
    items = [data.item(entry, data.depth_range(config)) for entry in data.train]
    synthetic = SyntheticAnomalies(items, config, seed=0, crop=0)
    mixed = MixedAnomalies(synthetic, found, seed=0)
    keys = [(epoch, index) for epoch in range(20) for index in range(len(mixed))]
    originals = [found.example(item) for item in found.learnt]
    turns = {
        name: [found.example(item, turn=t)[name] for item in found.learnt for t in range(8)] for name in ("rgb", "mask")
    }
    count, seen = 0, set()
    for key in keys:
        example = mixed[key]
        places = [k for k, image in enumerate(turns["rgb"]) if np.array_equal(image, example["rgb"])]
        if places:
            count += 1
            seen.update(places)
            assert any(np.array_equal(turns["mask"][k], example["mask"]) for k in places)
        else:
            np.testing.assert_array_equal(example["rgb"], synthetic[key]["rgb"])
    assert 0.35 < count / len(keys) < 0.65
    assert len(seen) > len(originals)
    assert all(np.array_equal(mixed[key]["depth"], mixed[key]["depth"]) for key in keys[:3])
    for item, example in zip(found.learnt, originals, strict=True):
        np.testing.assert_array_equal(example["mask"][0].numpy() > 0, item.sample.mask)


def test_a_turn_is_a_flip_and_a_transposition(tmp_path: Path) -> None:
    config, data, anomalies = real(tmp_path, "hole")
    found = RealAnomalies(anomalies, config, data.depth_range(config))
    (item, *_) = found.learnt
    plain, turned = (found.example(item, turn=turn)["mask"][0].numpy() for turn in (0, 7))
    np.testing.assert_array_equal(turned, plain[::-1, ::-1].T)


def test_every_third_validates_and_no_test_image_was_learnt_from(tmp_path: Path) -> None:
    config, data, anomalies = real(tmp_path, "hole", "dent", "cut")
    trainer = Trainer(data, tmp_path / "never", config=config, anomalies=anomalies)
    assert trainer.real is not None
    count = len(anomalies.test)
    assert len(trainer.real.held_out) == len(trainer.validation.real) == count // 3
    assert len(trainer.real.learnt) + len(trainer.real.held_out) == count
    header = train(data, tmp_path / "model", config=config, anomalies=anomalies)
    assert len(header["anomalies"]) == count
    found = Detector.load(tmp_path / "model")
    left = unseen(data, found)
    assert {entry.defect for entry in data.test} - {entry.defect for entry in left.test} == {"hole", "dent", "cut"}
    judged = evaluate(found, data)
    assert [image["key"] for image in judged.images] == [entry.key for entry in left.test]
    assert judged.protocol["left out"] == f"{count} test images that the detector has learnt from"
    for otherwise in ({"distance": 0.006}, {"fallback": "keep"}, {"foreground": "all"}):  # other images: not recognised
        with pytest.raises(ParameterError, match="leave foreground, distance and fallback as trained"):
            evaluate(found.adjusted(**otherwise), data)


def test_a_test_set_that_was_all_learnt_from_is_no_test(tmp_path: Path) -> None:
    config = on_features()
    data = source(config)
    train(data, tmp_path, config=config, anomalies=data)
    with pytest.raises(ParameterError, match="the detector has learnt from all anomalous test images"):
        evaluate(Detector.load(tmp_path), data)


def test_a_plain_folder_with_masks_is_enough(tmp_path: Path) -> None:
    config = on_features()
    data = source(config)
    for kind in ("hole", "dent"):
        for role, name in (("rgb", "rgb"), ("xyz", "xyz"), ("gt", "mask")):
            for path in (parts() / "potato/test" / kind / role).iterdir():
                put(tmp_path / "plain" / name / f"{kind}{path.suffix}", path.read_bytes())
    anomalies = open_source(tmp_path / "plain", config=data.narrowed(config), cache=tmp_path / "cache", unit="m")
    found = RealAnomalies(anomalies, config, data.depth_range(config))
    assert len(found.learnt) == 2
    assert found.held_out == ()


def test_other_real_anomalies_are_another_run(tmp_path: Path) -> None:
    config, data, anomalies = real(tmp_path, "hole")
    train(data, tmp_path / "model", config=config, anomalies=anomalies)
    with pytest.raises(Exception, match="holds a run with other anomalies"):
        train(data, tmp_path / "model", config=config, resume=True)


def test_what_cannot_be_learnt_from_is_refused_in_a_sentence(tmp_path: Path) -> None:
    config, data, anomalies = real(tmp_path, "hole")
    with pytest.raises(
        ParameterError, match=r"real anomalies need features\.encoder, as the preset 'practical' has it"
    ):
        Trainer(data, tmp_path / "a", config=CONFIG, anomalies=anomalies)
    with pytest.raises(ParameterError, match="has no image that a folder or a mask says is anomalous"):
        RealAnomalies(dataclasses.replace(data, anomalous=()), config, None)
    bare_folder = few(tmp_path / "b", "cut")
    for path in (bare_folder / "potato/test/cut/gt").iterdir():
        path.write_bytes(encode_png(np.zeros((64, 64), np.uint8)))
    bare = open_source(bare_folder, config=config, cache=tmp_path / "cache")
    with pytest.raises(ParameterError, match="needs a mask that marks its defects"):
        RealAnomalies(bare, config, None)


def test_on_the_command_line(tmp_path: Path) -> None:
    folder, model = few(tmp_path, "hole"), str(tmp_path / "model")
    small = ["training.steps=2", "training.validate_every=2", "features.pairs=8", "preparation.size=[48, 48]"]
    options = [part for value in (f"features.encoder={encoder_file()}", *small) for part in ("--set", value)]
    data = ["--data", str(parts()), "--category", "potato"]
    arguments = ["train", *data, "--out", model, "--preset", "practical", "--anomalies", str(folder), *options]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, done.output
    done = CliRunner().invoke(main, ["evaluate", model, *data])
    assert done.exit_code == 0, done.output
    assert "1 test image left out: the detector has learnt from them" in done.output
    (folder / "potato").rename(folder / "flange")
    arguments[arguments.index(model)] = str(tmp_path / "other")
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 2
    assert "'potato' is not in" in done.output
    assert "there are flange" in done.output
