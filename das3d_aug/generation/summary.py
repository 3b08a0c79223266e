"""What `das3d_aug.generation.generate` and `das3d_aug.generation.merge` return."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Self

from das3d_aug.errors import counted
from das3d_aug.files import Place
from das3d_aug.generation.breakdown import Breakdown, Collected
from das3d_aug.generation.making import Tally

__all__ = ["Summary"]


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What a run did, or one task of it; of `das3d_aug.generation.merge`, what all tasks left: nothing is written then.

    Attributes
    ----------
    out : pathlib.Path, or a place in a store
        The folder written to.
    layout, how : str
        The layout of the source and how it was recognised.
    format : str
        The format written.
    written, kept : int
        Samples made by this run, and samples that were complete before it.
    left_out : int or None
        Anomalous samples of the source, which are never used; None of a merge that finds all merged before.
    failures : tuple of (path, reason)
        Sources that could not be used, in the order of the listing.
    warnings : tuple of (how many, sentence)
        What is odd about the sources that this run read, and about all samples that are there, each sentence once.
    breakdown : Breakdown
        What is in the folder, the samples of this run and those that were complete before it; of a task, those of its
        own part.
    seconds : mapping
        Time spent in ``"reading"``, ``"synthesis"`` and ``"encoding and writing"``, summed over the workers.
    """

    out: Place
    layout: str
    how: str
    format: str
    written: int
    kept: int
    left_out: int | None
    failures: tuple[tuple[str, str], ...]
    warnings: tuple[tuple[str, str], ...]
    breakdown: Breakdown
    seconds: Mapping[str, float]

    @classmethod
    def of(
        cls,
        tally: Tally,
        collected: Collected,
        *,
        out: Place,
        layout: str,
        how: str,
        format: str,  # noqa: A002 (the name of the field)
        left_out: int | None,
        source_warnings: Iterable[tuple[str, str]],
        probability: float,
    ) -> Self:
        """Sum up what was done and what is there; ``source_warnings`` are known from listing the source."""
        return cls(
            out=out,
            layout=layout,
            how=how,
            format=format,
            written=tally.written,
            kept=tally.kept,
            left_out=left_out,
            failures=tuple(tally.failures[position] for position in sorted(tally.failures)),
            warnings=(
                *source_warnings,
                *((counted(len(positions), "source"), text) for text, positions in sorted(tally.warnings.items())),
                *collected.warnings(probability),
            ),
            breakdown=collected.breakdown(),
            seconds=tally.seconds,
        )
