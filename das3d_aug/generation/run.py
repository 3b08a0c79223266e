"""Writing a folder of synthetic anomalies that can be stopped, continued, checked and made again.

A sample depends on (settings, index) alone, where ``index = position of the source * per_image + k`` in the
full listing of normal samples; with ``count``, ``index mod sources`` is that position, and the sample is the first
that is anomalous of the draws (seed, index, attempt).  So workers, order and interruptions leave no trace.  In
the folder:

* ``das3d.json``: the settings, written first; a run with other settings is refused;
* the sample's files in one of the formats, each whole or absent, and last its recipe (``recipes/**/*.json``), which
  marks the sample as complete and replays to the same bytes (`das3d_aug.generation.replay`); or
* shards, each whole or absent (``shard-*.tar``), and after each a ``shard-*.json`` that marks it as complete;
* ``manifest.json``: the SHA-256 of every file, written last;
* ``das3d.lock``: an empty file, locked while a run writes here.

A recipe holds, beside the plan and the source, what was made of it: ``label`` (0 normal, 1 anomalous), ``kind``
("normal", "rgb", "depth", "both"), ``severity`` (`das3d_aug.synthesis.Severity`), ``measured`` (sizes, and where the
part is), and the ``unit`` of the source's depth, in which plan and severity are.  `Breakdown` comes from these, which a
shard's JSON repeats.
"""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import das3d_aug
from das3d_aug._arguments import check_option
from das3d_aug.datasets import Dataset, Entry, Sample, open_dataset
from das3d_aug.datasets.base import normal_entries
from das3d_aug.errors import FileError, ParameterError, counted
from das3d_aug.generation.breakdown import Breakdown, Collected
from das3d_aug.generation.donors import choose_donors
from das3d_aug.generation.formats import FORMATS, as_written, default_format
from das3d_aug.generation.making import Job, Tally, Task, make
from das3d_aug.preparation import parse_size, resize_sample
from das3d_aug.randomness import check_seed
from das3d_aug.runs.output_folder import (
    check_writable,
    claim,
    completed,
    digest,
    keep_apart,
    listing_digest,
    sole_writer,
    to_json,
    write_files,
    write_manifest,
)
from das3d_aug.runs.workers import unordered_map
from das3d_aug.synthesis import Policy, Recipe
from das3d_aug.synthesis.donors import check_takes

