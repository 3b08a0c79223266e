"""The log of a training run: ``training.csv``, a line a step, and TensorBoard's files beside it if asked for.

Lines are appended when a state is saved, just before it.  A run that goes on from an older state drops the lines after
it, so the file is that of a run that was never stopped.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from das3d_aug.errors import FileError, ParameterError
from das3d_aug.files import write_atomic
from das3d_ref.metrics import FIGURES

__all__ = ["TrainingLog"]

_NAME = "training.csv"
_LOSSES = ("loss", "focal", "dice", "rgb", "depth")
_COLUMNS = ("step", "learning_rate", *_LOSSES, *(f"validation {name}" for name in FIGURES))


class TrainingLog:
    """Figures by step.

    Parameters
    ----------
    out : pathlib.Path
        The folder of the run.
    step : int
        The step that the run is at; what is logged of later ones is dropped.
    tensorboard : bool
        Write TensorBoard's files too.

    Raises
    ------
    FileError
        If the folder cannot be written.
    ParameterError
        If TensorBoard is not installed.
    """

    def __init__(self, out: Path, *, step: int, tensorboard: bool) -> None:
        self._path = out / _NAME
        self._rows: list[Mapping[str, float]] = []
        self._board: Any = None
        if tensorboard:
            try:
                from torch.utils.tensorboard import SummaryWriter  # here, since it is not always installed
            except ImportError as error:
                raise ParameterError("tensorboard is not installed: pip install tensorboard") from error
            self._board = SummaryWriter(out / "tensorboard", purge_step=step + 1)
        self._rewind(step)

    def add(self, step: int, figures: Mapping[str, float]) -> None:
        """Note the figures of a step, with names as in the file."""
        self._rows.append({"step": step, **figures})
        if self._board is not None:
            for name, value in figures.items():
                self._board.add_scalar(name, value, step)

    def flush(self) -> None:
        """Append what was noted to the file.

        Raises
        ------
        FileError
            If it cannot be written.
        """
        try:
            with self._path.open("a", newline="") as file:
                csv.DictWriter(file, _COLUMNS, lineterminator="\n").writerows(self._rows)
        except OSError as error:
            raise FileError(self._path, f"cannot be written: {error.strerror}") from error
        self._rows.clear()
        if self._board is not None:
            self._board.flush()

    def _rewind(self, step: int) -> None:
        """Leave the header and the lines up to a step."""
        lines = self._path.read_text().splitlines(keepends=True) if step and self._path.is_file() else []
        write_atomic(self._path, "".join([",".join(_COLUMNS) + "\n", *lines[1 : step + 1]]).encode())
