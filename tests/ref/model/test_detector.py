"""A trained detector on images of its kind and of others: sizes, units, padding; evaluation; a folder's verdicts."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from helpers.dumps import environment, put
from helpers.runs import CONFIG, detector, parts, picture, source, workplace
from hypothesis import given
from hypothesis import strategies as st

from das3d_aug.colouring import colour_anomaly
from das3d_aug.datasets import open_dataset
from das3d_aug.errors import FileError, ForegroundError, ParameterError
from das3d_aug.files import encode_png, encode_tiff, read_rgb
from das3d_aug.geometry import Intrinsics
from das3d_ref import Detector, evaluate, open_source, predict_all, train
from das3d_ref.evaluation.prediction import Verdicts, overlay
from das3d_ref.metrics import image_auroc
from das3d_ref.model import Prediction
from das3d_ref.model.score import image_score


@pytest.fixture(scope="module")
def found():
    return Detector.load(detector())


def part(name="test/hole/000"):
    dataset = open_dataset(parts())
    (entry,) = [entry for entry in dataset.entries if entry.key == f"potato/{name}"]
    return dataset.open(entry)


def trained(name, *assignments):
    """Return a detector of another configuration, trained for a step."""
    out = workplace() / name
    config = CONFIG.override([*assignments, "training.steps=1"])
    if not out.exists():
        train(source(config), out, config=config)
    return Detector.load(out)


# Prediction


def test_predict_is_evaluate_s_map_at_the_size_of_the_image(found):
    data = source()
    for entry in data.test[:3]:
        sample = open_dataset(parts()).open(entry_of(entry.key))
        prediction = found.predict(sample.rgb, sample.depth, xyz=sample.xyz)
        small = found.anomaly_map(data.item(entry, None))
        assert prediction.score == pytest.approx(image_score(small, 5), abs=1e-6)
        assert prediction.label == (prediction.score > found.threshold)
        assert prediction.anomaly_map.shape == (64, 64)
        assert prediction.anomaly_map.dtype == np.float32
        assert 0 <= prediction.anomaly_map.min() <= prediction.anomaly_map.max() <= 1
        # Sampled where the prepared pixels' centres lie, it is the small map but for the interpolation.
        centres = ((2 * np.arange(48) + 1) * 64 // 96).astype(int)
        assert np.abs(prediction.anomaly_map[np.ix_(centres, centres)] - small).mean() < 0.01


def entry_of(key):
    return next(entry for entry in open_dataset(parts()).entries if entry.key == key)


@pytest.mark.parametrize("size", [(40, 52), (31, 77), (300, 200), (17, 16)])
def test_any_size_and_shape_comes_back(found, size):
    rgb, depth, _ = picture()
    rgb, depth = (np.resize(image, (*size, *image.shape[2:])) for image in (rgb, depth))
    prediction = found.predict(rgb, depth, foreground=np.ones(size, bool))
    assert prediction.anomaly_map.shape == size


@pytest.mark.parametrize("pad", ["true", "false"])
@pytest.mark.parametrize(("size", "share"), [("none", 1e-6), ("100", 0.02), ("[50, 150]", 0.04)])
def test_the_map_lies_where_the_image_does_and_padding_is_cut_off(found, monkeypatch, pad, size, share):
    """A stand-in network finds what is red."""
    monkeypatch.setattr(Detector, "anomaly_map", lambda self, item: np.float32(item.sample.rgb[:, :, 0] / 255))
    one = Detector(found.network, found.header, device=found.device)
    one.config = one.config.override([f"preparation.pad={pad}", f"preparation.size={size}", "preparation.distance=0"])
    _, depth, camera = picture()
    red = np.rint(128 + 127 * np.sin(np.arange(52) / 8) * np.cos(np.arange(40) / 9)[:, None]).astype(np.uint8)
    rgb = np.repeat(red[:, :, None], 3, axis=2)
    prediction = one.predict(rgb, depth, camera=camera)
    inner = np.s_[2:-2, 2:-2]  # at the edge, black padding mixes in
    np.testing.assert_allclose(prediction.anomaly_map[inner], red[inner] / 255, atol=share)


def test_units_mean_the_same_surface():
    for name, assignment in (
        ("own-range", "preparation.normalise=image"),
        ("one-range", "preparation.normalise=dataset"),
    ):
        one = trained(name, assignment)
        sample = part()
        metres = one.predict(sample.rgb, sample.depth, xyz=sample.xyz, unit="m")
        millimetres = one.predict(sample.rgb, sample.depth * 1000, xyz=sample.xyz * 1000, unit="mm")
        assert millimetres.score == pytest.approx(metres.score, abs=1e-4)
    with pytest.raises(ParameterError, match="'raw'"):
        one.predict(sample.rgb, sample.depth, foreground=sample.valid, unit="raw")


def test_any_depth_type_and_invalid_depth(found):
    sample = part()
    millimetres = np.rint(sample.depth * 1000)
    points = (sample.xyz * 1000).astype(np.float32)
    scores = set()
    for kind in (np.uint16, np.float32, np.float64):
        scores.add(found.predict(sample.rgb, millimetres.astype(kind), xyz=points, unit="mm").score)
    assert len(scores) == 1
    depth = sample.depth.astype(np.float64)
    depth[~sample.valid] = np.resize([np.nan, np.inf, -1, 1e300, 0], int((~sample.valid).sum()))
    again = found.predict(sample.rgb, depth, xyz=sample.xyz)
    assert again.score == found.predict(sample.rgb, sample.depth, xyz=sample.xyz).score


def test_inputs_are_never_changed(found):
    sample = part()
    arrays = [sample.rgb, sample.depth, sample.xyz]
    copies = [array.copy() for array in arrays]
    for array in arrays:
        array.flags.writeable = False
    found.predict(sample.rgb, sample.depth, xyz=sample.xyz)
    for array, copy in zip(arrays, copies, strict=True):
        np.testing.assert_array_equal(array, copy)


def test_arrays_that_do_not_fit_are_named(found):
    sample = part()
    rgb, depth, xyz = sample.rgb, sample.depth, sample.xyz
    cases = (
        ((rgb.astype(np.float32), depth), {}, "rgb must be uint8, H x W x 3"),
        ((rgb, depth[:-1]), {}, r"depth must have the shape \(64, 64\)"),
        ((rgb, depth.astype(str)), {"xyz": xyz}, "depth must be numbers"),
        ((rgb, depth), {"xyz": xyz[:, :-1]}, r"xyz must have the shape \(64, 64, 3\)"),
        ((rgb, depth), {"foreground": depth}, "foreground must be bool"),
        ((rgb, depth), {}, "image: a plane is found in points"),
        ((rgb, depth * 0), {"xyz": xyz * 0}, "image: "),
    )
    for arrays, named, said in cases:
        with pytest.raises(ParameterError, match=said):
            found.predict(*arrays, **named)


@given(height=st.integers(1, 20), width=st.integers(1, 20), half=st.integers(0, 6), seed=st.integers(0, 9))
def test_the_score_is_the_largest_mean_of_a_window(height, width, half, seed):
    image = np.random.default_rng(seed).random((height, width)).astype(np.float32)
    side = min(2 * half + 1, height, width)
    means = [
        image[y : y + side, x : x + side].mean() for y in range(height - side + 1) for x in range(width - side + 1)
    ]
    assert image_score(image, 2 * half + 1) == pytest.approx(max(means), rel=1e-5)


# Evaluation


def test_evaluation_scores_every_test_image(found):
    calls = []
    result = evaluate(found, source(), progress=lambda done, total: calls.append((done, total)))
    assert calls == [(k + 1, len(source().test)) for k in range(len(source().test))]
    assert [image["key"] for image in result.images] == [entry.key for entry in source().test]
    scores, labels = zip(*((image["score"], image["label"]) for image in result.images), strict=True)
    assert set(labels) == {False, True}
    assert result.figures["I-AUROC"] == image_auroc(scores, labels)
    assert all(image["verdict"] == (image["score"] > found.threshold) for image in result.images)
    assert result.protocol["resolution"] == [(48, 48)]
    text = json.loads(result.to_json())
    assert text["figures"].keys() == result.figures.keys()
    assert text["images"] == list(result.images)


def test_without_masks_only_the_images_are_scored(found, tmp_path):
    data = Path(shutil.copytree(parts(), tmp_path / "parts"))
    own = tmp_path / "own"
    for entry in open_dataset(data).entries:
        sample = open_dataset(data).open(entry)
        put(own / entry.split / entry.defect / "rgb" / f"{entry.key[-3:]}.png", encode_png(sample.rgb))
        put(own / entry.split / entry.defect / "depth" / f"{entry.key[-3:]}.tiff", encode_tiff(sample.depth))
        put(
            own / entry.split / entry.defect / "foreground" / f"{entry.key[-3:]}.png",
            encode_png(np.uint8(255) * sample.valid),
        )
    prepared = open_source(own, config=found.config, cache=tmp_path / "cache", unit="m")
    assert evaluate(found, prepared).figures.keys() == {"I-AUROC"}


def test_what_cannot_be_evaluated_is_named(found):
    import dataclasses

    data = source()
    with pytest.raises(ParameterError, match="has no test images"):
        evaluate(found, dataclasses.replace(data, test=()))
    unknown = dataclasses.replace(data.test[1], label=None)
    with pytest.raises(ParameterError, match=r"potato/test/.*: is not labelled normal or anomalous, as 1 of"):
        evaluate(found, dataclasses.replace(data, test=(data.test[0], unknown)))
    only = [entry for entry in data.test if entry.label == 0]
    figures = evaluate(found, dataclasses.replace(data, test=tuple(only)))
    assert set(json.loads(figures.to_json())["figures"].values()) == {None}


# Whole folders


def test_a_folder_s_verdicts(found, tmp_path):
    dataset = open_dataset(parts()).select(split="test")
    calls = []
    out = tmp_path / "out"
    told = predict_all(found, dataset, out, progress=lambda done, total: calls.append((done, total)))
    assert calls == [(k + 1, len(dataset)) for k in range(len(dataset))]
    lines = [json.loads(line) for line in (out / "predictions.jsonl").read_text().splitlines()]
    assert told == Verdicts(
        failures=(),
        judged=len(lines),
        anomalous=sum(line["label"] for line in lines),
        unlike=sum(line["unlike"] for line in lines),
    )
    assert [line["key"] for line in lines] == [entry.key for entry in dataset.entries]
    for line, sample in zip(lines, dataset, strict=True):
        wanted = found.predict_sample(sample)
        assert line == {
            "key": line["key"],
            "score": wanted.score,
            "p_value": wanted.p_value,
            "threshold": found.threshold,
            "label": int(wanted.label),
            "verdict": "anomalous" if wanted.score > found.threshold else "normal",
            "unlike": wanted.unlike,
        }
        saved = tifffile.imread(out / "maps" / f"{line['key']}.tiff")
        assert saved.dtype == np.float32
        np.testing.assert_array_equal(saved, wanted.anomaly_map)
        shown = read_rgb(out / "overlays" / f"{line['key']}.png")
        np.testing.assert_array_equal(shown, overlay(sample.rgb, wanted, found.threshold))


def test_one_bad_image_does_not_stop_the_others(found, tmp_path):
    data = Path(shutil.copytree(parts() / "potato" / "test" / "good", tmp_path / "potato" / "test" / "good"))
    (data / "rgb" / "000.png").write_bytes(b"no picture")
    failures = predict_all(found, open_dataset(tmp_path / "potato"), tmp_path / "out").failures
    assert [key for key, _ in failures] == ["potato/test/good/000"]
    assert str(data / "rgb" / "000.png") in failures[0][1]
    first, second = map(json.loads, (tmp_path / "out" / "predictions.jsonl").read_text().splitlines())
    assert first == {"key": "potato/test/good/000", "error": failures[0][1]}
    assert second.keys() == {"key", "score", "p_value", "threshold", "label", "verdict", "unlike"}
    assert [path.name for path in (tmp_path / "out").rglob("*.tiff")] == ["001.tiff"]


def test_verdicts_are_not_written_among_the_images(found, tmp_path):
    data = Path(shutil.copytree(parts(), tmp_path / "parts"))
    with pytest.raises(FileError, match="must be separate folders"):
        predict_all(found, open_dataset(data), data / "verdicts")


def test_an_overlay_shows_the_image_with_outlines_and_the_map_on_its_scale():
    rgb = np.full((20, 20, 3), 90, np.uint8)
    found = np.zeros((20, 20), np.float32)
    sides = 12 * 20  # enlarged to at least 224 pixels
    shown = overlay(rgb, Prediction(0, False, found), 0.5)
    top = shown.shape[0] - sides
    assert (shown[top:, :sides] == 90).all()
    calm = shown[top:, sides : 2 * sides]
    assert len(np.unique(calm.reshape(-1, 3), axis=0)) == 1
    found[5:12, 6:15] = 1
    loud = overlay(rgb, Prediction(1, True, found), 0.5)
    edge = (loud[top:, :sides] == (0, 255, 0)).all(axis=2)
    assert edge[5 * 12, 6 * 12 : 15 * 12].all()
    assert edge[5 * 12 : 12 * 12, 15 * 12 - 1].all()
    assert not edge[6 * 12 : 11 * 12, 7 * 12 : 14 * 12].any()
    heat = loud[top:, sides : 2 * sides]
    inside = np.kron(found > 0, np.ones((12, 12), bool))
    assert (heat[~inside] == calm[0, 0]).all()
    bar = loud[top:, 2 * sides + 10]
    np.testing.assert_array_equal(bar[0], heat[inside][0])  # 1 is on top of the scale
    np.testing.assert_array_equal(bar[-1], calm[0, 0])
    assert (loud[: top - 2] < 128).any()  # score, threshold and verdict
    assert not np.array_equal(loud[: top - 2], shown[: top - 2])


@pytest.mark.parametrize("threshold", [0.0, 0.25, 1.0])
def test_the_scale_has_a_mark_at_the_threshold(threshold):
    rgb, found = np.full((300, 40, 3), 90, np.uint8), np.zeros((300, 40), np.float32)
    shown = overlay(rgb, Prediction(0, False, found), threshold)
    height = 6 * 300
    column = shown[shown.shape[0] - height - 1 :, 2 * 6 * 40 + 3]
    marked = np.flatnonzero((column == 0).all(axis=1))
    assert abs(marked.mean() / height - (1 - threshold)) < 0.01


def test_new_images_may_be_prepared_otherwise_than_in_training(found):
    sample = next(iter(open_dataset(parts()).select(split="test")))
    scattered = np.random.default_rng(0).uniform(0.3, 3, (64, 64)).astype(np.float32)
    noise = replace(sample, depth=scattered, xyz=None, intrinsics=Intrinsics(60, 60, 31.5, 31.5))
    with pytest.raises(ForegroundError, match="fallback='keep' keeps everything"):
        found.predict_sample(noise)
    with pytest.warns(UserWarning, match="everything is kept"):
        kept = found.adjusted(fallback="keep").predict_sample(noise)
    for otherwise in ({"distance": 0}, {"foreground": "all"}, {"foreground": "auto"}):
        whole = found.adjusted(**otherwise).predict_sample(noise)
        np.testing.assert_array_equal(kept.anomaly_map, whole.anomaly_map)
    assert found.config.preparation.fallback == "error"
    with pytest.raises(ParameterError, match="fallback must be one of"):
        found.adjusted(fallback="never")
    with pytest.raises(ParameterError, match="no setting colour"):
        found.adjusted(colour=1)


def test_memory_stays_flat(tmp_path):
    code = """
