"""Tables of results in the shape of the paper's, as Markdown, LaTeX and plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Table"]

MISSING = "not measured"
_TEX = {
    **{character: f"\\{character}" for character in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "±": r"$\pm$",
}


@dataclass(frozen=True)
class Table:
    """Cells as text, ready for Markdown and LaTeX.

    Attributes
    ----------
    title : str
    head : tuple of str
    rows : tuple of tuple of str
        Each as long as the head.
    notes : tuple of str
        Sentences below the table.
    """

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()

    def to_markdown(self) -> str:
        """Return the table as Markdown, under a heading."""
        lines = [self.head, ("---",) * len(self.head), *self.rows]
        body = "\n".join("| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |" for line in lines)
        return "\n\n".join([f"## {self.title}", body, *self.notes]) + "\n"

    def to_latex(self) -> str:
        """Return the table as LaTeX; it needs the package booktabs."""
        lines = [" & ".join(map(_tex, line)) + r" \\" for line in (self.head, *self.rows)]
        for number in range(len(self.rows) - 1, 0, -1):
            if self.rows[number][0] != self.rows[number - 1][0]:
                lines.insert(number + 1, r"\midrule")
        caption = _tex(" ".join([f"{self.title}.", *self.notes]))
        return "\n".join(
            [
                r"\begin{table*}",
                r"\centering\scriptsize\setlength{\tabcolsep}{3pt}",
                rf"\caption{{{caption}}}",
                rf"\begin{{tabular}}{{{'l' * len(self.head)}}}",
                r"\toprule",
                lines[0],
                r"\midrule",
                *lines[1:],
                r"\bottomrule",
                r"\end{tabular}",
                r"\end{table*}",
                "",
            ]
        )


def cell_text(value: Any) -> str:
    """Return a value of the protocol on one line."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {cell_text(sub)}" for name, sub in value.items())
    if isinstance(value, (list, tuple)):
        sizes = all(isinstance(number, int) for number in value)
        return (" × " if sizes else "; ").join(map(cell_text, value))
    return " ".join(str(value).split())


def _tex(text: str) -> str:
    return "".join(_TEX.get(character, character) for character in text)
