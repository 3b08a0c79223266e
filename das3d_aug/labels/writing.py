"""A folder of images and labels, of the samples of another folder."""

from __future__ import annotations

import contextlib
import tempfile
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from das3d_aug._arguments import check_option
from das3d_aug.datasets import Dataset, Sample, open_dataset
from das3d_aug.errors import Das3dError, FileError, ParameterError
from das3d_aug.files import encode_png
from das3d_aug.generation.formats import colour_of
from das3d_aug.generation.records import Records
from das3d_aug.labels.formats import FORMATS, Format, Image
from das3d_aug.labels.instances import UNKNOWN, instances_of
from das3d_aug.runs.output_folder import HEADER, keep_apart, recorded_settings, write_files

__all__ = ["Labels", "write_labels"]

_DEPTH_ALONE = (
    "its defects are in depth alone, and the image does not show them; a recipe with dropout 0 makes none such"
)


@dataclass(frozen=True, kw_only=True)
class Labels:
    """What was written.

    Attributes
    ----------
    out : pathlib.Path
        The folder.
    format : str
        ``"coco"`` or ``"yolo"``.
    images : int
        Images, those of good parts too.
    instances : mapping of str to int
        How many there are of each category, in the order of their numbers; of "yolo" each region counts.
    failures : tuple of (sample, reason)
        Samples that are not in it.
    warnings : tuple of (sample, reason)
        Samples of which something is odd.
    """

    out: Path
    format: str
    images: int
    instances: Mapping[str, int]
    failures: tuple[tuple[str, str], ...]
    warnings: tuple[tuple[str, str], ...]


def write_labels(
    source: str | Path,
    out: str | Path,
    *,
    format: str = "coco",  # noqa: A002 (the name of the option)
    split: str | None = None,
    one_category: bool = False,
    layout: str | None = None,
    progress: Callable[[int, int], None] | None = None,
    **dataset_options: Any,
) -> Labels:
    """Write the samples of a folder as images with the outlines of their defects, to train a detector of objects.

    In a folder that `das3d_aug.generation.generate` wrote a defect is one of the plan's, found by rendering that
    again, and its category is its kind; where the source is gone, and in other sets, it is a region of the mask.

    Parameters
    ----------
    source : path
        A folder in any layout that `das3d_aug.datasets.open_dataset` reads.
    out : path
        A new folder, which is there when it is whole: ``images/*.png``, and

        * "coco": ``annotations.json``, an annotation a defect: polygons along the edges of pixels, or uncompressed
          runs (RLE) where it has a hole; ``file_name`` is seen from ``images/``;
        * "yolo": ``labels/*.txt``, a polygon for each region of a defect, holes cut open, and ``data.yaml``.
    format : {"coco", "yolo"}
    split : str, optional
        Only the samples of this split, as the layout names it.
    one_category : bool
        Call every defect "defect", so that sets with other kinds go together.
    layout, **dataset_options
        As for `das3d_aug.datasets.open_dataset`.
    progress : callable, optional
        Called with (samples done, samples asked for).

    Returns
    -------
    Labels

    Raises
    ------
    ParameterError
        If the format is unknown.
    FileError
        If ``out`` is there, cannot be written, or holds or lies in the source; or no sample is there or can be written.
    """
    check_option("format", format, tuple(FORMATS))
    source, out, written_as = Path(source), Path(out), FORMATS[format]
    keep_apart(out, source)
    dataset = open_dataset(source, layout=layout, **dataset_options)
    chosen = dataset.select(split=split)
    if not chosen.entries:
        there = ", ".join(sorted({entry.split for entry in dataset.entries} - {""})) or "no splits"
        raise FileError(source, f"has no sample in split={split!r}; there are {there}" if split else "has no sample")
    records = Records(dataset, source.as_posix())
    images: list[Image] = []
    failures: list[tuple[str, Das3dError]] = []
    odd = [(str(source), sentence) for sentence in dataset.warnings]
    with _new_folder(out) as folder:
        stems: set[str] = set()
        for done, entry in enumerate(chosen.entries, start=1):
            try:
                sample = dataset.open(entry)
                picture, image, told = _described(sample, records, written_as, one_category, stems)
                write_files(folder, {f"images/{image.stem}.png": picture})
                stems.add(image.stem)
                images.append(image)
                odd += [(entry.key, sentence) for sentence in told]
            except Das3dError as error:
                failures.append((entry.key, error))
            if progress is not None:
                progress(done, len(chosen))
        if not images:
            key, first = failures[0]
            raise FileError(source, f"has no sample that can be written; {key}: {first}")
        counted = Counter(kind for image in images for kind, _ in image.marked)
        categories = _categories(dataset, set(counted), one_category=one_category)
        write_files(folder, written_as.files(images, categories))
    return Labels(
        out=out,
        format=format,
        images=len(images),
        instances={name: counted[name] for name in categories},
        failures=tuple((key, str(error)) for key, error in failures),
        warnings=tuple(odd),
    )


def _described(
    sample: Sample, records: Records, written_as: Format, one_category: bool, taken: Collection[str]
) -> tuple[bytes, Image, list[str]]:
    """Return the picture of a sample, what is written of it, and what is odd about it."""
    colour = colour_of(sample)
    if colour is None:
        raise ParameterError("has no colour, and images of these formats have nothing else")
    if sample.mask is None:
        raise ParameterError("has no mask and no label that says it is good, so nothing tells where its defects are")
    stem = sample.entry.key.replace("/", "__")
    if stem in taken:
        raise ParameterError(f"would be the second sample called {stem}; rename it")
    record = records.of(sample.entry)
    instances, why = instances_of(sample, record, records)
    told = [*sample.warnings, *([why] if why else [])]
    if record is not None and record.modality == "depth":
        told.append(_DEPTH_ALONE)
    marked = [
        (UNKNOWN if one_category else instance.kind, drawn)
        for instance in instances
        for drawn in written_as.drawn(instance)
    ]
    return encode_png(colour), Image(key=sample.entry.key, stem=stem, shape=sample.shape, marked=marked), told


def _categories(dataset: Dataset, found: set[str], *, one_category: bool) -> list[str]:
    """Return the categories: of a generated set what its recipe can draw, so that their numbers do not go by chance."""
    if one_category:
        return [UNKNOWN]
    header = dataset.root / HEADER
    recipe = recorded_settings(header).get("recipe") if header.is_file() else None
    if not isinstance(recipe, dict):
        return sorted(found)
    kinds = recipe.get("kinds")
    planned = set(kinds) if isinstance(kinds, dict) else {"skewed"}
    return sorted(planned) + sorted(found - planned)


@contextlib.contextmanager
def _new_folder(out: Path) -> Iterator[Path]:
    """Yield a folder that becomes ``out`` at the end, and is gone if anything is raised."""
    try:
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise FileError(out, "is there already, and nothing is overwritten; name a new folder, or remove it")
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as beside:
            folder = Path(beside, "labels")  # which has the mode of a new folder, other than a temporary one
            folder.mkdir()
            yield folder
            folder.replace(out)
    except OSError as error:
        raise FileError(out, f"cannot be written: {error.strerror}") from error
