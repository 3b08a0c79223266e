"""Writing the demo set as a folder in the MVTec 3D-AD layout; stopped and repeated, it is completed.

``demo.json`` in the folder records the settings, and a folder of other settings is refused.  A sample of which a file
is missing is made again.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import das3d_aug
from das3d_aug.datasets import encode_mvtec3d
from das3d_aug.datasets.demo import FAMILIES, DemoItem, demo_plan, make_part
from das3d_aug.errors import FileError, ParameterError
from das3d_aug.files import read_json, sweep_partials, write_atomic
from das3d_aug.randomness import check_seed
from das3d_aug.runs.output_folder import sole_writer, there, to_json
from das3d_aug.runs.workers import unordered_map

__all__ = ["write_demo_set"]

_HEADER = "demo.json"


def write_demo_set(
    out: str | Path,
    *,
    families: tuple[str, ...] = FAMILIES,
    train: int = 200,
    validation: int = 24,
    good: int = 40,
    per_defect: int = 10,
    size: int = 256,
    seed: int = 0,
    workers: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> int:
    """Write a demo set; samples that are there already are kept.

    Parameters
    ----------
    out : path
        The folder: ``<family>/{train,validation,test}/{good,<defect>}/{rgb,xyz,gt}``.
    families, train, validation, good, per_defect, seed
        As for `das3d_aug.datasets.demo.demo_plan`.
    size : int
        Height and width in pixels, 32 … 2048.
    workers : int
        Processes; 0 works in this one.
    progress : callable, optional
        Called with (samples done, samples in all).

    Returns
    -------
    int
        How many samples the set has.

    Raises
    ------
    ParameterError
        If an argument has a wrong range, or the set would be empty.
    FileError
        If ``out`` cannot be written, is in use, or holds anything but a demo set of these settings.
    """
    seed = check_seed(seed)
    counts = {"train": train, "validation": validation, "good": good, "per_defect": per_defect}
    items = tuple(demo_plan(families=families, seed=seed, **counts))
    if not items:
        raise ParameterError("train, validation, good or per_defect must be positive, all are 0")
    settings = {"version": das3d_aug.__version__, "families": families, **counts, "size": size, "seed": seed}
    out = Path(out)
    with sole_writer(out, header=_HEADER):
        header = out / _HEADER
        if not header.exists():
            write_atomic(header, to_json(settings))
        elif read_json(header) != json.loads(to_json(settings)):
            raise FileError(out, "holds a demo set of other settings; use another folder")
        sweep_partials(out)
        missing = [item for item in items if not all(map(there, _files(out, item)))]
        done = len(items) - len(missing)
        with contextlib.closing(unordered_map(partial(_write, out, size), missing, workers=workers)) as written:
            for _ in written:
                done += 1
                if progress is not None:
                    progress(done, len(items))
    return len(items)


def _write(out: Path, size: int, item: DemoItem) -> None:
    part = make_part(item.category, seed=item.seed, index=item.index, size=size, defect=item.defect)
    mask = None if item.defect is None else part.mask
    files = encode_mvtec3d(f"{item.folder}/{item.name}", rgb=part.rgb, depth=part.depth, mask=mask, xyz=part.xyz)
    for path, data in files.items():
        write_atomic(out / path, data)


def _files(out: Path, item: DemoItem) -> Iterator[Path]:
    """Yield the files of a sample, as `encode_mvtec3d` names them."""
    for role, suffix in (("rgb", "png"), ("xyz", "tiff"), ("gt", "png")):
        if role != "gt" or item.split == "test":
            yield out / item.folder / role / f"{item.name}.{suffix}"