__all__ = ["Summary", "generate"]

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
    format : str
        The format written.
    written, kept : int
        Samples made by this run, and samples that were complete before it.
    left_out : int
        Anomalous samples of the source, which are never used.
    failures : tuple of (path, reason)
        Sources that could not be used, in the order of the listing.
    warnings : tuple of (how many, sentence)
        What is odd about the sources that this run read, and about all samples that are there, each sentence once.
    breakdown : Breakdown
        What is in the folder: the samples of this run and those that were complete before it.
    seconds : mapping
        Time spent in ``"reading"``, ``"synthesis"`` and ``"encoding and writing"``, summed over the workers.
    """

    out: Path
    layout: str
    how: str
    format: str
    written: int
    kept: int
    left_out: int
    failures: tuple[tuple[str, str], ...]
    warnings: tuple[tuple[str, str], ...]
    breakdown: Breakdown
    seconds: Mapping[str, float]


def generate(
    source: str | Path,
    out: str | Path,
    *,
    recipe: Recipe | None = None,
    per_image: int = 1,
    count: int | None = None,
    seed: int = 0,
    size: int | str | tuple[int, int] | None = None,
    textures: str | Path | None = None,
    foreground: Policy = "auto",
    donors: bool = False,
    layout: str | None = None,
    format: str | None = None,  # noqa: A002 (the name of the option)
    shard_size: int = 256,
    depth_png: float | None = None,
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
        Where to write.  What an equal run left unfinished is completed.
    recipe : Recipe, optional
        What is drawn; the default recipe without it.
    per_image : int
        Samples per source image.
    count : int, optional
        Write this many samples in all, every one anomalous, the sources in turns; takes the place of ``per_image``.
        One that comes out normal (eq. 12, eq. 7) is drawn again, up to 200 times; then its source is a failure.
    seed : int
        Seed of the run, 0 … 2**64 - 1.
    size : int, "HxW" or (height, width), optional
        Resize before the synthesis; `resize_sample` says how.  Without it the source's size stays.
    foreground : {"auto", "all", "plane"}
        Where the part is in samples whose data set does not mark it; as `das3d_aug.find_foreground`.
    textures : path, optional
        A folder of texture images; procedural textures without it.
    donors : bool
        Defects of kind "paste" take their patches from another normal sample of the category: one for each source.
    layout, **dataset_options
        As for `das3d_aug.datasets.open_dataset`.
    format : {"mvtec3d", "folder", "eyecandies", "webdataset"}, optional
        What to write; by default what the source is most like:

        * "mvtec3d": ``<category>/test/synthetic/{rgb,xyz,gt,rgb_mask,depth_mask}``, normal samples in
          ``test/good``; needs points or a camera;
        * "folder": ``{rgb,depth,mask,rgb_mask,depth_mask}`` and ``intrinsics.json`` where the camera is known;
        * "eyecandies": ``<category>/test_public/data``; depth is rounded to 16 bits;
        * "webdataset": ``shard-<number>.tar``, for large runs (`das3d_aug.datasets.webdataset`).

        In "mvtec3d" and "eyecandies" depth of a known unit is in metres.  In the others heights are written as they
        were stored, in their type and scale.
    shard_size : int
        Samples per shard of "webdataset"; 256 of them take about 90 MB at 256 x 256 pixels.
    depth_png : float, optional
        Write depth as 16-bit PNG of so many steps per unit, 0 = not measured, in "folder" and "webdataset".  Choose
        steps finer than the recipe's ``mask_threshold``: what is marked must not vanish.
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
        If an argument has a wrong range, or the source has not what the format needs.
    FileError
        If ``out`` cannot be written, lies in the source, is not empty, is in use, or was written with other
        settings; or if the source has no normal sample, or none that can be read.
    """
    seed = check_seed(seed)
    for name, value, least in (
        ("per_image", per_image, 1),
        ("count", count, 1),
        ("shard_size", shard_size, 1),
        ("workers", workers, 0),
        ("limit", limit, 1),
    ):
        if value is not None and (not isinstance(value, int) or value < least):
            raise ParameterError(f"{name} must be an integer of at least {least}, got {value!r}")
    if count is not None and per_image != 1:
        raise ParameterError("count= takes the place of per_image= here; give one of them")
    check_option("foreground", foreground, ("auto", "all", "plane"))
    if format is not None and format not in FORMATS:
        raise ParameterError(f"format must be one of {', '.join(FORMATS)}, got {format!r}")
    recipe = recipe or Recipe()
    if donors:
        check_takes(recipe, "donors=True")
    shape = parse_size(size)
    source, out = Path(source), Path(out)
    textures = None if textures is None else Path(textures)
    keep_apart(out, source)
    if textures is not None:
        keep_apart(out, textures)
    check_writable(out)
    dataset = open_dataset(source, layout=layout, **dataset_options)
    entries = normal_entries(dataset)
    if not entries:
        raise FileError(
            source,
            f"has no normal sample to start from: folders or masks say that all are anomalous ({dataset.how})"
            if dataset.entries
            else f"has no sample ({dataset.how}, with no file that is read in it; what lies in folders below is not)",
        )
    total = len(entries) * per_image if count is None else count
    written_as = format or default_format(dataset.layout)
    target = FORMATS[written_as]
    if depth_png is not None and not (0 < depth_png < math.inf and target.stores_numbers):
        raise ParameterError(
            f"depth_png must be positive, and is for the formats folder and webdataset, got {depth_png!r}"
        )
    first = as_written(resize_sample(_first_readable(dataset, entries), shape), depth_png=depth_png)
    target.check(first)
    job = Job(
        dataset=copy(dataset),
        options=dataset_options,
        recipe=recipe,
        seed=seed,
        per_image=per_image,
        count=count,
        sources=len(entries),
        size=shape,
        textures=textures,
        layout=written_as,
        shard_size=shard_size if target.sharded else None,
        common=target.common(first),
        digits=max(target.digits, len(str(total - 1))),
        depth_png=depth_png,
        foreground=foreground,
        out=out,
    )
    job.dataset.entries = ()  # a task brings its own entries
    # Everything on which the bytes depend, but for the source files: their digests are in the recipes.
    settings = {
        "version": das3d_aug.__version__,
        "layout": dataset.layout,
        "options": dataset_options,
        "source": digest(to_json([entry.key for entry in entries])),
        "intrinsics": None if first.intrinsics is None else first.intrinsics.to_dict(),
        "recipe": job.recipe.to_dict(),
        "seed": seed,
        "per_image": per_image,
        "size": shape,
        "textures": None if textures is None else listing_digest(textures),
        "format": written_as,
        "shard_size": job.shard_size,
        **({} if count is None else {"count": count}),
        **({} if depth_png is None else {"depth_png": depth_png}),
        **({} if foreground == "auto" else {"foreground": foreground}),
        **({"donors": True} if donors else {}),
    }
    asked = total if limit is None else min(limit, total)
    tally = Tally()
    with sole_writer(out):
        claim(out, source=source, textures=textures, settings=settings)
        write_files(out, job.common)
        chosen = choose_donors(entries, seed) if donors else [None] * len(entries)
        if donors and (alone := {position for position, donor in enumerate(chosen) if donor is None}):
            tally.warnings["alone in its category: its patches come from itself, not from a donor"] = alone
        tasks = _tasks(job, entries, chosen, asked, tally)
        with contextlib.closing(unordered_map(partial(make, job), tasks, workers=workers)) as done:
            for part in done:
                tally.add(part)
                if progress is not None:
                    progress(tally.written + tally.kept, asked)
        if progress is not None:
            progress(tally.written + tally.kept, asked)
        collected = Collected()
        write_manifest(out, job.common, _present(job, entries, total), settings, note=collected.add)
    return Summary(
        out=out,
        layout=dataset.layout,
        how=dataset.how,
        format=written_as,
        written=tally.written,
        kept=tally.kept,
        left_out=sum(map(dataset.is_anomalous, dataset.entries)),
        failures=tuple(tally.failures[position] for position in sorted(tally.failures)),
        warnings=(
            *((str(source), sentence) for sentence in dataset.warnings),
            *((counted(len(positions), "source"), text) for text, positions in sorted(tally.warnings.items())),
            *collected.warnings(recipe.probability),
        ),
        breakdown=collected.breakdown(),
        seconds=tally.seconds,
    )


