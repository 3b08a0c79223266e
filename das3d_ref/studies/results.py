"""Results of a benchmark as records and tables, the paper's rows beside ours where they are of the same data set.

A record is what one ``evaluation.json`` says; a table has the shape of the paper's Tables 1–4: a row a method or mode,
a column a category, and their mean.  Ours is the mean ± standard deviation (n − 1) over seeds.  The mean over
categories is taken of each seed first, and only where every category was measured.  The paper's rows come from
``paper_results.toml``; each row says where it is from.
"""

from __future__ import annotations

import csv
import io
import statistics
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from das3d_aug.datasets import Dataset
from das3d_aug.errors import FileError, quoted
from das3d_aug.files import read_json, write_atomic
from das3d_aug.runs.output_folder import to_json
from das3d_ref.metrics import FIGURES
from das3d_ref.studies.table_formats import MISSING, Table, cell_text

__all__ = [
    "MODALITIES",
    "DataSet",
    "Result",
    "common_protocol",
    "discrepancies",
    "figure_table",
    "over_seeds",
    "paper_results",
    "read_result",
    "spread",
    "stamp",
    "write_results",
]

MODALITIES = {"rgb": "RGB only", "depth": "3D only", "rgbd": "RGB+3D"}
"""The modes by the paper's names, in the order of its tables."""


@dataclass(frozen=True)
class DataSet:
    """What was tested on.

    Attributes
    ----------
    name : str
        "MVTec 3D-AD" or "Eyecandies", or the name of the folder.
    categories : tuple of str
        All of them, also those that were not asked for.
    test_images : int
        Over all categories.
    paper : str or None
        The paper's data set whose ten categories it has, whose rows stand beside ours; None for any other.
    """

    name: str
    categories: tuple[str, ...]
    test_images: int
    paper: str | None = None

    @classmethod
    def of(cls, dataset: Dataset) -> DataSet:
        """Recognise a data set by its categories; images without one count as the category "all".

        It is called by its published name if it has as many test images as are published, too.
        """
        folder = dataset.root.resolve().name
        names = {entry.category or "all" for entry in dataset.entries}
        count = sum(entry.split == "test" for entry in dataset.entries)
        for paper, known in paper_results()["data"].items():
            if names == set(known["categories"]):
                name = paper if count == known["test_images"] else f"{folder} (named as {paper})"
                return cls(name, tuple(known["categories"]), count, paper)
        return cls(folder, tuple(sorted(names)), count)

    def __str__(self) -> str:
        text = f"{self.name}, {self.test_images} test images"
        if self.paper in (None, self.name):
            return text
        published = paper_results()["data"][self.paper]["test_images"]
        return f"{text}: NOT {self.paper}, of which {published} are published; ours and the paper's rows do not compare"


@dataclass(frozen=True, kw_only=True)
class Result:
    """What one evaluation found.

    Attributes
    ----------
    data, category, mode : str
    seed : int
    figures : mapping of str to float or None
        Named as in `das3d_ref.metrics.FIGURES`; None: cannot be said, since one class is missing.
    protocol : mapping
        Of the evaluation.
    versions : mapping of str to str
        Of the packages that made the detector.
    """

    data: str
    category: str
    mode: str
    seed: int
    figures: Mapping[str, float | None]
    protocol: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)


def read_result(
    path: Path, *, data: str, category: str, mode: str, seed: int, versions: Mapping[str, str] | None = None
) -> Result:
    """Read an ``evaluation.json``.

    Raises
    ------
    FileError
        If it is missing, or not one.
    """
    found = read_json(path)
    figures, protocol = found.get("figures"), found.get("protocol")
    if not isinstance(figures, dict) or not isinstance(protocol, dict):
        raise FileError(path, "is no evaluation (figures, protocol); remove it and run the same command again")
    for name, figure in figures.items():
        if figure is not None and (isinstance(figure, bool) or not isinstance(figure, (int, float))):
            raise FileError(path, f"figure {name} must be a number or null, got {quoted(figure)}")
    return Result(
        data=data,
        category=category,
        mode=mode,
        seed=seed,
        figures=figures,
        protocol=protocol,
        versions=versions or {},
    )


def paper_results() -> dict[str, Any]:
    """Return the paper's Tables 1–6 (``paper_results.toml``)."""
    return tomllib.loads((resources.files("das3d_ref.studies") / "paper_results.toml").read_text(encoding="utf-8"))


def figure_table(data: DataSet, results: Sequence[Result], figure: str, *, detector: str) -> Table:
    """Return the table of one figure; beside ours the paper's rows, if it has them for this data set.

    Parameters
    ----------
    data : DataSet
    results : sequence of Result
        Of this data set and one configuration.
    figure : str
        One of `das3d_ref.metrics.FIGURES`.
    detector : str
        What ours is, in a sentence.
    """
    tables = [table for table in paper_results()["tables"] if (table["data"], table["figure"]) == (data.paper, figure)]
    paper = tables[0] if tables else None
    columns = paper["columns"] if paper else [*data.categories, "Mean"]
    source = "measured here" if data.paper in (None, data.name) else f"measured here, not on {data.paper}"
    asked = {result.seed for result in results}
    rows = []
    for mode, modality in MODALITIES.items():
        if paper:
            origin = f"paper, Table {paper['number']}"
            printed = [row for row in paper["rows"] if row[0] == modality]
            rows += [(modality, name, origin, *(f"{value:.3f}" for value in row)) for _, name, *row in printed]
        ours = [result for result in results if result.mode == mode]
        values = [over_seeds(ours, [category], figure) for category in data.categories]
        means = over_seeds(ours, data.categories, figure)
        rows.append((modality, "das3d-ref", source, *(spread(cell, asked) for cell in (*values, means))))
    title = f"{figure} on {data.name}" if paper is None else f"{figure} on {data.name}, as Table {paper['number']}"
    notes = [f"das3d-ref: {detector}, {len(asked)} seed{'s' * (len(asked) != 1)}. Data: {data}."]
    if paper:
        if paper["metric"] != figure:
            notes.append(f"The paper calls its figure {paper['metric']} and does not state its limit.")
        notes += discrepancies(paper)
    return Table(title, ("Input", "Method", "Source", *columns), tuple(rows), tuple(notes))


