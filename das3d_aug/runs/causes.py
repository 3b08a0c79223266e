"""What failed, a line a cause: two hundred images without a camera have one thing to mend."""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = ["by_cause"]

_NUMBER = re.compile(r"\d+")


def by_cause(found: Iterable[tuple[str, str]], *, what: str = "images") -> list[str]:
    """Return a line for each reason: ``"<about>: <reason>"``, or ``"200 images, such as <about>: <reason>"``.

    Reasons that differ in numbers alone are one.  A reason that begins with the name of what it is about loses it.

    Parameters
    ----------
    found : iterable of (about, reason)
    what : str
        What several of them are.
    """
    groups: dict[str, list[tuple[str, str]]] = {}
    for about, reason in found:
        name, colon, rest = reason.partition(": ")
        if colon and (about == name or about.endswith(f"/{name}")):
            reason = rest
        groups.setdefault(_NUMBER.sub("#", reason), []).append((about, reason))
    lines = []
    for same in groups.values():
        about, reason = same[0]
        lines.append(f"{about}: {reason}" if len(same) == 1 else f"{len(same)} {what}, such as {about}: {reason}")
    return lines
