"""How gaps between sets of defects are printed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .voice import voice

__all__ = ["show_gaps"]


def show_gaps(gaps: Mapping[str, Any]) -> None:
    """Print a row for each figure: its median in each first set and in the second, which all share, and distances."""
    said, (first, *others) = voice(), gaps.values()
    names = [name for name in first.distances if all(name in one.distances for one in gaps.values())]
    heads = [f"median {name}" for name in (*gaps, "real")] if others else ["median A", "median B"]
    heads += [f"distance {name}".rstrip() for name in gaps]
    heads += [] if others else ["KS"]
    said.say("  ".join([f"{'':10}", *(f"{head:>15}" for head in heads)]))
    for name in names:
        found = [one.distances[name] for one in gaps.values()]
        values = [one.medians[0] for one in found] + [found[0].medians[1]] + [one.wasserstein for one in found]
        values += [] if others else [found[0].ks]
        said.say("  ".join([f"{name:10}", *(f"{value:15.3g}" for value in values)]))
    for name, one in gaps.items():
        said.say(f"told apart{f' {name}' if name else ''}: AUROC {_worded(one)}, mean distance {one.wasserstein:.3f}")


def _worded(one: Any) -> str:
    if one.auroc != one.auroc:
        return "not known (fewer than two samples)"
    by_chance = ", below 0.5 by chance" if one.auroc < 0.5 else ""
    return f"{one.auroc:.3f} ± {one.auroc_error:.3f} (0.5: not at all{by_chance})"
