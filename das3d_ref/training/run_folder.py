"""The folder of a training run: what is refused before one starts, and which run it belongs to."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState

from das3d_aug.errors import FileError, ParameterError
from das3d_aug.files import sweep_partials, write_atomic
from das3d_aug.runs.output_folder import check_writable, differences, sole_writer, to_json
from das3d_ref.config import Config
from das3d_ref.model.checkpoint import RUN
from das3d_ref.model.encoder import load_encoder
from das3d_ref.model.inputs import Item

__all__ = ["check_run", "claimed", "digest_of"]


def check_run(out: str | Path, *, config: Config, resume: bool = False) -> None:
    """Refuse what `train` would refuse whatever the images are: before they are prepared, which takes long.

    Raises
    ------
    ParameterError
        If the processes cannot share the batch, this machine cannot compute with ``training.precision``, or the
        encoder is not there.
    FileError
        If ``out`` cannot be written, holds anything else, or a run already and ``resume`` is not given.
    """
    settings, process = config.training, PartialState(cpu=not torch.accelerator.is_available())
    if settings.batch % process.num_processes:
        raise ParameterError(
            f"training.batch must be a multiple of the {process.num_processes} processes, got {settings.batch}"
        )
    if config.features.encoder != "none":
        load_encoder(config.features.encoder)
    if config.network.norm == "batch" and settings.batch < 2:
        raise ParameterError("training.batch must be at least 2 with network.norm 'batch', got 1")
    if settings.precision == "fp16" and process.device.type != "cuda":
        raise ParameterError("training.precision 'fp16' needs a GPU; take 'bf16' or 'fp32'")
    if process.is_main_process:
        check_writable(Path(out), header=RUN)
        _check_new(Path(out), resume=resume)


def _check_new(out: Path, *, resume: bool) -> None:
    if (out / RUN).is_file() and not resume:
        raise FileError(out, "holds a training run already; go on with resume=True, or use another folder")


@contextlib.contextmanager
def claimed(out: Path, about: Mapping[str, Any], *, main: bool, resume: bool) -> Iterator[None]:
    """Keep the folder to this run: write down what it is of, or check that it is the one to go on with."""
    if not main:
        yield
        return
    path = out / RUN
    with sole_writer(out, header=RUN):
        sweep_partials(out)
        _check_new(out, resume=resume)
        if path.is_file():
            if other := differences(path, about):
                raise FileError(out, f"holds a run with other {', '.join(other)}; use another folder")
        else:
            write_atomic(path, to_json(about))
        yield


def digest_of(*sets: list[Item]) -> str:
    """Return the SHA-256 of all images, in their order."""
    digest = hashlib.sha256()
    for items in sets:
        for item in items:
            for image in (item.sample.rgb, item.sample.depth):
                digest.update(b"" if image is None else image.tobytes())
    return digest.hexdigest()
