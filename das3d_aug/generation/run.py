"""Writing a folder of synthetic anomalies that can be stopped, continued, checked and made again.

A sample depends on (settings, index) alone, where ``index = position of the source * per_image + k`` in the
full listing of normal samples; with ``count``, ``index mod sources`` is that position, and the sample is the first
that is anomalous of the draws (seed, index, attempt).  So workers, order and interruptions leave no trace.  In
the folder:

* ``das3d.json``: the settings, written first; a run with other settings is refused;
* the sample's files in one of the formats, each whole or absent, and last its recipe (``recipes/**/*.json``), which
  marks the sample as complete and replays to the same bytes (`das3d_aug.generation.replay`); or
* shards, each whole or absent (``shard-*.tar``), and after each a ``shard-*.json`` that marks it as complete;
* ``manifest.json``: the SHA-256 of every file, written last; of many tasks, `das3d_aug.generation.tasks` says how;
* ``das3d.lock``: an empty file, locked while a run writes here.

A recipe holds, beside the plan and the source, what was made of it: ``label`` (0 normal, 1 anomalous), ``kind``
("normal", "rgb", "depth", "both"), ``severity`` (`das3d_aug.synthesis.Severity`), ``measured`` (sizes, and where the
part is), and the ``unit`` of the source's depth, in which plan and severity are.  `Breakdown` comes from these, which a
shard's JSON repeats.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from copy import copy
from functools import partial
from pathlib import Path
from typing import Any

import das3d_aug
from das3d_aug._arguments import check_option
from das3d_aug.datasets import Dataset, Entry, Sample, open_dataset
from das3d_aug.datasets.base import normal_entries
from das3d_aug.errors import FileError, ParameterError
from das3d_aug.files import Place, Remote, place
from das3d_aug.files.images import COMPRESSIONS, Compression
from das3d_aug.generation.breakdown import Collected
from das3d_aug.generation.donors import choose_donors
from das3d_aug.generation.formats import FORMATS, as_written, default_format
from das3d_aug.generation.making import Job, Tally, make
from das3d_aug.generation.planning import batches, present, samples_in, units
from das3d_aug.generation.summary import Summary
from das3d_aug.generation.tasks import Division, write_part
from das3d_aug.preparation import parse_size, resize_sample
from das3d_aug.randomness import check_seed
from das3d_aug.runs.output_folder import (
    check_writable,
    claim,
    digest,
    joint_writer,
    keep_apart,
    listed,
    listing_digest,
    sole_writer,
    to_json,
    write_files,
    write_manifest,
)
from das3d_aug.runs.tasks import begin_part, check_task, remove_parts
from das3d_aug.runs.workers import unordered_map
from das3d_aug.synthesis import Policy, Recipe
from das3d_aug.synthesis.donors import check_takes

__all__ = ["generate"]

_MOST = 2**15  # samples in a shard: its mark, of some 22 values a sample, must stay one that `read_json` reads


def generate(
    source: str | Path,
    out: str | Place,
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
    compression: Compression = "default",
    workers: int = 0,
    limit: int | None = None,
    task: int | None = None,
    tasks: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    **dataset_options: Any,
) -> Summary:
    """Make synthetic anomalies from the normal samples of a folder.

    Parameters
    ----------
    source : path
        A folder in any layout that `das3d_aug.datasets.open_dataset` reads.  Where it has a train split, only
        that is used.
    out : path or URL
        Where to write: a folder, or shards into ``s3://bucket/name``, ``gs://…`` or ``memory://…`` by fsspec.  What an
        equal run left unfinished is completed.
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
        Samples per shard of "webdataset", at most 32768; 256 of them take about 90 MB at 256 x 256 pixels.
    depth_png : float, optional
        Write depth as 16-bit PNG of so many steps per unit, 0 = not measured, in "folder" and "webdataset".  Choose
        steps finer than the recipe's ``mask_threshold``: what is marked must not vanish.
    compression : {"none", "default", "small"}
        Of colour and depth, without loss: "none" writes PNG uncompressed, about ten times as fast; "small" PNG with all
        filters, and float32 TIFF half as large by deflate with a predictor, which tifffile reads only where imagecodecs
        is installed.  Masks always compress.
    workers : int
        Processes; 0 works in this one.  Scripts that use workers need ``if __name__ == "__main__":``.
    limit : int, optional
        Stop after the first ``limit`` samples of the full listing.
    task, tasks : int, optional
        Make one of so many parts, ``task`` being 0 … ``tasks - 1``, beside other processes that make the others in the
        same folder; then `das3d_aug.generation.merge` writes what a single run would have.  All other arguments are
        those of the whole.  Time and memory follow the part, not the whole.
    progress : callable, optional
        Called with (samples done, samples asked for), of the part that this process makes.

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
    if shard_size > _MOST:
        raise ParameterError(f"shard_size must be an integer of at most {_MOST}, got {shard_size}")
    if count is not None and per_image != 1:
        raise ParameterError("count= takes the place of per_image= here; give one of them")
    check_task(task, tasks)
    check_option("compression", compression, COMPRESSIONS)
    check_option("foreground", foreground, ("auto", "all", "plane"))
    if format is not None and format not in FORMATS:
        raise ParameterError(f"format must be one of {', '.join(FORMATS)}, got {format!r}")
    recipe = recipe or Recipe()
    if donors:
        check_takes(recipe, "donors=True")
    shape = parse_size(size)
    source, out = Path(source), place(out)
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
    if isinstance(out, Remote) and not target.sharded:
        raise ParameterError(f"format must be 'webdataset' in a store, where a request costs, got {written_as!r}")
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
        compression=compression,
        foreground=foreground,
        out=out,
    )
    job.dataset.entries = ()  # a batch brings its own entries
    # Everything on which the bytes depend, but for the source files: their digests are in the recipes.
    settings = {
        "version": das3d_aug.__version__,
        "layout": dataset.layout,
        "options": dataset_options,
        "source": digest(to_json(_listed(entries))),
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
        **({} if compression == "default" else {"compression": compression}),
        **({} if foreground == "auto" else {"foreground": foreground}),
        **({"donors": True} if donors else {}),
    }
    asked = total if limit is None else min(limit, total)
    mine = units(job, asked) if task is None or tasks is None else units(job, asked, task=task, tasks=tasks)
    todo = samples_in(job, asked, mine)
    about: dict[str, Any] = {
        "how": dataset.how,
        "left_out": sum(map(dataset.is_anomalous, dataset.entries)),
        "source_warnings": [(str(source), sentence) for sentence in dataset.warnings],
    }
    tally = Tally()
    with sole_writer(out) if tasks is None else joint_writer(out):
        claim(out, source=source, textures=textures, settings=settings, alone=tasks is None)
        if task is not None and tasks is not None:
            begin_part(out, task=task, tasks=tasks)
        write_files(out, job.common)
        chosen = choose_donors(entries, seed) if donors else None
        work = batches(job, entries, chosen, asked, mine, tally)
        with contextlib.closing(unordered_map(partial(make, job), work, workers=workers)) as done:
            for part in done:
                tally.add(part)
                if progress is not None:
                    progress(tally.written + tally.kept, todo)
        if progress is not None:
            progress(tally.written + tally.kept, todo)
        if task is not None and tasks is not None:
            collected = write_part(job, entries, mine, tally, task=task, division=Division(tasks, asked), about=about)
        else:
            collected = Collected()
            write_manifest(out, listed(out, job.common, present(job, entries), note=collected.add), settings)
            remove_parts(out)
    return Summary.of(
        tally,
        collected,
        out=out,
        layout=dataset.layout,
        format=written_as,
        probability=recipe.probability,
        **about,
    )


def _listed(entries: tuple[Entry, ...]) -> list[Any]:
    """Return the keys of the sources; with their files' roles if one lacks what others have: it may be lost."""
    if len({frozenset(entry.files) for entry in entries}) == 1:
        return [entry.key for entry in entries]
    return [(entry.key, sorted(entry.files)) for entry in entries]


def _first_readable(dataset: Dataset, entries: tuple[Entry, ...]) -> Sample:
    failures = []
    for entry in entries:
        try:
            return dataset.open(entry)
        except FileError as error:  # reported when its turn comes
            failures.append(error)
    raise FileError(failures[0].path, f"{failures[0].reason} (nor can any other normal sample be read)")
