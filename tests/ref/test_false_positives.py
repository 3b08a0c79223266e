"""The threshold that is asked for when a detector is used, from Python and on the command line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner
from das3d_cli.ref import main
from helpers.dumps import put
from helpers.runs import detector, parts

from das3d_aug.datasets import open_dataset
from das3d_aug.errors import FileError, ParameterError
from das3d_ref import Detector

GOOD = [0.0, 0.1, 0.2, 0.3, 2.0]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    copied = Path(shutil.copytree(detector(), tmp_path / "model"))
    return with_header(copied, good_scores=GOOD, threshold=2.0)


def with_header(model: Path, **values: object) -> Path:
    path = model / "detector.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))
    return model


def test_another_share_is_another_threshold_and_nothing_else(model: Path) -> None:
    found = Detector.load(model)
    assert (found.threshold, found.allowing(0.5).threshold, found.allowing(0).threshold) == (2.0, 0.2, 2.0)
    assert found.threshold == 2.0
    assert found.expected is not None
    assert found.expected.mean == pytest.approx(1 / 6)
    sample = next(iter(open_dataset(parts()).select(split="test")))
    one, other = found.predict_sample(sample), found.allowing(0.999).predict_sample(sample)
    assert (one.score, one.p_value) == (other.score, other.p_value)
    assert one.p_value == (1 + sum(good >= one.score for good in GOOD)) / 6
    assert (one.label, other.label) == (one.score > 2.0, one.score > 0.0) == (False, True)


def test_predict_takes_the_share_and_says_what_it_promises(model: Path, tmp_path: Path) -> None:
    arguments = ["predict", str(model), str(parts() / "potato"), "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(main, [*arguments, "--false-positives", "0.999"])
    assert done.exit_code == 0, done.output
    lines = [json.loads(line) for line in (tmp_path / "out/predictions.jsonl").read_text().splitlines()]
    assert {line["threshold"] for line in lines} == {0.0}
    assert {line["verdict"] for line in lines} == {"anomalous"}
    assert "it calls 83.3 % (90 % interval" in done.output
    refused = CliRunner().invoke(main, [*arguments, "--false-positives", "1"])
    assert refused.exit_code == 2
    assert "--false-positives" in refused.output


def test_a_detector_of_an_older_version_keeps_its_threshold_and_promises_nothing(model: Path) -> None:
    header = json.loads((model / "detector.json").read_text())
    del header["good_scores"], header["good_floors"]
    (model / "detector.json").write_text(json.dumps(header))
    found = Detector.load(model)
    assert (found.threshold, found.expected) == (2.0, None)
    sample = next(iter(open_dataset(parts()).select(split="test")))
    one = found.predict_sample(sample)
    assert (one.p_value, one.unlike) == (None, None)
    out = ["--out", str(model.parent / "out"), "--json"]
    told = CliRunner().invoke(main, ["predict", str(model), str(parts() / "potato"), *out])
    assert json.loads(told.stdout)["result"]["unlike"] is None, told.output
    with pytest.raises(ParameterError, match="keeps no scores of good images: train it anew"):
        found.allowing(0.1)


@pytest.mark.parametrize(
    "scores",
    [[], "high", [None], [float("nan")], [float("inf")], 3, {"a": 1}, None, [0.1, "0.1"], [True], [[0.1]]],
    ids=str,
)
def test_scores_that_are_none_are_refused_in_a_sentence(model: Path, scores: object) -> None:
    with pytest.raises(FileError, match=r"detector\.json: good_scores must be ") as caught:
        Detector.load(with_header(model, good_scores=scores))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


def test_less_than_so_few_images_can_promise_is_warned_of(model: Path, tmp_path: Path) -> None:
    arguments = ["predict", str(model), str(parts() / "potato"), "--out", str(tmp_path / "out"), "--false-positives"]
    done = CliRunner().invoke(main, [*arguments, "0.1"])
    assert done.exit_code == 0, done.output
    said = "--false-positives 0.1 is less than the 16.7 % that the 5 good images of its validation can promise: "
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert not CliRunner().invoke(main, [*arguments, "0.17"]).stderr


def test_nothing_judged_promises_nothing(model: Path, tmp_path: Path) -> None:
    put(tmp_path / "new/rgb/0.png", b"no image")
    put(tmp_path / "new/depth/0.png", b"no image")
    done = CliRunner().invoke(main, ["predict", str(model), str(tmp_path / "new"), "--out", str(tmp_path / "out")])
    assert done.exit_code == 1
    assert "0 of 1 image judged" in done.stdout
    assert "it calls" not in done.stdout
    told = CliRunner().invoke(
        main, ["predict", str(model), str(tmp_path / "new"), "--out", str(tmp_path / "out"), "--json"]
    )
    assert "false_positives" not in json.loads(told.stdout)["result"]


def test_training_on_few_images_says_what_it_cannot_know(tmp_path: Path) -> None:
    few = ["--preset", "smoke", "--set", "training.steps=1", "--set", "training.validation_anomalies=4"]
    arguments = ["train", "--data", str(parts()), "--category", "potato", "--out", str(tmp_path / "model"), *few]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, done.output
    source = json.loads((tmp_path / "model/detector.json").read_text())
    assert "good images: what varies among good parts is hardly known of so few" in done.output
    assert f"from {len(source['good_scores'])} good images: of new ones it calls" in done.output


@pytest.mark.filterwarnings("default:.*all over:UserWarning")
def test_images_that_differ_all_over_are_told_apart_from_defects(model: Path, tmp_path: Path) -> None:
    said = "differ from the training's all over, not in one place"
    for floor, unlike in ((-1.0, True), (2.0, False)):
        with_header(model, good_floors=[floor] * 30)
        done = CliRunner().invoke(
            main, ["predict", str(model), str(parts() / "potato"), "--out", str(tmp_path / "out"), "--json"]
        )
        assert done.exit_code == 0, done.output
        told = json.loads(done.stdout)
        images = told["result"]["judged"]
        assert told["result"]["unlike"] == (images if unlike else 0)
        assert [said in one["reason"] for one in told["warnings"]] == ([True] if unlike else [])
        lines = [json.loads(line) for line in (tmp_path / "out/predictions.jsonl").read_text().splitlines()]
        assert {line["unlike"] for line in lines} == {unlike}
        done = CliRunner().invoke(main, ["evaluate", str(model), "--data", str(parts()), "--json"])
        assert done.exit_code == 0, done.output
        told = json.loads(done.stdout)
        assert (
            told["result"]["protocol"]["unlike those of the training all over"] == f"{2 * unlike} of 2 good test images"
        )
        assert [said in one["reason"] for one in told["warnings"]] == ([True] if unlike else [])
