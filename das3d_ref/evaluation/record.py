"""What an evaluation found: figures, images, and the protocol that they depend on."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from das3d_aug._arguments import as_float
from das3d_aug.errors import FileError
from das3d_aug.files import read_json
from das3d_aug.runs.output_folder import to_json

__all__ = ["Evaluation", "Table"]

Table = tuple[str, Sequence[str], Iterable[Sequence[Any]]]
"""Caption, header and rows; the first cell of a row names it."""

_COLUMNS = ("key", "defect", "label", "score", "verdict")


@dataclass(frozen=True)
class Evaluation:
    """Figures on a test set, and what they were made of.

    Attributes
    ----------
    figures : dict
        As `das3d_ref.metrics` names them; the I-AUROC alone if an anomalous image has no mask.
    images : tuple of dict
        ``key``, ``defect``, ``label``, ``score`` and ``verdict`` of each image; without a threshold no verdict (None).
    protocol : dict
        What the figures depend on beside detector and data.
    intervals : dict
        (low, high) of figures, as `das3d_ref.metrics.measure` finds them.
    curves : dict
        (x, y) of ``ROC`` and ``PRO``, as `das3d_ref.metrics.measure` finds them.
    date : str
        The day on which the command line measured, ``2026-11-29``; empty otherwise.  No figure depends on it.
    replicates : dict
        Figures of the draws behind the intervals, as `das3d_ref.metrics.measure` finds them; not kept in files.
    """

    figures: dict[str, float]
    images: tuple[dict[str, Any], ...]
    protocol: dict[str, Any]
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)
    curves: dict[str, tuple[list[float], list[float]]] = field(default_factory=dict)
    date: str = ""
    replicates: dict[str, NDArray[np.float64]] = field(default_factory=dict, repr=False, compare=False)

    def __repr__(self) -> str:
        bad = sum(bool(image["label"]) for image in self.images)
        said = ", ".join(f"{name} {figure:.3f}" for name, figure in self.figures.items())
        return f"Evaluation({said}; {len(self.images) - bad} good and {bad} anomalous images)"

    def _repr_html_(self) -> str:
        """Return the figures with their intervals as a table, for notebooks."""
        rows = []
        for name, figure in self.figures.items():
            low, high = self.intervals.get(name, (math.nan, math.nan))
            span = "" if math.isnan(low) else f"{low:.3f} … {high:.3f}"
            rows.append(f"<tr><th>{name}</th><td>{figure:.3f}</td><td>{span}</td></tr>")
        return f"<table><tr><th>figure</th><th>value</th><th>95 %</th></tr>{''.join(rows)}</table>"

    def to_json(self) -> bytes:
        """Return all of it as JSON; a figure that cannot be said is null."""
        figures = {name: None if math.isnan(figure) else figure for name, figure in self.figures.items()}
        kept = {name: value for name, value in vars(self).items() if name != "replicates"}
        return to_json({**kept, "figures": figures})

    @classmethod
    def from_json(cls, data: bytes, *, path: str | Path = "evaluation.json") -> Self:
        """Read what `to_json` wrote.

        Parameters
        ----------
        data : bytes
        path : path
            Where it comes from, for errors.

        Raises
        ------
        FileError
            If it is something else.
        """
        values = read_json(path, data=data)
        try:
            return cls(
                figures={
                    name: math.nan if figure is None else as_float(name, figure)
                    for name, figure in values["figures"].items()
                },
                images=tuple(
                    {name: image[name] for name in _COLUMNS} | {"score": as_float("score", image["score"])}
                    for image in values["images"]
                ),
                protocol=values["protocol"],
                intervals={
                    name: (as_float(name, low), as_float(name, high))
                    for name, (low, high) in values["intervals"].items()
                },
                curves={name: (x, y) for name, (x, y) in values["curves"].items()},
                date=str(values.get("date", "")),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise FileError(path, "is not an evaluation as das3d-ref writes it") from error
