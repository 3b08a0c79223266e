"""The page: which samples it shows, and the file that holds them."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from das3d_aug._arguments import check_whole
from das3d_aug.datasets import Dataset, Entry, open_dataset
from das3d_aug.errors import Das3dError, FileError, ParameterError, counted
from das3d_aug.files import open_atomic
from das3d_aug.gallery.encode import Pool, as_json, ramp
from das3d_aug.gallery.samples import described
from das3d_aug.generation.records import Records
from das3d_aug.synthesis.kinds import kind_named

__all__ = ["Gallery", "write_gallery"]

_SCRIPTS = ("data.js", "pictures.js", "relief.js", "views.js", "viewer.js", "grid.js")
_ABOUT = {"skewed": "the paper's kind: blots of Perlin noise with skewed flanks, filled with a foreign texture"}


@dataclass(frozen=True, kw_only=True)
class Gallery:
    """What a page shows.

    Attributes
    ----------
    out : pathlib.Path
        The page.
    shown, there : int
        Samples on the page, and samples that it was chosen from: the anomalous ones, or all where none is.
    with_before : int
        Samples of those shown beside the good one that they were made of.
    bytes : int
        Size of the page.
    failures : tuple of (sample, reason)
        Samples that cannot be shown.
    warnings : tuple of (sample, reason)
        Samples of which something is odd.
    """

    out: Path
    shown: int
    there: int
    with_before: int
    bytes: int
    failures: tuple[tuple[str, str], ...]
    warnings: tuple[tuple[str, str], ...]


def write_gallery(
    source: str | Path,
    out: str | Path,
    *,
    limit: int = 60,
    side: int = 256,
    layout: str | None = None,
    progress: Callable[[int, int], None] | None = None,
    **dataset_options: Any,
) -> Gallery:
    """Write one HTML page to look through the samples of a folder; it needs no network and no other file.

    Each sample opens large: colour, depth, lit surface, change, mask and a surface to turn.  A folder that
    `das3d_aug.generation.generate` wrote shows each defect's kind, its numbers, the command that makes it again and,
    where the sources are still there, the good part it was put on.  Labelled samples of other sets are shown as they
    are.

    Parameters
    ----------
    source : path
        A folder in any layout that `das3d_aug.datasets.open_dataset` reads.
    out : path
        The HTML file.  An older one is replaced when the new one is whole.
    limit : int
        How many samples at most, spread evenly over the anomalous ones, or over all where none is.
    side : int
        The longest side of the pictures, 16 … 2048 pixels; larger images are scaled down, and the page says so.
    layout, **dataset_options
        As for `das3d_aug.datasets.open_dataset`.
    progress : callable, optional
        Called with (samples done, samples asked for).

    Returns
    -------
    Gallery

    Raises
    ------
    ParameterError
        If an argument has a wrong range.
    FileError
        If ``out`` cannot be written, is no regular file, or lies in a folder that is read; or there is no sample.
    Das3dError
        If none of the samples can be shown: what the first one raised.
    """
    limit, side = check_whole("limit", limit, 1, 100_000), check_whole("side", side, 16, 2048)
    source, out = Path(source), Path(out)
    dataset = open_dataset(source, layout=layout, **dataset_options)
    records = Records(dataset, source.as_posix())
    _keep_outside(out, source, *([] if records.origins is None else [records.origins.place]))
    entries, passed_over = _anomalous(dataset)
    chosen = np.unique(np.linspace(0, len(entries) - 1, min(limit, len(entries))).round().astype(int))
    pool, samples = Pool(), []
    failures: list[tuple[str, Das3dError]] = []
    odd = [(str(source), sentence) for sentence in dataset.warnings]
    with open_atomic(out) as stream:  # at once, so that what cannot be written costs nothing
        for done, index in enumerate(chosen, start=1):
            entry = entries[index]
            try:
                sample = dataset.open(entry)
                samples.append(described(entry, sample, records, pool, side=side))
                odd += [(entry.key, sentence) for sentence in sample.warnings]
            except Das3dError as error:
                failures.append((entry.key, error))
            if progress is not None:
                progress(done, len(chosen))
        if not samples:
            raise failures[0][1]
        told = _told(dataset, samples, there=len(entries), passed_over=passed_over, failed=len(failures))
        data = _page(source.resolve().name, told, samples, pool).encode("utf-8", "backslashreplace")
        stream.write(data)
    return Gallery(
        out=out,
        shown=len(samples),
        there=len(entries),
        with_before=sum(not sample["why"] for sample in samples),
        bytes=len(data),
        failures=tuple((key, str(error)) for key, error in failures),
        warnings=tuple(odd),
    )


def _keep_outside(out: Path, *read: Path) -> None:
    for folder in read:
        if out.resolve().is_relative_to(folder.resolve()):
            raise FileError(out, f"lies in {folder}, which is read; write the page elsewhere")


def _anomalous(dataset: Dataset) -> tuple[Sequence[Entry], int]:
    """Return the anomalous samples, and how many others there are; all samples where none is anomalous."""
    entries = [entry for entry in dataset.entries if dataset.is_anomalous(entry)]
    if not dataset.entries:
        raise FileError(dataset.root, f"has no sample (layout {dataset.layout})")
    return (entries, len(dataset) - len(entries)) if entries else (dataset.entries, 0)


def _told(
    dataset: Dataset, samples: Sequence[dict[str, Any]], *, there: int, passed_over: int, failed: int
) -> list[str]:
    """Say in sentences what the page shows and what it does not."""
    told = [f"{len(samples)} of {counted(there, 'sample')}, read as the layout {dataset.layout}."]
    if passed_over:
        told.append(f"{counted(passed_over, 'normal sample')} left out.")
    if failed:
        told.append(f"{counted(failed, 'sample')} cannot be shown; the command said why.")
    scaled = [sample for sample in samples if list(sample["size"]) != sample["full"]]
    if scaled:
        largest = max(scaled, key=lambda sample: sample["full"])
        sizes = [" × ".join(map(str, largest[name])) for name in ("full", "size")]
        told.append(f"Pictures are scaled down, such as {sizes[0]} px to {sizes[1]}; the numbers are of the full size.")
    reasons = {sample["why"] for sample in samples}
    if "" not in reasons:
        told.append(f"No before: {sorted(reasons)[0]}.")
    return told


def _page(title: str, told: Sequence[str], samples: Sequence[dict[str, Any]], pool: Pool) -> str:
    """Return the text of the page."""
    about = {}
    for kind in sorted({kind for sample in samples if sample["command"] for kind in sample["kinds"]}):
        try:
            about[kind] = _ABOUT[kind] if kind in _ABOUT else kind_named(kind).about
        except ParameterError:  # of a plug-in that is not here
            continue
    data = {"samples": samples, "pictures": pool.urls, "about": about, "ramp": ramp()}
    folder = files("das3d_aug.gallery") / "browser"
    parts = {
        "style": (folder / "page.css").read_text("utf-8"),
        "script": "\n".join((folder / name).read_text("utf-8") for name in _SCRIPTS),
        "title": html.escape(title),
        "told": html.escape(" ".join(told)),
        "data": as_json(data),
    }
    page = (folder / "page.html").read_text("utf-8")
    pieces = page.split("@@")  # text, name, text, name, …: what is put in is not looked at again
    return "".join(parts[piece] if position % 2 else piece for position, piece in enumerate(pieces))
