"""Evaluations: the maps of any detector found, resized and measured; ``das3d-ref score``; maps kept and read again."""

from __future__ import annotations

import dataclasses
import json
import math
import shutil
import weakref

import cv2
import numpy as np
import pytest
import tifffile
from click.testing import CliRunner
from das3d_cli.evaluations import show_figures
from das3d_cli.ref import main
from helpers import trees
from helpers.runs import detector, parts, source
from scipy import ndimage

from das3d_aug.datasets import open_dataset
from das3d_aug.errors import FileError, ParameterError
from das3d_ref import Detector, Evaluation, evaluate
from das3d_ref.evaluation import score_maps
from das3d_ref.metrics import FIGURES, PUBLISHED, evaluate_maps


def opened():
    """Return the opened test images of the small data set by key."""
    return {sample.entry.key: sample for sample in open_dataset(parts()).select(split="test")}


def made_map(key, mask, size=None):
    """Return a map that finds some of the defect, in steps of 1 / 4096 so that a 16-bit PNG holds it."""
    rng = np.random.default_rng(len(key) * 1000 + sum(key.encode()))
    found = ndimage.gaussian_filter(rng.random(mask.shape), 2) + 0.1 * ndimage.gaussian_filter(1.0 * mask, 2)
    found = np.float32(np.rint(found * 4096) / 4096)
    return found if size is None else cv2.resize(found, size, interpolation=cv2.INTER_AREA)


def write_maps(root, *, suffix=".tiff", size=None, strip=""):
    maps = {key: made_map(key, sample.mask, size) for key, sample in opened().items()}
    for key, found in maps.items():
        stored = np.uint16(found * 4096) if suffix == ".png" else found
        trees.save(root / f"{key.removeprefix(strip)}{suffix}", stored)
    return maps


def expected(maps):
    """Return the figures of maps of the size of the masks."""
    samples = opened()
    masks, labels = [sample.mask for sample in samples.values()], [sample.entry.label for sample in samples.values()]
    return evaluate_maps(list(maps.values()), masks, [image.max() for image in maps.values()], labels)


def run(*arguments):
    return CliRunner().invoke(main, ["score", *map(str, arguments)])


# Any detector's maps


@pytest.mark.parametrize("suffix", [".tiff", ".npy", ".png"])
@pytest.mark.parametrize("strip", ["", "potato/"])
def test_maps_are_found_by_key_and_measured(tmp_path, suffix, strip):
    maps = write_maps(tmp_path / "maps", suffix=suffix, strip=strip)
    calls = []
    found = score_maps(open_dataset(parts()), tmp_path / "maps", progress=lambda *call: calls.append(call))
    assert calls == [(k + 1, len(maps)) for k in range(len(maps))]
    assert found.figures == pytest.approx(expected(maps), abs=1e-12)
    assert tuple(found.intervals) == FIGURES
    assert tuple(found.curves) == ("ROC", "PRO")
    factor = 4096 if suffix == ".png" else 1
    for image, (key, sample) in zip(found.images, opened().items(), strict=True):
        assert image == {
            "key": key,
            "defect": sample.entry.defect,
            "label": bool(sample.entry.label),
            "score": maps[key].max() * factor,
            "verdict": None,
        }
    assert found.protocol["threshold"] is None
    assert found.protocol["resolution"] == [(64, 64)]
    assert "maps resized bilinearly from" not in found.protocol


def test_the_layout_of_the_mvtec_results(tmp_path):
    """<category>/test/<defect>/<id>.tiff, here of a set with two categories."""
    data = trees.mvtec(tmp_path / "set")
    for entry in open_dataset(data).select(split="test").entries:
        category, split, defect, name = entry.key.split("/")
        found = np.float64(trees.MASK & (defect != "good"))
        trees.save(tmp_path / "maps" / category / split / defect / f"{name}.tiff", found)
    found = score_maps(open_dataset(data), tmp_path / "maps", category="cable_gland")
    assert [image["key"].partition("/")[0] for image in found.images] == ["cable_gland"] * 3
    assert set(found.figures.values()) == {1.0}
    with pytest.raises(ParameterError, match=r"category must be named, .* has bagel, cable_gland"):
        score_maps(open_dataset(data), tmp_path / "maps")
    with pytest.raises(ParameterError, match=r"'leek' has no test images in .*; there are bagel, cable_gland"):
        score_maps(open_dataset(data), tmp_path / "maps", category="leek")
    with pytest.raises(ParameterError, match="has no test images"):
        score_maps(open_dataset(data).select(split="train"), tmp_path / "maps")