def _first_readable(dataset: Dataset, entries: tuple[Entry, ...]) -> Sample:
    failures = []
    for entry in entries:
        try:
            return dataset.open(entry)
        except FileError as error:  # reported when its turn comes
            failures.append(error)
    raise FileError(failures[0].path, f"{failures[0].reason} (nor can any other normal sample be read)")


def _name(job: Job, entries: tuple[Entry, ...], index: int) -> str:
    return job.name(entries[job.source(index)], index)


def _marks(job: Job, entries: tuple[Entry, ...], count: int) -> Iterator[tuple[str, range]]:
    """Yield what marks a sample or a shard as complete, and the indices of its samples."""
    step = job.shard_size
    if step is None:
        for index in job.order(count):
            yield FORMATS[job.layout].recipe(_name(job, entries, index)), range(index, index + 1)
        return
    for first in range(0, count, step):
        yield f"shard-{first // step:06d}.json", range(first, min(first + step, count))


def _present(job: Job, entries: tuple[Entry, ...], total: int) -> Iterator[str]:
    """Yield the marks that are on disk, in order; the cost follows what is there, not what could be."""
    left = {path.relative_to(job.out).as_posix() for path in job.out.rglob("*.json")}
    folder = FORMATS[job.layout].recipes
    left = {name for name in left if name.startswith(folder or "shard-")}
    for mark, _ in _marks(job, entries, total):
        if not left:
            return
        if mark in left:
            left.remove(mark)
            yield mark


def _tasks(
    job: Job, entries: tuple[Entry, ...], donors: Sequence[Entry | None], asked: int, tally: Tally
) -> Iterator[Task]:
    """Yield what is to be made, and count what is complete."""

    def missing() -> Iterator[tuple[str, range]]:
        for mark, indices in _marks(job, entries, asked):
            packed = [] if job.shard_size is None else [_name(job, entries, index) for index in indices]
            if completed(job.out, mark, samples=packed) is None:
                yield mark, indices
            else:
                tally.kept += len(indices)

    if job.shard_size is None:
        for position, group in itertools.groupby((indices[0] for _, indices in missing()), job.source):
            while some := tuple(itertools.islice(group, _SAMPLES_PER_TASK)):
                yield Task(((entries[position], some, donors[position]),))
    else:
        for mark, indices in missing():
            groups = itertools.groupby(indices, job.source)
            parts = tuple((entries[position], tuple(some), donors[position]) for position, some in groups)
            yield Task(parts, shard=mark.removesuffix(".json"))
