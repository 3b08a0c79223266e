"""What "auto" is for a data set: one answer for all its images, taken from good ones.

Were each image judged alone, a road with a stone on it would lose its surface and a good road not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from das3d_aug.datasets import Dataset
from das3d_aug.datasets.base import normal_entries
from das3d_aug.errors import FileError, ParameterError, counted, quoted
from das3d_aug.preparation.background import NO_PLANE, NO_POINTS, Resolved, judge
from das3d_aug.preparation.settings import Preparation
from das3d_aug.runs.output_folder import HEADER, recorded_settings

__all__ = ["Decision", "policies_of", "recorded_policies", "resolve_foreground"]

_LOOKED_AT = 15  # good images of a category, evenly spread over them
_ADVICE = {
    NO_PLANE: " (if there is a background, mark the part in foreground/)",
    NO_POINTS: " (if there is a background, give the camera, or mark the part in foreground/)",
}


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What "auto" is for one category.

    Attributes
    ----------
    policy : {"all", "plane"}
        Every valid pixel is the part, or what does not lie on the plane.
    images : int
        Of the category, without those whose part is marked.
    agreeing, looked : int
        Good images that say so, and good images that were looked at and could be judged.
    why : str
        What most of them have in common.
    """

    policy: Resolved
    images: int
    agreeing: int
    looked: int
    why: str

    def __str__(self) -> str:
        if not self.images:
            return "marked in every image"
        about = counted(self.images, "image")
        if not self.looked:
            return f"{about} of which no good one can be judged"
        kept = "kept whole" if self.policy == "all" else "without the plane"
        advice = _ADVICE.get(self.why, "")
        return f"{about} {kept}: {self.why} in {self.agreeing} of {counted(self.looked, 'good image')}{advice}"


def resolve_foreground(dataset: Dataset, settings: Preparation) -> dict[str, Decision]:
    """Decide what ``foreground="auto"`` is for each category of a data set.

    Up to 15 good images of a category are judged, of the train split if there is one.  Where more than half of them
    have a plane that is flat and of which something stands out, or a marked part, it is "plane", else "all".  Where
    none can be judged it is "plane", and preparing them says why.

    Parameters
    ----------
    dataset : Dataset
    settings : Preparation
        How a plane is looked for.

    Returns
    -------
    dict of str to Decision
        By category.
    """
    names = dict.fromkeys(entry.category for entry in dataset.entries)
    return {name: _decide(dataset.select(category=name), settings) for name in names}


def policies_of(out: Path, dataset: Dataset, settings: Preparation) -> tuple[dict[str, Resolved], str]:
    """Return the policy of each category, and what "auto" was; a folder that was begun keeps what it had.

    Raises
    ------
    FileError
        If the folder names none that is known.
    """
    names = dict.fromkeys(entry.category for entry in dataset.entries)
    if settings.foreground != "auto":
        return dict.fromkeys(names, settings.foreground), ""
    begun = recorded_policies(out, names)
    if begun:
        return begun, "as when the folder was begun: " + ", ".join(sorted(set(begun.values())))
    decisions = resolve_foreground(dataset, settings)
    return {name: decision.policy for name, decision in decisions.items()}, _told(decisions)


def recorded_policies(folder: Path, categories: Iterable[str]) -> dict[str, Resolved]:
    """Return the policies by which a prepared folder was made; none if it was not begun."""
    if not (folder / HEADER).is_file():
        return {}
    found = recorded_settings(folder / HEADER).get("foreground", "plane")
    policies: dict[str, Resolved] = {}
    for name in categories:
        policy = found.get(name) if isinstance(found, dict) else found
        if policy not in ("all", "plane"):
            raise FileError(folder / HEADER, f"foreground must be 'all' or 'plane', got {quoted(policy)}")
        policies[name] = policy
    return policies


def _told(decisions: Mapping[str, Decision]) -> str:
    """Return the decisions as a line, each once, behind the categories that share it where they differ."""
    if len({decision.policy for decision in decisions.values()}) == 1:
        return str(_sum(list(decisions.values())))
    return "; ".join(f"{name} {decision}" for name, decision in decisions.items())


def _sum(decisions: list[Decision]) -> Decision:
    return Decision(
        policy=decisions[0].policy,
        images=sum(decision.images for decision in decisions),
        agreeing=sum(decision.agreeing for decision in decisions),
        looked=sum(decision.looked for decision in decisions),
        why=Counter(decision.why for decision in decisions).most_common(1)[0][0],
    )


def _decide(dataset: Dataset, settings: Preparation) -> Decision:
    good = normal_entries(dataset) or dataset.entries
    count = min(_LOOKED_AT, len(good))
    votes: Counter[Resolved] = Counter()
    reasons: dict[Resolved, Counter[str]] = {"all": Counter(), "plane": Counter()}
    for index in range(count):
        try:
            policy, why = judge(dataset.open(good[index * len(good) // count]), settings)
        except (FileError, ParameterError):  # told when it is prepared
            continue
        votes[policy] += 1
        reasons[policy][why] += 1
    looked = votes.total()
    chosen: Resolved = "plane" if not looked or 2 * votes["plane"] > looked else "all"
    return Decision(
        policy=chosen,
        images=sum("foreground" not in entry.files for entry in dataset.entries),
        agreeing=votes[chosen],
        looked=looked,
        why=reasons[chosen].most_common(1)[0][0] if looked else "",
    )