def test_the_keys_of_eyecandies(tmp_path):
    data = open_dataset(trees.eyecandies(tmp_path / "set"))
    for number, value in (("00", 0.25), ("01", 0.5)):
        trees.save(tmp_path / f"maps/GummyBear/test_public/{number}.npy", np.full(trees.RGB.shape[:2], value))
    found = score_maps(data, tmp_path / "maps")
    assert [image["score"] for image in found.images] == [0.25, 0.5]
    assert found.figures["I-AUROC"] == 1.0


def test_maps_of_another_size_are_resized_and_the_protocol_says_so(tmp_path):
    maps = write_maps(tmp_path / "maps", size=(24, 40))
    found = score_maps(open_dataset(parts()), tmp_path / "maps", out=tmp_path / "out")
    assert found.protocol["maps resized bilinearly from"] == [(40, 24)]
    full = {key: cv2.resize(image, (64, 64), interpolation=cv2.INTER_LINEAR) for key, image in maps.items()}
    wanted = expected(full)
    assert {name: found.figures[name] for name in FIGURES[1:]} == {name: wanted[name] for name in FIGURES[1:]}
    for image in found.images:
        assert image["score"] == maps[image["key"]].max()
        kept = tifffile.imread(tmp_path / "out" / "maps" / f"{image['key']}.tiff")
        assert kept.dtype == np.float32
        np.testing.assert_array_equal(kept, full[image["key"]])


def test_as_published_adds_figures_and_says_what_they_are(tmp_path):
    write_maps(tmp_path / "maps")
    plain = score_maps(open_dataset(parts()), tmp_path / "maps")
    found = score_maps(open_dataset(parts()), tmp_path / "maps", as_published=True)
    assert tuple(plain.figures) == FIGURES
    assert tuple(found.figures) == FIGURES + PUBLISHED
    assert PUBLISHED[0] == "AUPRO@0.3 (100 thresholds)"
    assert found.protocol.keys() - plain.protocol.keys() == {"AUPRO (100 thresholds)"}
    assert found.intervals == plain.intervals


def test_a_defect_without_a_mask_leaves_the_images(tmp_path):
    for group in ("good", "scratch"):
        trees.own_images(tmp_path / "own/test" / group, names=("000", "001"))
        for name in ("000", "001"):
            trees.save(
                tmp_path / f"maps/test/{group}/{name}.npy", np.full(trees.RGB.shape[:2], group == "scratch", float)
            )
    found = score_maps(open_dataset(tmp_path / "own"), tmp_path / "maps")
    assert found.figures == {"I-AUROC": 1.0}
    assert found.curves.keys() == {"ROC"}
    trees.save(tmp_path / "own/test/scratch/mask/000.png", trees.WHITE * 0)
    trees.save(tmp_path / "own/test/scratch/mask/001.png", trees.WHITE)
    found = score_maps(open_dataset(tmp_path / "own"), tmp_path / "maps")
    assert found.figures["P-AUROC"] < 1
    assert found.protocol["anomalous images without a marked pixel"] == 1


