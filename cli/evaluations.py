"""How the figures of an evaluation are printed and kept."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .progress import progress_bar
from .voice import voice

__all__ = ["show_baselines", "show_figures", "write_evaluation"]


def show_figures(evaluation: Any) -> None:
    """Print a table: of each figure the name, the value, and the 95 % interval where there is one."""
    said, width = voice(), max(map(len, ("figure", *evaluation.figures)))
    said.tell(figures=evaluation.figures, intervals=evaluation.intervals, protocol=evaluation.protocol)
    said.say(f"{'figure':{width}}  value   {'95 % interval' if evaluation.intervals else ''}".rstrip())
    for name, figure in evaluation.figures.items():
        line = f"{name:{width}}  " + ("not defined" if figure != figure else f"{figure:.4f}")
        if name in evaluation.intervals:
            low, high = evaluation.intervals[name]
            line += f"  {low:.4f} … {high:.4f}"
        said.say(line)
    how = str(evaluation.protocol.get("intervals", ""))
    if "none" in how:
        said.say(f"95 % intervals: {how}")


def show_baselines(evaluation: Any, results: Any) -> list[Any]:
    """Print what simple methods reach beside the detector, warn where one is better; return the report's tables."""
    from das3d_ref.evaluation.comparison import beside

    said, (tables, compared) = voice(), beside(evaluation, results)
    said.tell(
        baselines={name: result.evaluation.figures for name, result in results.items()},
        compared=[one._asdict() for one in compared],
    )
    _, head, rows = tables[0]
    width = max(len(row[0]) for row in rows)
    said.say("")
    for row in (head, *rows):
        said.say("  ".join([f"{row[0]:{width}}", *(f"{cell:9}" for cell in row[1:])]).rstrip())
    for one in compared:
        if not one.lost:
            said.say(str(one))
    said.warn([("a simple method", str(one)) for one in compared if one.lost], what="figures")
    return tables


def write_evaluation(
    evaluation: Any, out: Path, dataset: Any, *, what: tuple[Path, Path, str | None], tables: Sequence[Any] = ()
) -> None:
    """Write report.html, figures/ and, last, evaluation.json beside the maps that the evaluation left in ``out``.

    The day goes into the record, and from there into the report's title: a report written again from the record has
    the same bytes.

    Parameters
    ----------
    evaluation : das3d_ref.Evaluation
    out : pathlib.Path
    dataset : das3d_aug.datasets.Dataset
        The images that were judged, by the same keys.
    what : (pathlib.Path, pathlib.Path, str or None)
        What was judged, a detector or maps; the data; and the category, where one was named.
    tables : sequence of tables
        What the report shows besides (`das3d_ref.evaluation.report.write_report`).
    """
    from das3d_aug.files import read_plane, write_atomic
    from das3d_ref.evaluation.figures import write_figures
    from das3d_ref.evaluation.report import write_report

    judged, data, category = what
    evaluation = replace(evaluation, date=_today())
    entries = {entry.key: entry for entry in dataset.entries}
    with progress_bar("report") as progress:
        write_report(
            out / "report.html",
            evaluation,
            title=f"{category or data.name}: {judged} on {data}, {evaluation.date}",
            open_sample=lambda key: dataset.open(entries[key]),
            open_map=lambda key: read_plane(out / "maps" / f"{key}.tiff"),
            tables=tables,
            progress=progress,
        )
    write_figures(out, dataset, out / "figures", evaluation=evaluation)
    write_atomic(out / "evaluation.json", evaluation.to_json())  # last: who has it has all
    voice().tell(out=out)
    voice().say(f"{out}: report.html, figures/, maps/ and evaluation.json written")


def _today() -> str:
    """Return the day in UTC; that of SOURCE_DATE_EPOCH where it is set (reproducible-builds.org)."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    now = datetime.fromtimestamp(int(epoch), UTC) if epoch.isdecimal() else datetime.now(UTC)
    return now.date().isoformat()
