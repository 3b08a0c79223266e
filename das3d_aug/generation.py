"""Writing a folder of synthetic anomalies that can be stopped, continued, checked and made again.

A sample depends on (settings, index) alone, where ``index = position of the source * per_image + k`` in the
full listing of normal samples; so workers, order and interruptions leave no trace.  In the folder:

* ``das3d.json``: the settings, written first; a run with other settings is refused;
* the sample's files in the layout of the source, each whole or absent, and last its recipe
  (``recipes/*.json``), which marks the sample as complete and replays to the same bytes (`replay`);
* ``manifest.json``: the SHA-256 of every file, written last;
* ``das3d.lock``: an empty file, locked while a run writes here.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from copy import copy
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

import das3d_aug
from das3d_aug._output import (
    FORMAT,
    HEADER,
    claim,
    completed,
    digest,
    keep_apart,
    listing_digest,
    read_json,
    sole_writer,
    to_json,
    write_manifest,
)
from das3d_aug._pool import unordered_map
from das3d_aug._resize import parse_size, resize_sample
from das3d_aug.datasets import Dataset, Entry, Sample, encode_folder, encode_mvtec3d, open_dataset
from das3d_aug.errors import Das3dError, FileError, ParameterError
from das3d_aug.files import contained, write_atomic
from das3d_aug.recipe import Plan, Recipe
from das3d_aug.synthesis import AnomalyPair, render, synthesize
from das3d_aug.textures import TextureSource, as_source

__all__ = ["Replay", "Summary", "generate", "normal_entries", "replay"]

_SAMPLES_PER_TASK = 16  # one reading of the source for all of them; an interruption waits for one task


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What a run did.

    Attributes
    ----------
    out : pathlib.Path
        The folder written to.
    layout, how : str
        The layout of the source and how it was recognised.
    written, kept : int
        Samples made by this run, and samples that were complete before it.
    left_out : int
        Anomalous samples of the source, which are never used.
    failures : tuple of (path, reason)
        Sources that could not be used, in the order of the listing.
    seconds : mapping
        Time spent in ``"reading"``, ``"synthesis"`` and ``"encoding and writing"``, summed over the workers.
    """

    out: Path
    layout: str
    how: str
    written: int
    kept: int
    left_out: int
    failures: tuple[tuple[str, str], ...]
    seconds: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Replay:
    """A sample made again from its recipe.

    Attributes
    ----------
    files : mapping of str to bytes
        The bytes by relative path.
    differences : tuple of str
        ``"<relative path>: <what is different>"``; empty if every byte is as recorded and as on disk.
    """

    files: Mapping[str, bytes]
    differences: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class _Job:
    """What all samples of a run share; small, because every task carries it to its worker."""

    dataset: Dataset
    options: Mapping[str, Any]
    recipe: Recipe
    seed: int
    size: tuple[int, int] | None
    textures: Path | None
    digits: int
    out: Path


@dataclass(frozen=True)
class _Outcome:
    first: int
    written: int
    seconds: tuple[float, float, float]
    failure: tuple[str, str] | None