def test_maps_that_cannot_be_used_are_named(tmp_path):
    data = open_dataset(parts())
    maps = tmp_path / "maps"
    write_maps(maps)
    first, second = list(opened())[:2]
    (maps / f"{second}.tiff").unlink()
    with pytest.raises(FileError, match=rf"{second}.tiff: no such map .* as for 1 of 10 test images"):
        score_maps(data, maps)
    (maps / f"{first}.tiff").unlink()
    with pytest.raises(FileError, match=rf"{first}.tiff: no such map .* as for 2 of 10"):
        score_maps(data, maps)
    good = np.zeros((64, 64), np.float32)
    for name in (first, second):
        trees.save(maps / f"{name}.npy", good)
    trees.save(maps / f"{second}.png", np.uint16(good))
    with pytest.raises(FileError, match=rf"{second}.png: is a second map of {second}, as .*{second}.npy; keep one"):
        score_maps(data, maps)
    (maps / f"{second}.png").unlink()
    for wrong, said in (
        (good + np.nan, "holds NaN or infinity"),
        (good - np.inf, "holds NaN or infinity"),
        (np.dstack([good, good + 1, good]), "one channel"),
    ):
        trees.save(maps / f"{second}.npy", wrong)
        with pytest.raises(FileError, match=rf"{second}.npy: .*{said}"):
            score_maps(data, maps)
    (maps / f"{second}.npy").write_bytes(b"no array")
    with pytest.raises(FileError, match=rf"{second}.npy: is not a NPY file"):
        score_maps(data, maps)
    (maps / f"{second}.npy").unlink()
    (maps / f"{second}.npy").symlink_to(trees.save(tmp_path / "elsewhere.npy", good))
    with pytest.raises(FileError, match=rf"{second}.npy: leads outside"):
        score_maps(data, maps)


def test_nothing_that_is_read_is_written_over(tmp_path):
    write_maps(tmp_path / "out" / "maps")
    for out in (tmp_path / "out", tmp_path / "out" / "maps", parts() / "out"):
        with pytest.raises(FileError, match="must be separate folders"):
            score_maps(open_dataset(parts()), tmp_path / "out" / "maps", out=out)


# The command


