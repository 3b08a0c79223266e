"""``--json``, ``--quiet``, ``--version``, completion: what programs and shells read."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
from click.testing import CliRunner, Result
from das3d_cli.aug import main as aug
from das3d_cli.program import Program
from das3d_cli.ref import main as ref
from das3d_cli.voice import voice
from helpers.dumps import environment, write_mvtec

from das3d_aug.datasets import open_dataset
from das3d_aug.files import encode_png, encode_tiff
from das3d_aug.generation import write_demo_set

KEYS = ["program", "command", "exit_code", "error", "warnings", "failures", "result"]


def run(main: click.Group, *arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def told(done: Result) -> dict[str, Any]:
    """Return the one object on stdout."""
    assert done.stdout.count("\n") == 1
    values: dict[str, Any] = json.loads(done.stdout)
    assert list(values) == KEYS
    assert values["exit_code"] == done.exit_code
    return values


def test_json_of_a_run_of_one_in_part_and_of_none(tmp_path: Path) -> None:
    source = write_mvtec(tmp_path / "parts")
    made = told(run(aug, "generate", source, "--out", tmp_path / "out", "--json"))
    assert (made["program"], made["command"], made["error"]) == ("das3d-aug", "generate", None)
    result = made["result"]
    assert (result["written"], result["left_out"], result["format"]) == (3, 1, "mvtec3d")
    assert result["seconds"].keys() == {"reading", "synthesis", "encoding and writing"}

    (source / "biscuit/train/good/rgb/001.png").write_bytes(b"\x89PNG")
    part = told(run(aug, "generate", source, "--out", tmp_path / "part", "--json"))
    assert part["exit_code"] == 1
    (failure,) = part["failures"]
    assert failure["about"].endswith("rgb/001.png")
    assert failure["reason"]

    done = run(aug, "generate", source, "--out", tmp_path / "none", "--size", "huge", "--json")
    assert told(done)["error"].startswith("--size must be N or HxW")
    assert done.stderr == f"das3d-aug: error: {told(done)['error']}\n"
    assert told(run(aug, "generate", source, "--json"))["error"] == "Missing option '--out'."
    assert told(run(aug, "conjure", "--json"))["command"] is None


@pytest.mark.parametrize("main", [aug, ref])
def test_every_command_has_both_options_and_help_is_no_json(main: click.Group) -> None:
    for name, command in main.commands.items():
        options = {option for parameter in command.params for option in parameter.opts}
        assert {"--json", "--quiet"} <= options, name
        assert len([parameter for parameter in command.params if parameter.opts == ["--json"]]) == 1
    assert run(main, "--help").exit_code == 0
    assert not run(main, *[next(iter(main.commands)), "--help", "--json"]).stdout.startswith("{")


def test_quiet_leaves_warnings_and_errors_only(tmp_path: Path) -> None:
    source = write_mvtec(tmp_path / "parts")
    done = run(aug, "generate", source, "--out", tmp_path / "out", "--quiet")
    assert (done.exit_code, done.output) == (0, "")
    done = run(aug, "preview", source, "--out", tmp_path / "sheet.png", "--quiet")
    assert (done.exit_code, done.output) == (0, "")
    assert (tmp_path / "sheet.png").is_file()
    assert run(aug, "generate", source, "--out", source / "in", "--quiet").stderr.count("\n") == 1


def program(body: Any) -> Program:
    @click.command("work")
    def work() -> Any:
        return body()

    return Program("tool", commands=[work])


@pytest.mark.filterwarnings("default")
def test_what_a_function_warns_of_is_told_once_without_the_place_in_its_code(tmp_path: Path) -> None:
    for kind in ("rgb", "depth"):
        (tmp_path / "flat" / kind).mkdir(parents=True)
    for index in range(2):
        (tmp_path / f"flat/rgb/{index}.png").write_bytes(encode_png(np.full((48, 64, 3), 99, np.uint8)))
        (tmp_path / f"flat/depth/{index}.tiff").write_bytes(encode_tiff(np.full((48, 64), 500, np.float32)))
    for command in (
        ("preview", tmp_path / "flat", "--out", tmp_path / "sheet.png"),
        ("generate", tmp_path / "flat", "--out", tmp_path / "out", "--foreground", "all"),
    ):
        done = run(aug, *command)
        assert done.exit_code == 0, done.output
        lines = [line for line in done.stderr.splitlines() if "depth has no range" in line]
        assert len(lines) == 1
        assert lines[0].startswith("das3d-aug: warning: ")
        assert "say --magnitude" not in done.stderr
        assert ".py" not in done.stderr
        assert all(line.startswith("das3d-aug: ") for line in done.stderr.splitlines())


@pytest.mark.filterwarnings("default")
def test_what_is_there_and_not_read_is_told_by_every_command(tmp_path: Path) -> None:
    data = tmp_path / "parts"
    write_demo_set(data, families=("flange",), train=2, validation=1, good=1, per_defect=1, size=48)
    (data / "flange/train/good/xyz/camera.zdf").write_bytes(b"x")
    model, maps = tmp_path / "model", tmp_path / "maps"
    for sample in open_dataset(data).select(split="test"):
        (maps / sample.entry.key).parent.mkdir(parents=True, exist_ok=True)
        (maps / f"{sample.entry.key}.tiff").write_bytes(encode_tiff(np.zeros(sample.shape, np.float32)))
    train = ("--data", data, "--preset", "smoke", "--set=training.steps=1", "--set=training.validation_anomalies=2")
    recipe = tmp_path / "start.toml"
    recipe.write_text("kinds = { dent = 1.0 }\n")
    for main, *command in (
        (aug, "generate", data, "--out", tmp_path / "out"),
        (aug, "prepare", data, "--out", tmp_path / "prepared"),
        (aug, "preview", data, "--out", tmp_path / "sheet.png"),
        (aug, "fit", data, "--out", tmp_path / "recipe.toml", "--recipe", recipe),
        (aug, "gap", data, data),
        (ref, "train", *train, "--out", model),
        (ref, "evaluate", model, "--data", data),
        (ref, "baselines", data, "--preset", "smoke", "--out", tmp_path / "baselines"),
        (ref, "predict", model, data, "--out", tmp_path / "verdicts"),
        (ref, "score", "--maps", maps, "--data", data),
    ):
        done = run(main, *command)
        assert done.exit_code == 0, done.output
        said = [
            line for line in done.stderr.splitlines() if "camera.zdf: there, but not of a type that is read" in line
        ]
        assert len(said) == 1, (command[0], done.stderr)
        assert ": warning: " in said[0]


def test_a_name_cannot_break_or_colour_a_line(tmp_path: Path) -> None:
    source = tmp_path / "parts"
    (source / "rgb").mkdir(parents=True)
    (source / "rgb/a\n\x1b[31mdas3d-aug: all is well.png").write_bytes(b"x")
    done = run(aug, "generate", source, "--out", tmp_path / "out")
    assert done.exit_code == 2
    (source / "rgb/b.png").write_bytes(encode_png(np.full((48, 64, 3), 99, np.uint8)))
    more = run(aug, "generate", source, "--out", tmp_path / "out")
    assert more.exit_code == 1
    assert "a\\n\\x1b[31mdas3d-aug: all is well.png: " in more.stderr
    for said in (done.stderr, more.stderr):
        assert "\x1b" not in said
        assert said.count("\n") == len([line for line in said.splitlines() if line.startswith("das3d-aug: ")])


def test_what_is_no_number_is_null_and_paths_are_text() -> None:
    def body() -> None:
        voice().tell(a=float("nan"), b=[float("inf"), 1], c=Path("x"), d={"e": (None, True)})

    assert told(run(program(body), "work", "--json"))["result"] == {
        "a": None,
        "b": [None, 1],
        "c": "x",
        "d": {"e": [None, True]},
    }


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(24, "Too many open files"), "the system refused: Too many open files"),
        (PermissionError(13, "Permission denied", "/a/b"), "/a/b: Permission denied"),
        (MemoryError(), "out of memory: smaller images"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), "out of memory: smaller images"),
        (ImportError("numpy says:\nlibblas.so: failed to map segment from shared object"), "out of memory: smaller"),
        (ImportError("libGL.so.1: cannot open shared object file"), "a library cannot be loaded: libGL.so.1: cannot"),
        (ModuleNotFoundError("No module named 'torch'", name="torch"), "torch is not installed: pip install"),
    ],
)
def test_what_the_system_refuses_is_one_line(error: Exception, said: str) -> None:
    def body() -> None:
        raise error

    done = run(program(body), "work")
    assert done.exit_code == 2
    assert done.stderr.startswith(f"tool: error: {said}")
    assert done.stderr.count("\n") == 1


def test_memory_that_ends_while_packages_load_is_one_line(tmp_path: Path) -> None:
    code = (
        "import resource, sys; from das3d_cli.start import aug\n"
        "limit = int(sys.argv.pop(1)) * 2**20\n"
        "resource.setrlimit(resource.RLIMIT_AS, (limit, limit)); aug()"
    )
    source = write_mvtec(tmp_path / "parts")
    for megabytes in (60, 120, 250, 400):
        done = subprocess.run(
            [sys.executable, "-c", code, str(megabytes), "generate", str(source), "--out", str(tmp_path / "out")],
            env={**environment(), "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
        )
        assert "Traceback" not in done.stderr, megabytes
        assert len(done.stderr.splitlines()) <= 1
        assert done.returncode in (0, 1, 2), done.stderr  # 1: OpenBLAS ends the process itself, with a line


def test_a_bug_keeps_its_traceback() -> None:
    def body() -> None:
        raise ZeroDivisionError

    assert isinstance(run(program(body), "work").exception, ZeroDivisionError)


def test_an_interrupt_says_only_what_is_true() -> None:
    def body() -> None:
        raise KeyboardInterrupt

    done = run(program(body), "work", "--json")
    assert done.exit_code == 130
    assert done.stderr.strip() == "tool: interrupted"
    assert json.loads(done.stdout)["error"] == "interrupted"


@pytest.mark.parametrize("name", ["aug", "ref"])
def test_version_and_completion(name: str) -> None:
    main = {"aug": aug, "ref": ref}[name]
    assert run(main, "--version").stdout.startswith(f"das3d-{name} 0.")
    code = f"import sys; from das3d_cli.start import {name} as main; sys.argv[0] = 'das3d-{name}'; main()"
    words = {"aug": ("gen", "generate"), "ref": ("eval", "evaluate")}[name]
    for shell in ("bash", "zsh", "fish"):
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={
                **environment(),
                f"_DAS3D_{name.upper()}_COMPLETE": f"{shell}_complete",
                "COMP_WORDS": f"das3d-{name} {words[0]}",
                "COMP_CWORD": words[0] if shell == "fish" else "1",
            },
            capture_output=True,
            text=True,
            check=True,
        )
        assert words[1] in done.stdout
        assert done.stderr == ""


_PLAIN = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


@pytest.mark.parametrize("terminal", [*({"PYTHONIOENCODING": name} for name in ("ascii", "cp1252", "latin-1")), _PLAIN])
def test_an_old_terminal_gets_replacements(terminal: dict[str, str]) -> None:
    code = (
        "import click; from das3d_cli.program import Program\n"
        "@click.command('work', help='0 \\u2026 5 \\u00d7 3 \\u2264 \\u03a3')\n"
        "def work(): print('0 \\u2026 5 \\u2264 \\u03a3 \\u90e8')\n"
        "Program('tool', commands=[work]).main()"
    )
    for arguments in (["work"], ["work", "--help"]):
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments],
            env={**environment(), **terminal},
            capture_output=True,
        )
        assert done.returncode == 0, done.stderr
        assert b"5" in done.stdout


def test_a_reader_that_goes_away_is_no_traceback() -> None:
    code = (
        "import click; from das3d_cli.program import Program\n"
        "@click.command('work')\n"
        "def work():\n for _ in range(10**5): click.echo('a line')\n"
        "Program('tool', commands=[work]).main()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, "work"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()
    )
    assert process.stdout is not None
    assert process.stderr is not None
    os.read(process.stdout.fileno(), 10)
    process.stdout.close()
    assert process.wait(60) == 1
    assert process.stderr.read() == b""
    process.stderr.close()
