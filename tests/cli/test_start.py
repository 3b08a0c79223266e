"""How the installed programs begin and end: Ctrl-C at any moment, plain Python, nothing read for a wrong setting."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from helpers.dumps import environment, write_mvtec

START = "import sys; from das3d_cli.start import {} as main; sys.argv[0] = 'das3d'; main()"


@pytest.mark.parametrize("program", ["aug", "ref"])
def test_ctrl_c_while_it_starts_is_never_a_traceback(program: str, tmp_path: Path) -> None:
    source = write_mvtec(tmp_path / "parts")
    arguments = {
        "aug": ["generate", str(source), "--out", str(tmp_path / "out"), "--per-image", "500"],
        "ref": ["train", "--data", str(source), "--out", str(tmp_path / "out"), "--preset", "smoke"],
    }[program]
    # Python itself starts before any code of das3d runs, and its own Ctrl-C is not das3d's.
    code = "print(flush=True); " + START.format(program)
    for delay in (0.0, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.3, 1.6):
        process = subprocess.Popen(
            [sys.executable, "-c", "import signal, os; from das3d_cli import start; " + code, *arguments],
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(delay)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=120)
        assert process.returncode in (0, 130), said
        assert "Traceback" not in said
        assert "interrupted" in said or process.returncode == 0


def test_ignored_ctrl_c_stays_ignored() -> None:
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "import click; from das3d_cli import start; from das3d_cli.program import Program\n"
        "@click.command('work')\n"
        "def work(): signal.raise_signal(signal.SIGINT); click.echo('went on')\n"
        "start._run(Program('tool', commands=[work]).main)"
    )
    done = subprocess.run([sys.executable, "-c", code, "work"], env=environment(), capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "went on\n"), done.stderr


@pytest.mark.parametrize(
    "file", ["/llvmlite/binding/ffi.py", "/numba/core/types/abstract.py", "<frozen importlib._bootstrap>"]
)
def test_ctrl_c_waits_for_imports_and_for_what_the_compiler_calls_back(file: str) -> None:
    # What a callback from C raises is printed as a traceback and lost.
    held = "signal.raise_signal(signal.SIGINT); said.append(1); time.sleep(0.1); said.append(2)"
    inner = f"compile({held!r}, {file!r}, 'exec')"
    code = (
        "import signal, time; import click; from das3d_cli import start; from das3d_cli.program import Program\n"
        "said = []\n"
        "@click.command('work')\n"
        "def work():\n"
        "    try:\n"
        f"        exec({inner})\n"
        "        time.sleep(60)\n"
        "    finally:\n"
        "        print(said, flush=True)\n"
        "start._run(Program('tool', commands=[work]).main)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "work"], env=environment(), capture_output=True, text=True, timeout=50
    )
    assert (done.returncode, done.stdout.strip()) == (130, "[1, 2]"), done.stderr
    assert "Traceback" not in done.stderr


def test_without_the_compiler_one_sentence_says_why_not(tmp_path: Path) -> None:
    source = write_mvtec(tmp_path / "parts", count=1)
    for arguments in (["generate", str(source), "--out", str(tmp_path / "out")], ["doctor"], ["--help"]):
        done = subprocess.run(
            [sys.executable, "-c", START.format("aug"), *arguments],
            env={**environment(), "NUMBA_DISABLE_JIT": "1"},
            capture_output=True,
            text=True,
        )
        assert "Traceback" not in done.stderr
        if arguments[0] == "generate":
            assert done.returncode == 1
            (line,) = done.stderr.splitlines()
            assert "NUMBA_DISABLE_JIT is set" in line


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (("--set", "training.stepps=3"), "'training.stepps' is no setting"),
        (("--set", "training.steps=none"), "training.steps must be like"),
        (("--preset", "paper", "--set", "training.batch=1"), "training.batch must be at least 2"),
        (("--out", "parts/rgb/file/model"), "cannot be written: Not a directory"),
        (("--out", "taken"), "is not empty and was not written by this command"),
    ],
)
def test_a_wrong_setting_of_a_training_is_refused_before_data_is_read(
    settings: tuple[str, ...], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from click.testing import CliRunner
    from das3d_cli.ref import main

    import das3d_ref.training

    def read(*_: object, **__: object) -> None:
        raise AssertionError("data was read")

    monkeypatch.setattr(das3d_ref.training, "open_source", read)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "parts/rgb").mkdir(parents=True)
    (tmp_path / "parts/rgb/file").touch()
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken/photo.jpg").touch()
    done = CliRunner().invoke(main, ["train", "--data", "parts", *settings])
    assert done.exit_code == 2, done.output
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "prepared").exists()


def test_a_configuration_is_read_without_torch() -> None:
    code = "import sys; from das3d_ref import Config; Config.preset('small'); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
