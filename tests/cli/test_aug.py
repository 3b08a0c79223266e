"""The command line: exit codes, one-line errors, quick help, interruption."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from das3d_cli.aug import main
from helpers.dumps import write_folder

from das3d_aug import doctor
from das3d_aug.datasets.demo import FAMILIES
from das3d_aug.files import encode_png, encode_tiff, read_plane, read_rgb
from das3d_aug.synthesis.kinds import KINDS


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def parts(tmp_path: Path) -> Path:
    out = tmp_path / "parts"
    counts = ("--train", 2, "--validation", 0, "--good", 0, "--per-defect", 0)
    assert run("demo-data", out, *counts, "--size", 48).exit_code == 0
    return out


def test_from_parts_to_a_replayed_anomaly(parts: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = run("generate", parts, "--out", out, "--per-image", 2, "--seed", 4)
    assert done.exit_code == 0, done.output
    count = 2 * 2 * len(FAMILIES)
    assert f"{count} samples" in done.stdout
    assert "encoding and writing" in done.stdout
    assert all(
        row in done.stdout for row in ("colour only", "defect size", "mm²", "depth change", "of the part's range")
    )
    recipes = sorted(out.glob("recipes/**/*.json"))
    assert len(recipes) == count

    again = run("replay", recipes[1], "--out", tmp_path / "again")
    assert again.exit_code == 0, again.output
    assert again.stdout.strip().endswith("same bytes")
    made = [path for path in (tmp_path / "again").rglob("*") if path.is_file()]
    assert len(made) == 6
    for path in made:
        assert path.read_bytes() == (out / path.relative_to(tmp_path / "again")).read_bytes()

    made[0].write_bytes(b"")
    (out / made[0].relative_to(tmp_path / "again")).write_bytes(b"changed")
    assert run("replay", recipes[1]).exit_code in (1, 2)


def test_preview_writes_a_sheet(parts: Path, tmp_path: Path) -> None:
    done = run("preview", parts, "--out", tmp_path / "sheet.png", "--count", 2)
    assert done.exit_code == 0, done.output
    assert read_rgb(tmp_path / "sheet.png").std() > 10
    sorted(parts.rglob("rgb/*.png"))[0].write_bytes(b"")
    done = run("preview", parts, "--out", tmp_path / "sheet.png")
    assert done.exit_code == 0, done.output
    assert done.stderr.count("das3d-aug: warning: ") == 1
    assert "is empty, it has no byte" in done.stderr


def test_recipe_file(parts: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text("dropout = 1.0\n")
    assert run("generate", parts, "--out", tmp_path / "out", "--recipe", recipe, "--limit", 1).exit_code == 0
    recipe.write_text("drop_out = 1.0\n")
    error_line(run("generate", parts, "--out", tmp_path / "out", "--recipe", recipe), "drop_out")


def test_a_bad_file_gives_exit_code_1(parts: Path, tmp_path: Path) -> None:
    victim = next(parts.rglob("rgb/*.png"))
    victim.write_bytes(b"\x89PNG")
    done = run("generate", parts, "--out", tmp_path / "out")
    assert done.exit_code == 1
    assert f"das3d-aug: failed: {victim}: " in done.stderr


def error_line(done: Result, word: str) -> None:
    assert done.exit_code == 2, done.output
    assert done.stderr.startswith("das3d-aug: error: ")
    assert done.stderr.count("\n") == 1
    assert word in done.stderr


def test_every_mistake_is_one_line_and_exit_code_2(parts: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    error_line(run("generate", parts), "--out")
    error_line(run("generate", tmp_path / "nowhere", "--out", out), "nowhere")
    error_line(run("generate", parts, "--out", parts / "inside"), "separate folders")
    error_line(run("generate", parts, "--out", out, "--size", "huge"), "'huge'")
    error_line(run("generate", parts, "--out", out, "--layout", "tarot"), "tarot")
    error_line(run("generate", parts, "--out", out, "--workers", "-1"), "-1")
    error_line(run("generate", parts, "--out", out, "--depth-scale", "1000"), "--depth-scale is not for the layout")
    error_line(run("conjure"), "conjure")
    error_line(run("replay", next(parts.rglob("*.png"))), "no das3d.json above it")
    assert not out.exists()


def test_without_arguments_help_is_shown() -> None:
    done = run()
    assert done.exit_code == 2
    assert "Commands:" in done.output


def test_help_loads_no_kernels() -> None:
    code = (
        "import sys; from das3d_cli.aug import main\n"
        "try: main(['generate', '--help'])\n"
        "except SystemExit as end: assert end.code == 0\n"
        "heavy = {'numba', 'numpy', 'cv2', 'scipy', 'tifffile', 'rich'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "--per-image" in done.stdout


@pytest.mark.parametrize("workers", [0, 1])
def test_ctrl_c_says_how_to_go_on(parts: Path, tmp_path: Path, workers: int) -> None:
    code = "from das3d_cli.aug import main\nif __name__ == '__main__': main()"
    script = tmp_path / "das3d.py"
    script.write_text(code)
    out = tmp_path / "out"
    arguments = ["generate", parts, "--out", out, "--per-image", "400", "--workers", str(workers)]
    command = [sys.executable, str(script), *map(str, arguments)]
    process = subprocess.Popen(command, env=environment(), stderr=subprocess.PIPE, text=True, start_new_session=True)
    while not list(out.glob("recipes/**/*.json")) and process.poll() is None:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the workers as well
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    # click ends the terminal's "^C" with a line break
    assert stderr == "\ndas3d-aug: interrupted; what is finished is kept: run the same command again\n"
    assert not list(out.rglob("*.partial"))


def test_what_others_print_does_not_come_between_a_program_and_its_object(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_plug_ins", lambda: print("hello from a plug-in") or iter(()))
    done = run("doctor", "--json")
    assert json.loads(done.stdout)["command"] == "doctor"
    assert "hello from a plug-in" in done.stderr


def test_sizes_in_mm_need_a_camera_or_points(parts: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "mm.toml"
    recipe.write_text('kinds = { dent = 1 }\nlength_unit = "mm"\nsize = [2, 3]\nheight = [1, 1]\ndropout = 0.0\n')
    assert run("generate", parts, "--out", tmp_path / "a", "--recipe", recipe, "--limit", 1).exit_code == 0
    own = tmp_path / "own"
    for name, image in (("rgb", np.full((64, 64, 3), 90, np.uint8)), ("depth", np.full((64, 64), 500, np.uint16))):
        (own / name).mkdir(parents=True)
        (own / name / "000.png").write_bytes(encode_png(image))
    done = run("generate", own, "--unit", "mm", "--out", tmp_path / "b", "--recipe", recipe)
    assert done.exit_code == 1
    assert "needs camera=: give what is missing" in done.stderr  # the unit is known
    assert "--unit" not in done.stderr


def test_what_has_no_unit_is_told_without_one(tmp_path: Path) -> None:
    source = write_folder(tmp_path / "parts")
    done = run("generate", source, "--out", tmp_path / "out", "--recipe", "realistic", "--count", 3)
    assert done.exit_code == 0, done.output
    assert "depth change" in done.stdout
    assert "unknown" not in done.stdout


@pytest.mark.parametrize(
    "command",
    [("preview", "parts", "--out"), ("kinds", "--out"), ("fit", "parts", "--sheet"), ("prepare", "parts", "--sheet")],
    ids=lambda command: command[0],
)
def test_a_picture_is_called_what_it_is(command: tuple[str, ...], parts: Path, tmp_path: Path) -> None:
    words = [parts if word == "parts" else word for word in command]
    rest = ["--out", tmp_path / "prepared"] if command[0] == "prepare" else []
    done = run(*words, tmp_path / "sheet.jpg", *rest)
    assert done.exit_code == 2
    assert "a PNG is written, so its name ends in .png, got 'sheet.jpg'" in done.stderr
    assert not (tmp_path / "sheet.jpg").exists()


@pytest.mark.parametrize("command", ["preview", "fit", "prepare"])
def test_a_picture_is_not_written_among_the_data(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write_folder(tmp_path / "parts")
    before = {path: path.read_bytes() for path in source.rglob("*") if path.is_file()}
    flat = write_flat(tmp_path / "flat")
    rest = {"preview": ["--out"], "fit": ["--sheet"], "prepare": ["--out", tmp_path / "out", "--sheet"]}[command]
    for folder, picture in ((source, "rgb/p0.png"), (source, source / "depth/sheet.png"), (flat, "sheet.png")):
        monkeypatch.chdir(folder)
        done = run(command, ".", *rest, picture)
        assert done.exit_code == 2
        assert "among the data: write the picture elsewhere" in done.stderr
    assert before == {path: path.read_bytes() for path in source.rglob("*") if path.is_file()}
    assert run("preview", source, "--out", source / "sheet.png").exit_code == 0


def write_flat(root: Path) -> Path:
    root.mkdir()
    for index in range(2):
        (root / f"{index}.png").write_bytes(encode_png(np.full((48, 48, 3), 50 * index, np.uint8)))
    return root


def test_a_preview_of_samples_that_cannot_be_drawn_names_one(tmp_path: Path) -> None:
    source = write_folder(tmp_path / "parts")
    for path in (source / "depth").iterdir():
        path.write_bytes(encode_tiff(np.full((48, 48), np.nan, np.float32)))
    done = run("preview", source, "--out", tmp_path / "sheet.png")
    assert done.exit_code == 2
    assert done.stderr.startswith("das3d-aug: error: p0: depth has no valid pixel")


def test_doctor(monkeypatch: pytest.MonkeyPatch) -> None:
    done = run("doctor")
    assert "numba" in done.stdout
    assert done.exit_code == (1 if "FAIL" in done.stdout else 0)

    versions = {"opencv-python": "5.0.0.93", "opencv-python-headless": "4.12.0.88"}
    monkeypatch.setattr(doctor, "_version", lambda name: versions.get(name, "1"))
    done = run("doctor")
    assert done.exit_code == 1
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("FAIL  opencv "))
    assert "opencv-python-headless==5.0.0.93" in line


def test_doctor_sees_that_no_kernel_would_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("numba.config.DISABLE_JIT", 1)
    done = run("doctor")
    assert done.exit_code == 1
    assert "no kernel runs while NUMBA_DISABLE_JIT is set: unset it" in done.output


def test_doctor_lists_plug_ins_and_what_keeps_them_from_working(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "plug-ins        none" in run("doctor").stdout
    (tmp_path / "doctored.py").write_text(
        "from das3d_aug.datasets import Dataset\nfrom das3d_aug.synthesis.kinds import DefectKind, KINDS\n"
        "import dataclasses\nclass Mine(Dataset): pass\nbubble = dataclasses.replace(KINDS['dent'], name='bubble')\n"
    )
    (tmp_path / "leaving.py").write_text("raise SystemExit('no licence')\n")
    (tmp_path / "doctored-1.5.dist-info").mkdir()
    (tmp_path / "doctored-1.5.dist-info/METADATA").write_text("Name: doctored\nVersion: 1.5\n")
    (tmp_path / "doctored-1.5.dist-info/entry_points.txt").write_text(
        "[das3d.layouts]\nmine = doctored:Mine\nleaves = leaving:Mine\nfolder = doctored:Mine\nstr = builtins:str\n"
        "[das3d.kinds]\nbubble = doctored:bubble\nabsent = nowhere:kind\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr("das3d_aug.synthesis.kinds.registry.KINDS", dict(KINDS))
    done = run("doctor")
    assert done.exit_code == 1
    lines = [line for line in done.stdout.splitlines() if "plug-in" in line]
    found = {line.split()[3]: line for line in lines}
    assert len(found) == len(lines) == 6
    assert {name: line[:4] for name, line in found.items()} == {
        "mine:": "ok  ", "leaves:": "FAIL", "folder:": "FAIL", "str:": "FAIL", "bubble:": "ok  ", "absent:": "FAIL"
    }  # fmt: skip
    assert found["mine:"].endswith("das3d.layouts mine: doctored:Mine of doctored 1.5")
    assert found["leaves:"].endswith("cannot be loaded: SystemExit no licence")
    assert "its name is taken" in found["folder:"]
    assert found["str:"].endswith("is not a subclass of das3d_aug.datasets.Dataset")
    assert found["absent:"].endswith("cannot be loaded: No module named 'nowhere'")


def test_doctor_names_the_missing_system_library(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str) -> None:
        raise OSError("libGL.so.1: cannot open shared object file: No such file or directory")

    monkeypatch.setattr(doctor.importlib, "import_module", broken)
    finding = next(finding for finding in doctor.examine() if finding.name == "opencv")
    assert not finding.ok
    assert finding.detail.endswith("apt-get install libgl1")


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


def test_what_looks_wrong_is_in_the_json_too(parts: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text("dropout = 0\nmagnitude = [2, 3]\narea = [0.1, 0.3]\n")
    done = run("generate", parts, "--out", tmp_path / "out", "--recipe", recipe, "--json")
    told = json.loads(done.stdout)
    assert told["result"]["breakdown"]["both"] == 6
    assert ["more than the part's own range" in warning["reason"] for warning in told["warnings"]] == [True]
    assert "of 6 samples, such as biscuit/000: the depth changes by more" in done.stderr


def test_formats_and_a_replayed_sample_of_a_shard(parts: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = run("generate", parts, "--out", out, "--format", "webdataset", "--shard-size", 4)
    assert done.exit_code == 0, done.output
    again = run("replay", out / "shard-000001.tar", "--sample", "000005", "--out", tmp_path / "again")
    assert again.exit_code == 0, again.output
    assert len(list((tmp_path / "again").glob("000005.*"))) == 6
    error_line(run("replay", out / "shard-000001.tar"), "sample must be given")
    error_line(run("generate", parts, "--out", tmp_path / "x", "--shard-size", 2**15 + 1), "1<=x<=32768")
    error_line(run("generate", parts, "--out", tmp_path / "other", "--format", "zip"), "'zip'")


def test_compression(parts: Path, tmp_path: Path) -> None:
    sizes = []
    for compression in ("small", "default", "none"):
        out = tmp_path / compression
        assert run("generate", parts, "--out", out, "--compression", compression, "--limit", 1).exit_code == 0
        sizes.append(sum(path.stat().st_size for path in out.rglob("rgb/*.png")))
    assert sizes == sorted(set(sizes))
    error_line(run("generate", parts, "--out", tmp_path / "other", "--compression", "best"), "'best'")


def test_the_engine_needs_tasks_and_ray(parts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)  # not installed
    out = tmp_path / "out"
    for options in ((), ("--task", 0, "--tasks", 2)):
        error_line(run("generate", parts, "--out", out, "--engine", "ray", *options), "give --tasks N, and no --task")
    error_line(run("generate", parts, "--out", out, "--address", "head:6379"), "--address is that of --engine ray")
    error_line(run("generate", parts, "--out", out, "--engine", "ray", "--tasks", 2), "pip install '.[ray]'")
    assert not out.exists()


def test_tasks_and_their_merge(tmp_path: Path) -> None:
    parts, out = write_folder(tmp_path / "parts"), tmp_path / "out"
    error_line(run("merge", tmp_path / "none"), "none")
    error_line(run("merge", parts), "is no folder that generate wrote")
    error_line(run("generate", parts, "--out", out, "--task", 2, "--tasks", 2), "got --task 2 and --tasks 2")
    error_line(run("generate", parts, "--out", out, "--tasks", 2), "--task must be one of 0")
    done = run("generate", parts, "--out", out, "--task", 1, "--tasks", 2)
    assert done.exit_code == 0, done.output
    assert f"next: das3d-aug merge {out}, when all 2 tasks have ended" in done.stdout
    error_line(run("merge", out), "tasks 0 of 2 have not ended: run them, then merge again")
    assert run("generate", parts, "--out", out, "--task", 0, "--tasks", 2).exit_code == 0
    merged = json.loads(run("merge", out, "--json").stdout)
    alone = json.loads(run("generate", parts, "--out", out, "--json").stdout)
    assert {**merged, "command": "generate"} | {"result": None} == alone | {"result": None}
    assert merged["result"] | {"seconds": None} == alone["result"] | {"seconds": None}
    assert merged["result"]["complete_before"] == 3
    for task in (0, 1):
        (parts / "depth/p1.tiff").write_bytes(b"")
        run("generate", parts, "--out", tmp_path / "bad", "--task", task, "--tasks", 2)
    done = run("merge", tmp_path / "bad")
    assert done.exit_code == 1
    assert "1 source failed; mend what fails and run the tasks and merge again" in " ".join(done.stdout.split())
    assert done.stderr.count("is empty, it has no byte") == 1


def test_merge_speaks_in_the_options_of_generate(tmp_path: Path) -> None:
    parts, out = write_folder(tmp_path / "parts"), tmp_path / "out"
    recipe = tmp_path / "recipe.toml"
    recipe.write_text("area = [0.0005, 0.0006]\n")
    options = ("--recipe", recipe, "--count", 3, "--task", 0, "--tasks", 1)
    said = run("generate", parts, "--out", out, *options).stderr
    assert "take a larger --size" in said
    assert run("merge", out).stderr == said


def test_what_is_odd_about_the_depth_is_said_once_and_named_numbers_are_not(tmp_path: Path) -> None:
    parts = write_folder(tmp_path / "parts")
    for path in sorted((parts / "depth").iterdir()):
        depth = read_plane(path)
        depth[:4] = 65535
        path.write_bytes(encode_tiff(depth))
    said = run("generate", parts, "--out", tmp_path / "a", "--limit", "2").stderr
    assert said.count("warning") == 1
    assert "warning: 2 sources: many pixels hold 65535, an extreme: if it means 'not measured', say --invalid" in said
    assert "warning" not in run("generate", parts, "--out", tmp_path / "b", "--invalid", "65535,-1").stderr
    assert "numbers joined by commas" in run("preview", parts, "--invalid", "x").stderr
    done = run("preview", parts, "--invalid", "-32768", "--depth-axis", "towards", "--out", tmp_path / "s.png")
    assert "holds the height 65535" in done.stderr
    recipe = next((tmp_path / "a" / "recipes").rglob("*.json"))
    assert "--points needs --out" in run("replay", recipe, "--points", "ply").stderr


def test_the_kinds_are_listed_and_drawn(tmp_path: Path) -> None:
    done = run("kinds", "--out", str(tmp_path / "kinds.png"))
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines[:-1]] == list(KINDS)
    assert all(KINDS[line.split()[0]].about in line for line in lines[:-1])
    rows, columns, _ = read_rgb(tmp_path / "kinds.png").shape
    assert columns == 6 * 230
    assert rows == -(-len(KINDS) // 3) * (26 + 230)