def test_score_prints_the_figures_and_writes_the_folder(tmp_path):
    maps = write_maps(tmp_path / "maps")
    done = run("--maps", tmp_path / "maps", "--data", parts(), "--out", tmp_path / "out", "--as-published")
    assert done.exit_code == 0, done.output
    head, *lines = done.stdout.splitlines()
    assert head.split() == ["figure", "value", "95", "%", "interval"]
    wanted = expected(maps)
    assert [line[:27].rstrip() for line in lines[:12]] == [*FIGURES, *PUBLISHED]
    assert [line[29:35] for line in lines[:8]] == [f"{wanted[name]:.4f}" for name in FIGURES]
    found = Evaluation.from_json((tmp_path / "out" / "evaluation.json").read_bytes())
    low, high = found.intervals["I-AUROC"]
    assert lines[0][35:] == f"  {low:.4f} … {high:.4f}"
    assert len(lines[8]) == 35
    assert found.figures["AP"] == pytest.approx(wanted["AP"], abs=1e-12)
    names = ["evaluation.json", "figures", "maps", "report.html"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == names
    assert len(list((tmp_path / "out" / "maps").rglob("*.tiff"))) == len(maps)


def test_one_good_image_gives_no_interval_and_that_is_said(tmp_path):
    data = shutil.copytree(parts(), tmp_path / "data")
    for path in data.glob("*/test/good/*/001.*"):
        path.unlink()
    write_maps(tmp_path / "maps")
    done = run("--maps", tmp_path / "maps", "--data", data, "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    said = "none: they need two good and two anomalous images, and there are 1 and 8"
    assert f"95 % intervals: {said}\n" in done.stdout
    assert done.stdout.splitlines()[0].split() == ["figure", "value"]
    found = Evaluation.from_json((tmp_path / "out" / "evaluation.json").read_bytes())
    assert (found.intervals, found.protocol["intervals"]) == ({}, said)
    assert said in (tmp_path / "out" / "report.html").read_text()


def test_a_figure_that_cannot_be_said_is_not_printed_as_a_number(capsys):
    show_figures(Evaluation({"I-AUROC": 0.5, "AP": math.nan}, (), {}, {"I-AUROC": (0.25, 1.0)}))
    assert capsys.readouterr().out == (
        "figure   value   95 % interval\nI-AUROC  0.5000  0.2500 … 1.0000\nAP       not defined\n"
    )


def test_mistakes_are_one_line(tmp_path):
    (tmp_path / "maps").mkdir()
    for arguments, said in (
        (("--maps", tmp_path / "maps", "--data", parts()), "no such map (nor .npy or .png), as for 10 of 10"),
        (("--maps", tmp_path / "nowhere", "--data", parts()), "does not exist"),
        (("--maps", tmp_path / "maps", "--data", tmp_path), "no known layout"),
        (("--maps", tmp_path / "maps", "--data", parts(), "--category", "leek"), "there are potato"),
        (("--data", parts()), "Missing option '--maps'"),
    ):
        done = run(*arguments)
        assert done.exit_code == 2, done.output
        assert done.stderr.count("\n") == 1, done.stderr
        assert done.stderr.startswith("das3d-ref: error: ")
        assert said in done.stderr


# Evaluations of a detector


def test_maps_are_kept_and_read_again_not_held(tmp_path, monkeypatch):
    found = Detector.load(detector())
    wanted = evaluate(found, source())
    made, most = [], 0
    anomaly_map = Detector.anomaly_map

    def watched(self, item):
        nonlocal most
        image = anomaly_map(self, item)
        made.append(weakref.ref(image))
        most = max(most, sum(one() is not None for one in made))
        return image

    monkeypatch.setattr(Detector, "anomaly_map", watched)
    result = evaluate(found, source(), out=tmp_path / "out", as_published=True)
    assert most <= 2
    assert {name: result.figures[name] for name in FIGURES} == wanted.figures
    assert (result.images, result.intervals, result.curves) == (wanted.images, wanted.intervals, wanted.curves)
    assert result.figures.keys() - wanted.figures.keys() == set(PUBLISHED)
    entry = source().test[3]
    kept = tifffile.imread(tmp_path / "out" / "maps" / f"{entry.key}.tiff")
    np.testing.assert_array_equal(kept, anomaly_map(found, source().item(entry, None)))
    with pytest.raises(FileError, match="must be separate folders"):
        evaluate(found, source(), out=source().dataset.root / "out")


def test_its_own_maps_score_alike(tmp_path):
    """`score` on the prepared images and the kept maps gives the figures of pixels that `evaluate` gave."""
    found = evaluate(Detector.load(detector()), source(), out=tmp_path / "out")
    again = score_maps(source().dataset, tmp_path / "out" / "maps")
    assert {name: again.figures[name] for name in FIGURES[1:]} == {name: found.figures[name] for name in FIGURES[1:]}


def test_json_gives_the_evaluation_back(tmp_path):
    found = evaluate(Detector.load(detector()), source())
    text = json.loads(found.to_json())
    assert text.keys() == {"figures", "images", "protocol", "intervals", "curves", "date"}
    again = Evaluation.from_json(found.to_json())
    assert dataclasses.replace(again, protocol=found.protocol) == found
    assert again.to_json() == found.to_json()
    unsaid = dataclasses.replace(found, figures={"AP": math.nan})
    assert json.loads(unsaid.to_json())["figures"] == {"AP": None}
    assert math.isnan(Evaluation.from_json(unsaid.to_json()).figures["AP"])
    for wrong in (b"[]", b"{", b"{}", found.to_json().replace(b'"figures": {', b'"figures": [{}], "other": {')):
        with pytest.raises(FileError, match=r"here\.json: is not"):
            Evaluation.from_json(wrong, path="here.json")


def test_a_prepared_copy_keeps_its_keys(tmp_path):
    """The keys of prepared images are those of their source, so maps go with either."""
    shutil.copytree(source().dataset.root, tmp_path / "prepared")
    write_maps(tmp_path / "maps")
    found = score_maps(open_dataset(tmp_path / "prepared"), tmp_path / "maps")
    assert found.protocol["resolution"] == [(48, 48)]
    assert found.protocol["maps resized bilinearly from"] == [(64, 64)]


def test_an_evaluation_shows_itself():
    images = tuple({"key": str(k), "defect": "", "label": k == 2, "score": 0.1, "verdict": None} for k in range(3))
    found = Evaluation({"I-AUROC": 0.75, "F1": math.nan}, images, {}, {"I-AUROC": (0.5, 1.0)})
    assert repr(found) == "Evaluation(I-AUROC 0.750, F1 nan; 2 good and 1 anomalous images)"
    assert "<th>I-AUROC</th><td>0.750</td><td>0.500 … 1.000</td>" in found._repr_html_()