import sys
from dataclasses import replace
from pathlib import Path
import torch
from das3d_aug.colouring import colour_anomaly
from das3d_aug.datasets import open_dataset
from das3d_ref import Detector, predict_all
def own():
    # not Pss: its share of the libraries grows when another process that has them ends
    lines = [line.split() for line in open("/proc/self/smaps_rollup")]
    return sum(int(line[1]) for line in lines if line[0] == "Private_Dirty:") / 1024
torch.set_num_threads(1)
detector, data, out = map(Path, sys.argv[1:])
found, dataset = Detector.load(detector), open_dataset(data).select(split="test")
for k in range(3):
    predict_all(found, dataset, out)
before = own()
for k in range(20):
    predict_all(found, dataset, out)
print(own() - before)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(detector()), str(parts()), str(tmp_path / "out")],
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert float(done.stdout) < 5


def test_a_prediction_shows_itself():
    found = Prediction(0.25, True, np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4))
    assert repr(found) == "Prediction(anomalous, score 0.250, map 3 x 4 up to 1.000)"
    shown = cv2.imdecode(np.frombuffer(found._repr_png_(), np.uint8), cv2.IMREAD_COLOR)
    assert shown.shape == (3, 4, 3)
    np.testing.assert_array_equal(shown[:, :, ::-1], colour_anomaly(found.anomaly_map))
