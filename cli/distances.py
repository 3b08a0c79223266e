"""How gaps between sets of defects are printed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .voice import voice

__all__ = ["show_gaps"]


def show_gaps(gaps: Mapping[str, Any]) -> None:
    """Print a row for each figure: the medians of each first set and of the second, which all share, and distances."""
    said, (first, *_) = voice(), gaps.values()
    names = [name for name in first.distances if all(name in one.distances for one in gaps.values())]
    heads = [f"{what} {name}".strip() for what in ("median", "distance", "KS") for name in gaps]
    heads[len(gaps) : len(gaps)] = ["median real" if "after" in gaps else "median of B"]
    said.say("  ".join([f"{'':11}", *(f"{head:>15}" for head in heads)]))
    for name in names:
        found = [one.distances[name] for one in gaps.values()]
        values = [one.medians[0] for one in found] + [found[0].medians[1]]
        values += [one.wasserstein for one in found] + [one.ks for one in found]
        said.say("  ".join([f"{name:11}", *(f"{value:15.3g}" for value in values)]))
    for name, one in gaps.items():
        said.say(f"told apart{f' {name}' if name else ''}: AUROC {one.auroc:.3f}, mean distance {one.wasserstein:.3f}")
