"""All categories, modes and seeds of a data set, each a cell that is trained and tested on its own.

::

    benchmark.json                          what all cells share; a folder of another configuration is refused
    prepared/                               the images, prepared once
    cells/<category>/<mode>-<seed>/         model/, evaluation/ and log.txt
    results.json, results.csv, tables.md, tables.tex

A cell that has its ``evaluation/evaluation.json`` is finished and is not run again; one that was interrupted goes on
from its last validation.  The tables are of all finished cells in the folder, and are written anew after each.
"""

from __future__ import annotations

import contextlib
import os
import re
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from das3d_aug.datasets import Dataset, open_dataset
from das3d_aug.errors import Das3dError, FileError, ParameterError
from das3d_aug.files import read_json, sweep_partials, write_atomic
from das3d_aug.runs.output_folder import differences, keep_apart, sole_writer, to_json
from das3d_ref.studies.cells import Cell, Study, run_cell
from das3d_ref.studies.results import DataSet, Result, read_result, write_results

__all__ = ["MODES", "Benchmark", "benchmark"]

MODES = ("rgbd", "depth", "rgb")
"""All modes, in the order in which they are run."""

_FORMAT = 1
_HEADER = "benchmark.json"
_CELL = re.compile(r"(rgbd|depth|rgb)-(\d+)")

Run = Callable[[Cell, threading.Event], None]
Progress = Callable[[int, int, str], None]
Report = Callable[[str], None]


@dataclass(frozen=True)
class Benchmark:
    """What a benchmark's folder holds.

    Attributes
    ----------
    data : DataSet
    results : tuple of Result
        Of all finished cells, also those of earlier runs.
    failures : tuple of (cell, reason)
        Those of this run that failed.
    """

    data: DataSet
    results: tuple[Result, ...]
    failures: tuple[tuple[str, str], ...]