def discrepancies(table: Mapping[str, Any]) -> list[str]:
    """Tell in which rows of a table of the paper the mean is not that of the classes, whatever the rounding."""
    found = []
    for modality, name, *classes, mean in table["rows"]:
        computed = statistics.fmean(classes)
        if abs(computed - mean) > 0.001:  # half a unit of the last digit for the classes, and half for the mean
            found.append(
                f"In the paper the mean of {name} ({modality}) is {mean:.3f}; that of its ten printed values is "
                f"{computed:.3f}."
            )
    return found


def over_seeds(results: Iterable[Result], categories: Sequence[str], figure: str) -> dict[int, float | None]:
    """Return the mean over categories of each seed for which all of them have the figure; None if it is undefined."""
    seeds: dict[int, dict[str, float | None]] = {}
    for result in results:
        if result.category in categories and figure in result.figures:
            seeds.setdefault(result.seed, {})[result.category] = result.figures[figure]
    return {seed: _mean(found.values()) for seed, found in sorted(seeds.items()) if len(found) == len(categories)}


def _mean(values: Iterable[float | None]) -> float | None:
    known = []
    for value in values:
        if value is None:
            return None
        known.append(value)
    return statistics.fmean(known)


def spread(found: Mapping[int, float | None], asked: Iterable[int]) -> str:
    """Return mean ± standard deviation over seeds as text, with their number where it is not that of ``asked``."""
    values = [value for value in found.values() if value is not None]
    if not values:
        return "undefined" if found else MISSING
    text = f"{statistics.fmean(values):.3f}"
    if len(values) > 1:
        text += f" ± {statistics.stdev(values):.3f}"
    seeds = len(set(asked))
    return text if len(values) == seeds else f"{text} ({len(values)} of {seeds} seeds)"


def write_results(
    out: Path, data: DataSet, results: Sequence[Result], *, detector: str, config: Mapping[str, Any]
) -> None:
    """Write ``results.json``, ``results.csv``, ``tables.md`` and ``tables.tex``; equal results give equal bytes.

    Each file says what was tested on, by what, and what the evaluations have in common.

    Parameters
    ----------
    out : pathlib.Path
    data : DataSet
    results : sequence of Result
        In any order.
    detector : str
        What ours is, in a sentence.
    config : mapping
        What the cells share of their configuration, as nested plain values; for ``results.json``.

    Raises
    ------
    FileError
        If a file cannot be written.
    """
    ordered = sorted(results, key=lambda result: (result.category, result.mode, result.seed))
    stamped = {"data": str(data), "detector": detector, **common_protocol(ordered)}
    tables = [figure_table(data, ordered, figure, detector=detector) for figure in FIGURES]
    lines = stamp(stamped)
    records = [vars(result) for result in ordered]
    markdown = [
        f"# {data.name}\n",
        "".join(f"- {line}\n" for line in lines),
        *(table.to_markdown() for table in tables),
    ]
    latex = ["".join(f"% {line}\n" for line in ["needs the package booktabs", *lines])]
    latex += [table.to_latex() for table in tables]
    write_atomic(out / "results.json", to_json({"protocol": stamped, "config": config, "results": records}))
    write_atomic(out / "results.csv", _csv(ordered, lines))
    write_atomic(out / "tables.md", "\n".join(markdown).encode())
    write_atomic(out / "tables.tex", "\n".join(latex).encode())


def common_protocol(results: Sequence[Result]) -> dict[str, Any]:
    """Return what the evaluations of all results agree on, and the versions behind them."""
    if not results:
        return {}
    first = results[0].protocol
    agreed = {name: first[name] for name in first if all(r.protocol.get(name) == first[name] for r in results)}
    versions = [dict(found) for found in sorted({tuple(sorted(result.versions.items())) for result in results})]
    return {**agreed, "versions": versions[0] if len(versions) == 1 else versions}


def _csv(results: Sequence[Result], protocol: Sequence[str]) -> bytes:
    """Return a line a figure under comment lines with the protocol."""
    stream = io.StringIO()
    stream.writelines(f"# {line}\n" for line in protocol)
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["data", "category", "mode", "seed", "figure", "value"])
    for result in results:
        for name, value in result.figures.items():
            text = "" if value is None else repr(float(value))
            writer.writerow([result.data, result.category, result.mode, result.seed, name, text])
    return stream.getvalue().encode()


def stamp(protocol: Mapping[str, Any]) -> list[str]:
    """Return a protocol as lines of text."""
    return [f"{name}: {cell_text(value)}" for name, value in protocol.items()]
