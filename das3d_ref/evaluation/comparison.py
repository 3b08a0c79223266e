"""A detector beside the simple methods of `das3d_ref.evaluation.baselines`: who is better, and how sure that is.

Both are measured on the same draws of the test images, so that what is easy or hard about these cancels out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from das3d_ref.evaluation.baselines import BaselineResult
from das3d_ref.evaluation.record import Evaluation, Table
from das3d_ref.metrics import interval

__all__ = ["Comparison", "beside"]

_COMPARED = ("I-AUROC", "P-AUROC", "AUPRO@0.3")


class Comparison(NamedTuple):
    """A figure of a detector beside that of the best simple method.

    Attributes
    ----------
    figure, rival : str
    own, reached : float
        Of the detector, of the rival.
    span : (float, float) or None
        Where the middle 95 % of own - reached lie over replicates of the test set, the same for both.
    """

    figure: str
    rival: str
    own: float
    reached: float
    span: tuple[float, float] | None

    @property
    def lost(self) -> bool:
        """Whether the rival's figure is higher, as the figures are printed."""
        return round(self.reached, 4) > round(self.own, 4)

    def __str__(self) -> str:
        sure = self.span is not None and (self.span[0] > 0 or self.span[1] < 0)
        if self.lost:
            how = "is better than" if sure else "scores higher than"
            said = f"{self.rival} {how} the detector: {self.figure} {self.reached:.4f}, the detector has "
        else:
            said = f"{self.figure}: {self.rival}, the best simple method, has {self.reached:.4f}, the detector "
        said += f"{self.own:.4f}"
        if self.span is None:
            return said
        low, high = self.span
        open_ = "" if sure else ", so no difference is established"
        return f"{said}, {self.own - self.reached:+.4f} (95 % interval {low:+.4f} … {high:+.4f}){open_}"


def beside(evaluation: Evaluation, results: Mapping[str, BaselineResult]) -> tuple[list[Table], list[Comparison]]:
    """Set a detector beside the baselines.

    Returns
    -------
    (tables, comparisons)
        Tables for `das3d_ref.evaluation.report.write_report`, and the detector beside the best baseline of each figure.
    """
    known = [name for name in _COMPARED if name in evaluation.figures]
    rows = [("the detector", evaluation.figures)] + [(name, it.evaluation.figures) for name, it in results.items()]
    table = [(name, *(f"{figures[figure]:.4f}" for figure in known)) for name, figures in rows]
    compared = []
    for figure in known:
        best = max(results, key=lambda name: results[name].evaluation.figures[figure])
        rival = results[best].evaluation
        span = None
        if figure in evaluation.replicates and figure in rival.replicates:
            span = interval(evaluation.replicates[figure] - rival.replicates[figure])
        compared.append(Comparison(figure, best, evaluation.figures[figure], rival.figures[figure], span))
    against = [
        (one.figure, one.rival, f"{one.own - one.reached:+.4f}", *(f"{end:+.4f}" for end in one.span or ()))
        for one in compared
    ]
    return [
        ("Simple methods on the same images", ("", *known), table),
        ("The detector minus the best simple method", ("", "method", "difference", "95 % from", "to"), against),
    ], compared