def benchmark(
    study: Study,
    out: str | Path,
    *,
    categories: Sequence[str] = (),
    modes: Sequence[str] = MODES,
    seeds: Sequence[int] = (0,),
    processes: int = 1,
    cache: Path | None = None,
    run: Run = run_cell,
    progress: Progress | None = None,
    report: Report | None = None,
) -> Benchmark:
    """Run all cells that are not finished; one that fails does not stop the others.

    Parameters
    ----------
    study : Study
    out : path
        The folder for all of it.
    categories : sequence of str
        Those to run; none: all.
    modes : sequence of str
    seeds : sequence of int
    processes : int
        Cells at a time; with several, each gets its share of the cores (``OMP_NUM_THREADS``, unless that is set).
    cache : pathlib.Path, optional
        Where prepared images are kept; ``prepared/`` in ``out`` without it.
    run : callable
        Takes a cell and an event: writes ``cell.evaluation`` or raises `Das3dError`, and returns soon once the event is
        set.
    progress : callable, optional
        Called with (cells done, cells in all, "cell 3/30 bagel rgb seed 0") when one begins.
    report : callable, optional
        Called with a line about each cell that ends.

    Raises
    ------
    FileError
        If the data cannot be read, or ``out`` cannot be written, is in use, or holds something else, such as a
        benchmark of another configuration.
    ParameterError
        If there is no such category, mode or seed, or a category has no image to test.
    """
    if processes < 1:
        raise ParameterError(f"processes must be at least 1, got {processes!r}")
    if not modes or not seeds:
        raise ParameterError("modes and seeds must not be empty")
    for mode in modes:
        for seed in seeds:
            study.config(mode, seed)
    out = Path(out)
    keep_apart(out, study.data)
    dataset = open_dataset(study.data, **study.options)
    data = DataSet.of(dataset)
    asked = [
        Cell(
            study=study,
            category=name,
            mode=mode,
            seed=seed,
            folder=out / "cells" / name / f"{mode}-{seed}",
            cache=cache or out / "prepared",
            threads=None if processes == 1 else max(1, (os.cpu_count() or 1) // processes),
        )
        for seed in dict.fromkeys(seeds)
        for name in _chosen(dataset, data, categories)
        for mode in dict.fromkeys(modes)
    ]
    with _claimed(out, study):
        results, failures = _tabulate(out, data, study), []
        with contextlib.closing(_run_all(asked, run, processes, progress)) as ended:
            for done, reason in ended:
                if reason is not None:
                    failures.append((str(done), reason))
                results = _tabulate(out, data, study)
                if report is not None:
                    report(f"{done}: {_said(done, results) if reason is None else 'failed'}")
    return Benchmark(data, results, tuple(failures))


def _chosen(dataset: Dataset, data: DataSet, categories: Sequence[str]) -> list[str]:
    """Return the categories to run, having checked that each has something to test."""
    for name in categories:
        if name not in data.categories:
            raise ParameterError(f"category {name!r} is not in {dataset.root}; there are {', '.join(data.categories)}")
    chosen = [name for name in data.categories if not categories or name in categories]
    tested = {entry.category or "all" for entry in dataset.entries if entry.split == "test"}
    if untested := [name for name in chosen if name not in tested]:
        raise ParameterError(f"category {untested[0]!r} of {dataset.root} has no test images")
    return chosen


@contextlib.contextmanager
def _claimed(out: Path, study: Study) -> Iterator[None]:
    """Keep the folder to this run: write down what it is of, or check that it is of the same."""
    source = Path(os.path.relpath(study.data.resolve(), out.resolve())).as_posix()
    about = {"format": _FORMAT, "source": source, "options": dict(study.options), **study.shared()}
    path = out / _HEADER
    with sole_writer(out, header=_HEADER):
        sweep_partials(out)
        if not path.is_file():
            write_atomic(path, to_json(about))
        if other := differences(path, about):
            raise FileError(out, f"holds a benchmark with other {', '.join(other)}; use another folder")
        yield


def _run_all(
    cells: Sequence[Cell], run: Run, processes: int, progress: Progress | None
) -> Generator[tuple[Cell, str | None]]:
    """Run what is not finished; yield each cell that ends, with the reason if it failed."""
    stop = threading.Event()

    def work(number: int, cell: Cell) -> None:
        if progress is not None:
            progress(number - 1, len(cells), f"cell {number}/{len(cells)} {cell}")
        run(cell, stop)

    pool = ThreadPoolExecutor(processes)
    try:
        futures = {
            pool.submit(work, number, cell): cell
            for number, cell in enumerate(cells, start=1)
            if not cell.evaluation.is_file()
        }
        for future in as_completed(futures):
            error = future.exception()
            if error is not None and not isinstance(error, (Das3dError, OSError)):
                raise error
            yield futures[future], None if error is None else str(error)
    finally:
        stop.set()
        pool.shutdown(cancel_futures=True)


def _tabulate(out: Path, data: DataSet, study: Study) -> tuple[Result, ...]:
    """Read all finished cells in the folder and write the tables of them."""
    results = []
    for path in sorted(out.glob("cells/*/*/evaluation/evaluation.json")):
        folder = path.parent.parent
        if (named := _CELL.fullmatch(folder.name)) is None:
            continue
        detector = folder / "model" / "detector.json"
        results.append(
            read_result(
                path,
                data=data.name,
                category=folder.parent.name,
                mode=named[1],
                seed=int(named[2]),
                versions=read_json(detector, finite=False).get("versions") if detector.is_file() else None,
            )
        )
    write_results(out, data, results, detector=str(study), config=study.shared())
    return tuple(results)


def _said(cell: Cell, results: Sequence[Result]) -> str:
    """Return the main figures of a finished cell."""
    key = (cell.category, cell.mode, cell.seed)
    figures = next(found.figures for found in results if (found.category, found.mode, found.seed) == key)
    shown = ((name, figures.get(name)) for name in ("I-AUROC", "AUPRO@0.3"))
    return ", ".join(f"{name} {value:.3f}" for name, value in shown if value is not None) or "tested"
