"""One cell of a benchmark: a category, a mode and a seed, trained and tested by processes of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from das3d_aug.errors import Das3dError, ParameterError
from das3d_ref.config import Config

__all__ = ["Cell", "Study", "run_cell"]

_GRACE = 10.0  # seconds that a process has to end by itself

# A cell's process asks the system to be killed when this one ends, however it ends, and becomes das3d-ref.
_CHILD = (
    "import ctypes, runpy, signal, sys\n"
    "if sys.platform == 'linux': ctypes.CDLL(None).prctl(1, signal.SIGKILL)\n"
    "runpy.run_module('das3d_cli.ref', run_name='__main__', alter_sys=True)"
)


@dataclass(frozen=True, kw_only=True)
class Study:
    """What all cells share.

    Attributes
    ----------
    data : pathlib.Path
        In any layout that `das3d_aug.datasets.open_dataset` reads.
    options : mapping
        As for `open_dataset`.
    preset : str
        One of `das3d_ref.config.PRESETS`.
    overrides : tuple of str
        As for `Config.override`; not ``mode`` and ``seed``, which are the cells'.

    Raises
    ------
    ParameterError
        If the configuration cannot be used.
    """

    data: Path
    options: Mapping[str, Any]
    preset: str
    overrides: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for assignment in self.overrides:
            if (name := assignment.partition("=")[0].strip()) in ("mode", "seed"):
                raise ParameterError(f"{assignment!r} would be of all cells; choose with {name}=")
        self.config()

    def config(self, mode: str = "rgbd", seed: int = 0) -> Config:
        """Return the configuration of a cell."""
        return Config.preset(self.preset).override([*self.overrides, f"mode={mode}", f"seed={seed}"])

    def shared(self) -> dict[str, Any]:
        """Return the configuration as nested plain values, without what is the cell's own."""
        values = self.config().to_dict()
        del values["mode"], values["seed"], values["synthesis"]["modality"]
        return values

    def __str__(self) -> str:
        return f"preset {self.preset}" + (f" with {', '.join(self.overrides)}" if self.overrides else "")


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One training and its evaluation.

    Attributes
    ----------
    study : Study
    category, mode : str
        The category is "all" where the data set names none.
    seed : int
    folder : pathlib.Path
        For ``model/``, ``evaluation/`` and ``log.txt``.
    cache : pathlib.Path
        Where cells share prepared images.
    threads : int or None
        For its processes; None leaves them to torch.
    """

    study: Study
    category: str
    mode: str
    seed: int
    folder: Path
    cache: Path
    threads: int | None

    @property
    def evaluation(self) -> Path:
        """The file that a finished cell has."""
        return self.folder / "evaluation" / "evaluation.json"

    def commands(self) -> tuple[list[str], list[str]]:
        """Return the arguments of das3d-ref that train and evaluate."""
        study, model = self.study, str(self.folder / "model")
        data = ["--data", str(study.data), "--cache", str(self.cache)]
        if self.category != "all":
            data += ["--category", self.category]
        for name, value in study.options.items():
            data += [f"--{name.replace('_', '-')}", str(value)]
        settings = ["--preset", study.preset, "--mode", self.mode, "--seed", str(self.seed)]
        settings += [f"--set={assignment}" for assignment in study.overrides]
        return (
            ["train", *data, "--out", model, *settings, "--resume"],
            ["evaluate", model, *data, "--out", str(self.evaluation.parent)],
        )

    def __str__(self) -> str:
        return f"{self.category} {self.mode} seed {self.seed}"


def run_cell(cell: Cell, stop: threading.Event) -> None:
    """Train and evaluate, each in a process that writes into the cell's ``log.txt`` and ends once ``stop`` is set.

    Raises
    ------
    Das3dError
        If one of them fails: the last line that it wrote.
    """
    cell.folder.mkdir(parents=True, exist_ok=True)
    path = cell.folder / "log.txt"
    environment = dict(os.environ)
    if cell.threads is not None:
        environment.setdefault("OMP_NUM_THREADS", str(cell.threads))
    for arguments in cell.commands():
        with path.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-c", _CHILD, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
                start_new_session=True,  # Ctrl-C at a terminal reaches this process alone, which then ends that one
            )
            try:
                while process.poll() is None and not stop.wait(0.1):
                    pass
            finally:
                _end(process)
        if process.returncode:
            lines = path.read_text(errors="replace").splitlines()
            last = next((line for line in reversed(lines) if line.strip()), "")
            raise Das3dError(f"exit code {process.returncode}, {last.removeprefix('das3d-ref: error: ')} (see {path})")


def _end(process: subprocess.Popen[bytes]) -> None:
    """Interrupt a process that still runs; kill it, and what it started, if it does not end."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
