"""``das3d-ref`` as users type it: train, evaluate, predict, presets; and what it says when something is wrong."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from click.testing import CliRunner
from das3d_cli.ref import main
from helpers.dumps import environment, put
from helpers.jobs import SMALL
from helpers.runs import detector, parts, picture, workplace

from das3d_aug.files import encode_png, encode_tiff
from das3d_ref import PRESETS, Detector


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def mistake(*arguments):
    """Return the one line that a mistake is told in."""
    done = run(*arguments)
    assert done.exit_code == 2, done.output
    assert done.stderr.count("\n") == 1, done.stderr
    assert done.stderr.startswith("das3d-ref: error: ")
    return done.stderr


def test_training_takes_the_recipe_that_fit_writes(tmp_path):
    recipe, model = tmp_path / "recipe.toml", tmp_path / "model"
    recipe.write_text("kinds = { dent = 1.0 }\nsize = [0.2, 0.4]\n")
    options = ("--data", parts(), "--out", model, "--cache", workplace() / "prepared", *SMALL, "--recipe", recipe)
    done = run("train", *options, "--set", "training.steps=1")
    assert done.exit_code == 0, done.output
    kept = Detector.load(model).config.synthesis
    assert (dict(kept.kinds), kept.size, kept.area) == ({"dent": 1.0}, (0.2, 0.4), (0.05, 0.2))
    recipe.write_text("kinds = 3\n")
    assert "recipe.toml: kinds must be weights" in mistake("train", *options[:2], "--out", tmp_path / "b", *options[4:])


def test_from_training_to_verdicts(tmp_path):
    model, cache = tmp_path / "model", workplace() / "prepared"
    done = run("train", "--data", parts(), "--out", model, "--cache", cache, *SMALL, "--set", "training.steps=8")
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert [line.split(":")[0] for line in lines[:2]] == ["step 4/8", "step 8/8"]
    assert "loss 0." in lines[0]
    assert "validation AP 0." in lines[0]
    assert lines[2].startswith(f"{model}: the detector of step ")
    assert lines[3].startswith("threshold 0.")
    assert lines[4] == f"next: das3d-ref evaluate {model} --data {parts()}"

    done = run(*lines[4].split()[2:], "--cache", cache, "--out", tmp_path / "results")
    assert done.exit_code == 0, done.output
    figures = {line.split()[0]: line.split()[1] for line in done.stdout.splitlines()[1:-1]}
    saved = json.loads((tmp_path / "results" / "evaluation.json").read_text())
    assert {name: f"{figure:.4f}" for name, figure in saved["figures"].items()} == figures
    assert len(saved["images"]) == len(list((tmp_path / "results" / "maps").rglob("*.tiff"))) == 10
    assert "<html" in (tmp_path / "results" / "report.html").read_text()

    done = run("predict", model, parts() / "potato", "--out", tmp_path / "verdicts")
    assert done.exit_code == 0, done.output
    lines = (tmp_path / "verdicts" / "predictions.jsonl").read_text().splitlines()
    anomalous = sum(json.loads(line)["verdict"] == "anomalous" for line in lines)
    assert f": 19 of 19 images judged, {anomalous} anomalous (score above 0." in done.stdout
    assert len(lines) == 19


@pytest.mark.parametrize("geometry", ["depth", "scaled", "xyz"])
def test_one_image(tmp_path, geometry):
    from das3d_aug.datasets import open_dataset

    sample = next(iter(open_dataset(parts()).select(split="test")))
    camera = {"fx": 100.0, "fy": 100.0, "cx": 31.5, "cy": 31.5}
    put(tmp_path / "part 7.png", encode_png(sample.rgb))
    put(tmp_path / "depth.tiff", encode_tiff(sample.depth))
    put(tmp_path / "scaled.tiff", encode_tiff(np.float32(sample.depth * 5000)))
    put(tmp_path / "points.tiff", encode_tiff(sample.xyz))
    put(tmp_path / "camera.json", json.dumps(camera).encode())
    named = {
        "depth": ("--depth", tmp_path / "depth.tiff", "--intrinsics", tmp_path / "camera.json"),
        "scaled": (
            "--depth",
            tmp_path / "scaled.tiff",
            "--depth-scale",
            5000,
            "--intrinsics",
            tmp_path / "camera.json",
        ),
        "xyz": ("--xyz", tmp_path / "points.tiff"),
    }[geometry]
    done = run("predict", detector(), tmp_path / "part 7.png", *named, "--unit", "m", "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    (line,) = map(json.loads, (tmp_path / "out" / "predictions.jsonl").read_text().splitlines())
    from das3d_aug.geometry import Intrinsics

    given = {"xyz": sample.xyz} if geometry == "xyz" else {"camera": Intrinsics(**camera)}
    wanted = Detector.load(detector()).predict(sample.rgb, sample.depth, **given)
    assert line["key"] == "part 7"
    assert line["score"] == pytest.approx(wanted.score, abs=1e-5)
    found = tifffile.imread(tmp_path / "out" / "maps" / "part 7.tiff")
    np.testing.assert_allclose(found, wanted.anomaly_map, atol=1e-4)


@pytest.mark.parametrize("kind", ["heights", "raw"])
def test_one_image_is_read_as_one_of_a_folder(tmp_path, kind):
    """Heights, and depth of no known unit: the same line, whichever way the files are given."""
    rgb, depth, _ = picture()
    if kind == "heights":
        data, name = encode_tiff(np.where(depth > 0, np.float32(0.5) - depth, np.float32(-32768))), "0.tiff"
        options = ("--depth-axis", "towards", "--invalid", "-32768")
    else:
        data, name, options = encode_png(np.uint16(depth * 5000)), "0.png", ()
    for index in range(4):
        put(tmp_path / f"in/rgb/{index}.png", encode_png(rgb))
        put(tmp_path / "in/depth" / name.replace("0", str(index)), data)
    settings = ("--set", "training.steps=1", "--set", "preparation.foreground=all")
    settings += ("--set", "preparation.normalise=dataset", *options)
    done = run("train", "--data", tmp_path / "in", "--out", tmp_path / "model", *SMALL, *settings)
    assert done.exit_code == 0, done.output
    for what, out in ((("in",), "all"), (("in/rgb/0.png", "--depth", tmp_path / "in/depth" / name), "one")):
        done = run("predict", tmp_path / "model", tmp_path / what[0], *what[1:], "--out", tmp_path / out, *options)
        assert done.exit_code == 0, done.output
    (one,) = (tmp_path / "one/predictions.jsonl").read_text().splitlines()
    assert one == (tmp_path / "all/predictions.jsonl").read_text().splitlines()[0]


def test_a_failed_image_is_told_and_the_exit_code_is_1(tmp_path):
    rgb, depth, _ = picture()
    for name in ("a", "b"):
        put(tmp_path / f"in/rgb/{name}.png", encode_png(rgb))
        put(tmp_path / f"in/depth/{name}.tiff", encode_tiff(depth))
    put(tmp_path / "in/intrinsics.json", b'{"fx": 60, "fy": 60, "cx": 25.5, "cy": 19.5}')
    put(tmp_path / "in/rgb/b.png", b"no picture")
    done = run("predict", detector(), tmp_path / "in", "--unit", "m", "--out", tmp_path / "out")
    assert done.exit_code == 1
    told = [line for line in done.stderr.splitlines() if line.startswith("das3d-ref: failed: b: ")]
    assert len(told) == 1
    assert "of 2 images judged" in done.stdout


def test_options_of_the_data_reach_the_reader(tmp_path):
    rgb, depth, _ = picture()
    for index in range(4):
        put(tmp_path / f"in/rgb/{index}.png", encode_png(rgb))
        put(tmp_path / f"in/depth/{index}.png", encode_png(np.uint16(depth * 5000) + np.uint16(index)))
    put(tmp_path / "in/intrinsics.json", b'{"fx": 60, "fy": 60, "cx": 25.5, "cy": 19.5}')
    options = ("--data", tmp_path / "in", "--out", tmp_path / "model", *SMALL, "--set", "training.steps=1")
    options += ("--set", "preparation.normalise=dataset", "--set", "preparation.fallback=keep")
    done = run("train", *options, "--depth-scale", 5000, "--unit", "m", "--mode", "depth", "--seed", 3)
    assert done.exit_code == 0, done.output
    header = json.loads((tmp_path / "model" / "detector.json").read_text())
    assert header["depth_range"]["high"] == pytest.approx(depth.max(), abs=1e-3)
    assert header["depth_range"]["unit"] == "m"
    assert (header["config"]["mode"], header["config"]["seed"]) == ("depth", 3)
    assert (tmp_path / "prepared").is_dir()
    following = done.stdout.splitlines()[-1]
    assert following == (
        f"next: das3d-ref predict {tmp_path}/model NEW --out verdicts --depth-scale 5000 --unit m "
        f"(NEW: images; {tmp_path}/in has no test/)"
    )
    done = run(
        *following.partition(" (")[0]
        .replace("NEW", f"{tmp_path}/in")
        .replace("verdicts", str(tmp_path / "out"))
        .split()[2:]
    )
    assert done.exit_code == 0, done.output
    same = ("--data", tmp_path / "in", "--depth-scale", 5000, "--unit", "m")
    assert f"{tmp_path}/in has no test images: put good ones into test/good/" in mistake(
        "evaluate", tmp_path / "model", *same
    )


def test_mistakes_are_one_line(tmp_path):
    data = ("--data", parts())
    assert "training.stepps" in mistake("train", *data, "--out", tmp_path / "a", "--set", "training.stepps=3")
    assert "category 'leek' is not in" in mistake("train", *data, "--out", tmp_path / "a", "--category", "leek")
    assert "holds no detector (detector.json)" in mistake("predict", parts(), parts(), "--out", tmp_path / "a")
    assert "Missing option '--out'" in mistake("predict", detector(), parts())
    assert "does not exist" in mistake("evaluate", detector(), "--data", tmp_path / "nowhere")
    assert "no known layout" in mistake("evaluate", detector(), "--data", tmp_path)
    assert "no known layout" in mistake("predict", detector(), tmp_path, "--out", tmp_path / "a")
    assert "'huge' is not one of" in mistake("presets", "huge")
    assert "holds a training run already; go on with --resume, or use another folder" in mistake(
        "train", *data, "--out", detector(), "--cache", workplace() / "prepared", *SMALL
    )
    image = parts() / "potato/test/good/rgb/000.png"
    out = ("--out", tmp_path / "a")
    assert f"--depth does not go with {parts()}, which is a folder" in mistake(
        "predict", detector(), parts(), "--depth", image, *out
    )
    assert "--layout does not go with" in mistake("predict", detector(), image, "--layout", "folder", *out)
    assert not (tmp_path / "a" / "maps").exists()


def test_one_image_without_its_depth(tmp_path):
    image = parts() / "potato/test/good/rgb/000.png"
    done = run("predict", detector(), image, "--out", tmp_path)
    assert done.exit_code == 1
    assert done.stderr == (
        f"das3d-ref: failed: 000: {image}: needs its depth or its points, one of them: give --depth or --xyz\n"
    )


def test_presets_are_listed_and_printed():
    listed = run("presets").stdout
    assert [line.split()[0] for line in listed.splitlines()] == list(PRESETS)
    for name in PRESETS:
        assert "training" in tomllib.loads(run("presets", name).stdout)


def test_without_the_extra_one_line_says_what_to_install():
    call = "main(['train', '--data', '.', '--out', 'nowhere'])"
    code = f"import sys; sys.modules['kornia'] = None; from das3d_cli.ref import main; {call}"
    done = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True)
    assert done.returncode == 2
    line = "das3d-ref: error: kornia is not installed: pip install '.[ref]' in the checkout of das3d\n"
    assert done.stderr == line


def test_help_is_quick():
    code = (
        "import sys; import das3d_cli.ref; print([m for m in ('torch', 'numba', 'cv2', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment())
    assert done.stdout == "[]\n"


def test_interrupted_it_says_how_to_go_on(tmp_path):
    out = tmp_path / "out"
    settings = [*SMALL, "--set", "training.steps=100000", "--cache", str(workplace() / "prepared")]
    process = subprocess.Popen(
        [sys.executable, "-m", "das3d_cli.ref", "train", "--data", str(parts()), "--out", str(out), *settings],
        env={**environment(), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not (out / "training.safetensors").exists() and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    # click ends the terminal's "^C" with a line break
    warned, said = said.split("\n", 1)
    assert warned.startswith("das3d-ref: warning: ")
    assert said == "\ndas3d-ref: interrupted; the same command with --resume goes on\n"


def test_without_data_the_demo_set_is_made(tmp_path, monkeypatch):
    from das3d_aug import generation

    small = generation.write_demo_set
    counts = {"families": ("flange",), "train": 4, "validation": 2, "good": 1, "per_defect": 1}
    asked = {}

    def write(out, **options):
        asked.update(options)
        return small(out, **options | counts | {"size": 64})

    monkeypatch.setattr(generation, "write_demo_set", write)
    monkeypatch.chdir(tmp_path)
    done = run("train", *SMALL, "--category", "flange", "--set", "training.steps=1")
    assert done.exit_code == 0, done.output
    assert asked["size"] == 128
    assert done.stdout.splitlines()[-1] == "next: das3d-ref evaluate detector --data demo-set --category flange"
    assert Path("detector/detector.json").is_file()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["demo-set", "detector", "prepared"]