def generate(
    source: str | Path,
    out: str | Path,
    *,
    recipe: Recipe | None = None,
    per_image: int = 1,
    seed: int = 0,
    size: int | str | tuple[int, int] | None = None,
    textures: str | Path | None = None,
    layout: str | None = None,
    workers: int = 0,
    limit: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    **dataset_options: Any,
) -> Summary:
    """Make synthetic anomalies from the normal samples of a folder.

    Parameters
    ----------
    source : path
        A folder in any layout that `das3d_aug.datasets.open_dataset` reads.  Where it has a train split, only
        that is used.
    out : path
        Where to write: MVTec 3D-AD gives ``<class>/test/synthetic/{rgb,xyz,gt,recipes}``, every other layout
        ``{rgb,depth,mask,rgb_mask,depth_mask,recipes}``.  What an equal run left unfinished is completed.
    recipe : Recipe, optional
        What is drawn; the default recipe without it.
    per_image : int
        Samples per source image.
    seed : int
        Seed of the run, 0 … 2**64 - 1.
    size : int, "HxW" or (height, width), optional
        Resize before the synthesis; `resize_sample` says how.  Without it the source's size stays.
    textures : path, optional
        A folder of texture images; procedural textures without it.
    layout, **dataset_options
        As for `das3d_aug.datasets.open_dataset`.
    workers : int
        Processes; 0 works in this one.  Scripts that use workers need ``if __name__ == "__main__":``.
    limit : int, optional
        Stop after the first ``limit`` samples of the full listing.
    progress : callable, optional
        Called with (samples done, samples asked for).

    Returns
    -------
    Summary

    Raises
    ------
    ParameterError
        If an argument has a wrong range.
    FileError
        If ``out`` cannot be written, lies in the source, is not empty, is in use, or was written with other
        settings; or if the source has no normal sample.
    """
    for name, value, least in (("per_image", per_image, 1), ("workers", workers, 0), ("limit", limit, 1)):
        if value is not None and (not isinstance(value, int) or value < least):
            raise ParameterError(f"{name} must be an integer of at least {least}, got {value!r}")
    source, out = Path(source), Path(out)
    textures = None if textures is None else Path(textures)
    keep_apart(out, source)
    if textures is not None:
        keep_apart(out, textures)
    dataset = open_dataset(source, layout=layout, **dataset_options)
    entries = normal_entries(dataset)
    if not entries:
        raise FileError(source, f"has no normal sample ({dataset.how})")
    total = len(entries) * per_image
    job = _Job(
        dataset=copy(dataset),
        options=dataset_options,
        recipe=recipe or Recipe(),
        seed=seed,
        size=parse_size(size),
        textures=textures,
        digits=max(3, len(str(total - 1))),
        out=out,
    )
    job.dataset.entries = ()  # a task brings its own entry
    # Everything on which the bytes depend, but for the source files: their digests are in the recipes.
    settings = {
        "version": das3d_aug.__version__,
        "layout": dataset.layout,
        "options": dataset_options,
        "source": digest(to_json([entry.key for entry in entries])),
        "recipe": job.recipe.to_dict(),
        "seed": seed,
        "per_image": per_image,
        "size": job.size,
        "textures": None if textures is None else listing_digest(textures),
    }
    asked = total if limit is None else min(limit, total)
    written = kept = 0
    seconds = np.zeros(3)
    failures = {}

    def missing() -> Iterator[tuple[Entry, tuple[int, ...]]]:
        nonlocal kept
        for first, entry in zip(range(0, asked, per_image), entries, strict=False):
            wanted = range(first, min(first + per_image, asked))
            todo = tuple(index for index in wanted if completed(out, _recipe_path(job, entry, index)) is None)
            kept += len(wanted) - len(todo)
            for start in range(0, len(todo), _SAMPLES_PER_TASK):
                yield entry, todo[start : start + _SAMPLES_PER_TASK]

    with sole_writer(out):
        claim(out, source=source, textures=textures, settings=settings)
        with contextlib.closing(unordered_map(partial(_make, job), missing(), workers=workers)) as outcomes:
            for outcome in outcomes:
                written += outcome.written
                seconds += outcome.seconds
                if outcome.failure is not None:
                    failures[outcome.first // per_image] = outcome.failure
                if progress is not None:
                    progress(written + kept, asked)
        if progress is not None:
            progress(written + kept, asked)
        recipes = (_recipe_path(job, entries[index // per_image], index) for index in range(total))
        write_manifest(out, recipes, settings)
    return Summary(
        out=out,
        layout=dataset.layout,
        how=dataset.how,
        written=written,
        kept=kept,
        left_out=sum(entry.label == 1 for entry in dataset.entries),
        failures=tuple(failures[position] for position in sorted(failures)),
        seconds=dict(zip(("reading", "synthesis", "encoding and writing"), seconds.tolist(), strict=True)),
    )


def replay(recipe_file: str | Path, *, source: str | Path | None = None, textures: str | Path | None = None) -> Replay:
    """Make a sample again from its recipe and compare it with what was written.

    Parameters
    ----------
    recipe_file : path
        A ``recipes/*.json`` inside a folder that `generate` wrote.
    source, textures : path, optional
        Where the source and the textures are now; by default where they were.

    Returns
    -------
    Replay

    Raises
    ------
    FileError
        If the recipe or a source file is missing, damaged or not the one that was recorded.
    """
    recipe_file = Path(recipe_file).resolve()
    root = next((parent for parent in recipe_file.parents if (parent / HEADER).is_file()), None)
    if root is None:
        raise FileError(recipe_file, f"lies in no folder that das3d-aug generate wrote (no {HEADER} above it)")
    header = read_json(root / HEADER)
    record = read_json(recipe_file)
    try:
        origin, options, shape = record["source"], record["options"], tuple(record["size"])
        plan = Plan.from_json(json.dumps(record["plan"]))
        place = Path(source or header["source"])
        folder = textures or header["textures"]
        dataset = open_dataset(place, layout=record["layout"], **options)
        entry = next((entry for entry in dataset.entries if entry.key == origin["key"]), None)
        if entry is None:
            raise FileError(place, f"has no sample {origin['key']!r}, from which {recipe_file.name} was made")
        for role, found in _source_digests(dataset, entry).items():
            if origin["sha256"].get(role) != found:
                raise FileError(entry.files[role], f"is not the file from which {recipe_file.name} was made")
        recorded: Mapping[str, str] = record["files"]
        key = record["sample"]
    except (KeyError, TypeError, AttributeError, ParameterError) as error:
        raise FileError(recipe_file, f"is not a das3d sample recipe: {type(error).__name__} {error}") from error
    sample = resize_sample(dataset.open(entry), shape)
    texture = None if folder is None else _textures(Path(folder))
    pair = render(sample.rgb, sample.depth, plan, texture=texture, foreground=sample.foreground)
    files = _encode(dataset.layout, key, sample, pair)
    differences = []
    for path, data in files.items():
        if recorded.get(path) != digest(data):
            differences.append(f"{path}: other bytes than recorded")
        elif not (root / path).is_file():
            differences.append(f"{path}: missing")
        elif contained(root, root / path).read_bytes() != data:
            differences.append(f"{path}: changed on disk")
    files[recipe_file.relative_to(root).as_posix()] = recipe_file.read_bytes()
    return Replay(files=files, differences=tuple(differences))


def normal_entries(dataset: Dataset) -> tuple[Entry, ...]:
    """Return the samples to start from: not labelled anomalous, of the train split if there is one."""
    normal = [entry for entry in dataset.entries if entry.label != 1]
    train = [entry for entry in normal if entry.split == "train"]
    return tuple(train or normal)


def _make(job: _Job, task: tuple[Entry, tuple[int, ...]]) -> _Outcome:
    """Make samples of one source.

    A source that cannot be used is an outcome and the run goes on; an output that cannot be written ends it.
    """
    entry, indices = task
    spent = [0.0, 0.0, 0.0]
    written, failure = 0, None
    samples = _prepare(job, entry, indices, spent)
    while True:
        try:
            files = next(samples, None)
        except FileError as error:
            failure = (str(error.path), error.reason)
            break
        except Das3dError as error:
            failure = (str(job.dataset.root / entry.key), str(error))
            break
        if files is None:
            break
        with _timed(spent, 2):
            for path, data in files.items():
                write_atomic(contained(job.out, job.out / path), data)
        written += 1
    return _Outcome(indices[0], written, (spent[0], spent[1], spent[2]), failure)


def _prepare(job: _Job, entry: Entry, indices: tuple[int, ...], spent: list[float]) -> Iterator[dict[str, bytes]]:
    """Yield the files of each sample in the order in which they must be written: the recipe last."""
    with _timed(spent, 0):
        sample = resize_sample(job.dataset.open(entry), job.size)
        origin = {"key": entry.key, "sha256": _source_digests(job.dataset, entry)}
        texture = None if job.textures is None else _textures(job.textures)
    for index in indices:
        with _timed(spent, 1):
            pair = synthesize(
                sample.rgb,
                sample.depth,
                recipe=job.recipe,
                seed=job.seed,
                index=index,
                texture=texture,
                foreground=sample.foreground,
            )
        with _timed(spent, 2):
            key = _output_key(job, entry, index)
            files = _encode(job.dataset.layout, key, sample, pair)
            record = {
                "format": FORMAT,
                "version": das3d_aug.__version__,
                "sample": key,
                "index": index,
                "layout": job.dataset.layout,
                "options": job.options,
                "source": origin,
                "size": sample.depth.shape,
                "plan": pair.plan.to_dict(),
                "files": {path: digest(data) for path, data in files.items()},
            }
            files[_recipe_path(job, entry, index)] = to_json(record)
        yield files


@contextlib.contextmanager
def _timed(spent: list[float], part: int) -> Iterator[None]:
    start = time.perf_counter()
    try:
        yield
    finally:
        spent[part] += time.perf_counter() - start


@cache
def _textures(folder: Path) -> TextureSource:
    """List a texture folder once per process."""
    return as_source(folder)


def _encode(layout: str, key: str, sample: Sample, pair: AnomalyPair) -> dict[str, bytes]:
    if layout == "mvtec3d":
        return encode_mvtec3d(key, rgb=pair.rgb, depth=pair.depth, mask=pair.mask, xyz=sample.xyz)
    return encode_folder(
        key,
        rgb=pair.rgb,
        depth=pair.depth,
        mask=pair.mask,
        rgb_mask=pair.rgb_changed,
        depth_mask=pair.depth_changed,
    )


def _output_key(job: _Job, entry: Entry, index: int) -> str:
    """Name a sample: by its index in MVTec 3D-AD, whose names are numbers, else by its source and index."""
    if job.dataset.layout == "mvtec3d":
        return f"{entry.category}/test/synthetic/{index:0{job.digits}d}"
    return f"{entry.key}_{index:0{job.digits}d}"


def _recipe_path(job: _Job, entry: Entry, index: int) -> str:
    *folders, name = _output_key(job, entry, index).split("/")
    if job.dataset.layout == "mvtec3d":
        return "/".join([*folders, "recipes", f"{name}.json"])
    return f"recipes/{'__'.join([*folders, name])}.json"


def _source_digests(dataset: Dataset, entry: Entry) -> dict[str, str]:
    digests = {}
    for role in sorted(entry.files):
        path = dataset.file(entry, role)
        try:
            digests[role] = digest(path.read_bytes())
        except OSError as error:
            raise FileError(path, f"cannot be read: {error.strerror}") from error
    return digests
