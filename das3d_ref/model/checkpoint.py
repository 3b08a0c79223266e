"""A trained detector on disk: weights as safetensors, all else as JSON; reading never runs code.

The folder holds ``model-<start of its SHA-256>.safetensors`` and ``detector.json``, which names it.  The JSON is
replaced last, in one step, so whatever happens the folder holds a whole detector, the new one or the old.

Training keeps its own state in ``training.safetensors``: weights, moments of the optimiser and, in the header of the
same file, the step; also replaced in one step.  ``training.json`` says what the run is of.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
from torch import Tensor

from das3d_aug.errors import FileError, quoted
from das3d_aug.files import contained, read_json, write_atomic

__all__ = [
    "FORMAT",
    "HEADER",
    "RUN",
    "STATE",
    "Checkpoint",
    "load_checkpoint",
    "load_state",
    "save_checkpoint",
    "save_state",
]

FORMAT = 1
HEADER, STATE, RUN = "detector.json", "training.safetensors", "training.json"


@dataclass(frozen=True)
class Checkpoint:
    """What `load_checkpoint` found: the header's values and the weights by name."""

    header: dict[str, Any]
    weights: dict[str, Tensor]


def save_checkpoint(folder: Path, header: dict[str, Any], weights: dict[str, Tensor]) -> None:
    """Write a detector over an older one.

    Raises
    ------
    FileError
        If it cannot be written; the older one is then still whole.
    """
    data = safetensors.torch.save(_plain(weights))
    digest = hashlib.sha256(data).hexdigest()
    name = f"model-{digest[:12]}.safetensors"
    write_atomic(folder / name, data)
    text = json.dumps({"format": FORMAT, "weights": name, "sha256": digest, **header}, indent=1)
    write_atomic(folder / HEADER, (text + "\n").encode())
    for old in folder.glob("model-*.safetensors"):
        if old.name != name:
            old.unlink(missing_ok=True)


def load_checkpoint(folder: str | Path) -> Checkpoint:
    """Read a detector.

    Raises
    ------
    FileError
        If a file is missing, damaged, not the one that was saved, or of a newer format.
    """
    folder = Path(folder)
    path = folder / HEADER
    if not path.is_file():
        raise FileError(folder, f"holds no detector ({HEADER}); give the folder that das3d-ref train wrote")
    header = read_json(path, finite=False)  # a figure of the validation may be NaN: that class was missing
    if header.get("format") != FORMAT:
        raise FileError(path, f"has format {quoted(header.get('format'))}; this das3d reads format {FORMAT}")
    name, digest = header.get("weights"), header.get("sha256")
    if not isinstance(name, str) or not isinstance(digest, str):
        raise FileError(path, "does not name its weights")
    weights = contained(folder, folder / name)
    try:
        data = weights.read_bytes()
    except OSError as error:
        raise FileError(weights, f"cannot be read: {error.strerror}") from error
    if hashlib.sha256(data).hexdigest() != digest:
        raise FileError(weights, "is damaged: it is not the file that was saved")
    try:
        return Checkpoint(header, safetensors.torch.load(data))
    except (safetensors.SafetensorError, KeyError, ValueError) as error:
        raise FileError(weights, f"is not a safetensors file: {error}") from error


def save_state(folder: Path, about: dict[str, Any], tensors: dict[str, Tensor]) -> None:
    """Write the state of a training run over an older one.

    Raises
    ------
    FileError
        If it cannot be written; the older one is then still whole.
    """
    data = safetensors.torch.save(_plain(tensors), metadata={"das3d": json.dumps({"format": FORMAT, **about})})
    write_atomic(folder / STATE, data)


def load_state(folder: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Read what `save_state` wrote.

    Raises
    ------
    FileError
        If it is missing, damaged or of a newer format.
    """
    path = folder / STATE
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            # Before the first validation the best figure is -Infinity.
            about = read_json(path, data=(file.metadata() or {})["das3d"].encode(), finite=False)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no mapping)
        found = about["format"]
    except OSError as error:
        raise FileError(path, f"cannot be read: {error.strerror or error}") from error
    except (safetensors.SafetensorError, KeyError, TypeError, ValueError) as error:
        raise FileError(path, f"is not the state of a training run: {error}") from error
    if found != FORMAT:
        raise FileError(path, f"has format {quoted(found)}; this das3d reads format {FORMAT}")
    return about, tensors


def _plain(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
