"""The ablation of Table 6: skew filter and augmentation dropout, each on or off, and whether the difference holds.

Four arms differ in two settings alone.  Without the skew filter ``synthesis.skew`` is false: the change of depth is the
ternary mask itself, ``Delta_Z = M_t`` (section 4.3).  Without dropout ``synthesis.dropout`` is 0: every training sample
has its defect in colour and in depth, so no whole image is normal.  Each arm is a benchmark in a folder of its own; all
have the same images and seeds.

"both" is compared with each other arm by the difference of I-AUROC, the mean over categories and seeds.  Its standard
error is that of a paired bootstrap: good images, bad images and seeds are drawn with replacement, the same for both
arms, n − 1 of n of each, so that the variance of a mean is unbiased however few there are; the trainings of different
categories are independent and so are their draws.  The 95 % interval is Student's with categories · (seeds − 1) degrees
of freedom, since with a few seeds the quantiles of the bootstrap itself are too narrow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import special

from das3d_aug._arguments import as_float
from das3d_aug.datasets import open_dataset
from das3d_aug.errors import FileError, ParameterError
from das3d_aug.files import read_json, write_atomic
from das3d_aug.randomness import check_seed
from das3d_aug.runs.output_folder import to_json
from das3d_ref.studies.benchmark import Benchmark, Progress, Report, Run, benchmark
from das3d_ref.studies.cells import Study, run_cell
from das3d_ref.studies.results import DataSet, common_protocol, over_seeds, paper_results, spread, stamp
from das3d_ref.studies.table_formats import Table

__all__ = ["ARMS", "Ablation", "Comparison", "ablate", "compare"]

ARMS = {"neither": (False, False), "skew": (True, False), "dropout": (False, True), "both": (True, True)}
"""Skew filter and dropout of each arm, in the order of Table 6."""

_OTHERS = {"neither": "neither", "skew": "the skew filter alone", "dropout": "dropout alone"}
_FIGURES = ("I-AUROC", "P-AUROC", "AUPRO@0.3")
_MODE = "rgbd"  # with one modality there is nothing to drop

Scores = NDArray[np.float64]


@dataclass(frozen=True)
class Comparison:
    """The difference of I-AUROC between two arms.

    Attributes
    ----------
    difference : float
        First minus second, the mean over categories and seeds.
    interval : (float, float)
        95 %.
    per_seed : tuple of float
        The difference of each seed, the mean over categories.
    """

    difference: float
    interval: tuple[float, float]
    per_seed: tuple[float, ...]

    def verdict(self, first: str, second: str) -> str:
        """Say in a sentence whether the difference is established."""
        low, high = self.interval
        span = f"[{low:+.3f}, {high:+.3f}]"
        if low <= 0 <= high:
            return (
                f"not established: {first} against {second} is {self.difference:+.3f}, and the 95 % interval "
                f"{span} contains 0"
            )
        better = "better" if self.difference > 0 else "worse"
        return f"established: {first} is {better} than {second} by {abs(self.difference):.3f}, {span}"


@dataclass(frozen=True)
class Ablation:
    """What an ablation found.

    Attributes
    ----------
    data : DataSet
    arms : mapping of str to Benchmark
        By the names of `ARMS`; only the categories and seeds that were asked for.
    comparisons : mapping of str to Comparison
        "both" minus each other arm; empty if a cell is missing.
    """

    data: DataSet
    arms: Mapping[str, Benchmark]
    comparisons: Mapping[str, Comparison]

    def verdicts(self) -> dict[str, str]:
        """Say of each other arm whether "both" is better."""
        if not self.comparisons:
            return {arm: f"not measured: both against {name}, since a cell failed" for arm, name in _OTHERS.items()}
        return {arm: self.comparisons[arm].verdict("both", name) for arm, name in _OTHERS.items()}

    @property
    def failures(self) -> tuple[tuple[str, str], ...]:
        """What failed, by the names of arm and cell, and why."""
        return tuple((f"{arm}: {cell}", reason) for arm, found in self.arms.items() for cell, reason in found.failures)


def ablate(
    study: Study,
    out: str | Path,
    *,
    categories: Sequence[str] = (),
    seeds: int = 3,
    processes: int = 1,
    run: Run = run_cell,
    progress: Progress | None = None,
    report: Report | None = None,
) -> Ablation:
    """Run the four arms, each in the folder of its name, and write ``ablation.json`` and ``ablation.md``.

    Parameters
    ----------
    study : Study
        With the skew filter and with dropout, whose probability the arms with dropout keep.
    out : path
    categories : sequence of str
        Those to run; none: all.
    seeds : int
        How many, at least 2: one training says nothing of how much trainings differ.
    processes, run, progress, report
        As for `das3d_ref.studies.benchmark.benchmark`.

    Raises
    ------
    FileError, ParameterError
        As `das3d_ref.studies.benchmark.benchmark`; also if the study has no skew filter or no dropout, or a category
        has only good or only bad images to test.
    """
    if seeds < 2:
        raise ParameterError(f"seeds must be at least 2, got {seeds!r}")
    recipe = study.config().synthesis
    if not recipe.skew or recipe.dropout == 0:
        raise ParameterError("synthesis.skew and synthesis.dropout must be on: the arms turn them off")
    out = Path(out)
    dataset = open_dataset(study.data, **study.options)
    data = DataSet.of(dataset)
    chosen = [name for name in data.categories if not categories or name in categories]
    for name in chosen:
        labels = {e.label for e in dataset.entries if e.split == "test" and (e.category or "all") == name}
        if labels != {0, 1}:
            raise ParameterError(f"category {name!r} of {study.data} needs good and bad test images")
    arms = {}
    for number, arm in enumerate(ARMS):

        def show(done: int, total: int, what: str, number: int = number, arm: str = arm) -> None:
            if progress is not None:
                progress(number * total + done, len(ARMS) * total, f"{arm}: {what}")

        def say(line: str, arm: str = arm) -> None:
            if report is not None:
                report(f"{arm}: {line}")

        ran = benchmark(
            _arm(study, arm),
            out / arm,
            categories=categories,
            modes=(_MODE,),
            seeds=range(seeds),
            processes=processes,
            cache=out / "prepared",
            run=run,
            progress=show,
            report=say,
        )
        asked = tuple(result for result in ran.results if result.category in chosen and result.seed < seeds)
        arms[arm] = replace(ran, results=asked)
    whole = not any(ran.failures for ran in arms.values())
    found = Ablation(data, arms, _compared(out, chosen, seeds) if whole else {})
    _write(out, found, study, chosen, seeds)
    return found


def compare(
    pairs: Sequence[tuple[Scores, Scores, NDArray[np.bool_]]], *, draws: int = 2000, seed: int = 0
) -> Comparison:
    """Compare the I-AUROC of two detectors on the same images, by a paired bootstrap over images and seeds.

    Parameters
    ----------
    pairs : sequence of (first, second, labels)
        Of each category: scores, float, seeds x images, of both detectors, and which images are anomalous; the same
        number of seeds in all.
    draws : int
        Of the bootstrap.
    seed : int
        Of its random numbers.

    Returns
    -------
    Comparison
    """
    source = np.random.default_rng(check_seed(seed))
    per_seed, drawn = [], []
    for first, second, labels in pairs:
        wins = _wins(first, labels) - _wins(second, labels)  # seeds x good x bad
        seeds, good, bad = wins.shape
        per_seed.append(wins.mean((1, 2)))
        by_good = np.tensordot(_weights(source, good, draws), wins, (1, 1))  # draws x seeds x bad
        by_image = np.einsum("dsb,db->ds", by_good, _weights(source, bad, draws))
        drawn.append((by_image * _weights(source, seeds, draws)).sum(1))
    differences = np.mean(per_seed, axis=0)
    middle = float(differences.mean())
    error = float(np.mean(drawn, axis=0).std(ddof=1))
    reach = float(special.stdtrit(len(pairs) * (len(differences) - 1), 0.975)) * error
    interval = max(middle - reach, -1.0), min(middle + reach, 1.0)
    return Comparison(middle, interval, tuple(map(float, differences)))


def _wins(scores: Scores, labels: NDArray[np.bool_]) -> Scores:
    """Return 1 where a bad image has a larger score than a good one, 1/2 where the same; its mean is the AUROC."""
    good, bad = scores[:, ~labels, None], scores[:, None, labels]
    return np.asarray((bad > good) + 0.5 * (bad == good), np.float64)


def _weights(source: np.random.Generator, count: int, draws: int) -> Scores:
    """Return how often each of ``count`` is drawn in n − 1 draws out of n, as shares: draws x count."""
    size = max(count - 1, 1)
    return source.multinomial(size, np.full(count, 1 / count), draws) / size


def _arm(study: Study, arm: str) -> Study:
    """Return the study with what the arm is without turned off."""
    skew, dropout = ARMS[arm]
    off = (() if skew else ("synthesis.skew=false",)) + (() if dropout else ("synthesis.dropout=0",))
    return Study(data=study.data, options=study.options, preset=study.preset, overrides=(*study.overrides, *off))


def _compared(out: Path, categories: Sequence[str], seeds: int) -> dict[str, Comparison]:
    scores = {arm: [_scores(out / arm, category, seeds) for category in categories] for arm in ARMS}
    comparisons = {}
    for arm in _OTHERS:
        pairs = []
        for (ours, labels), (theirs, others) in zip(scores["both"], scores[arm], strict=True):
            if labels != others:
                raise FileError(out / arm, f"was tested on other images than {out / 'both'}; use another folder")
            pairs.append((ours, theirs, np.array(list(labels.values()))))
        comparisons[arm] = compare(pairs)
    return comparisons


def _scores(out: Path, category: str, seeds: int) -> tuple[Scores, dict[str, bool]]:
    """Return the image scores of a category, seeds x images, and which images are anomalous, by key."""
    rows: list[list[float]] = []
    labels: dict[str, bool] = {}
    for seed in range(seeds):
        path = out / "cells" / category / f"{_MODE}-{seed}" / "evaluation" / "evaluation.json"
        try:
            images = {
                str(image["key"]): (as_float("score", image["score"]), bool(image["label"]))
                for image in read_json(path)["images"]
            }
        except (KeyError, TypeError, ValueError) as error:
            raise FileError(path, "has no scores of its images; remove it and run the same command again") from error
        found = {key: images[key][1] for key in sorted(images)}
        if labels and found != labels:
            raise FileError(path, "was tested on other images than the other seeds; use another folder")
        rows.append([images[key][0] for key in found])
        labels = found
    return np.array(rows), labels


def _write(out: Path, found: Ablation, study: Study, categories: Sequence[str], seeds: int) -> None:
    """Write ``ablation.json`` and ``ablation.md``."""
    protocol = {
        "data": str(found.data),
        "categories": ", ".join(categories),
        "seeds": ", ".join(map(str, range(seeds))),
        "detector": f"{study}, mode {_MODE}",
        "without the skew filter": "synthesis.skew = false: the change of depth is the ternary mask itself",
        "without dropout": "synthesis.dropout = 0: every training sample has its defect in colour and in depth",
        "interval of a difference": "95 %, Student's, standard error of a paired bootstrap over images and seeds",
        **common_protocol([result for ran in found.arms.values() for result in ran.results]),
    }
    paper = {(skew, dropout): printed for skew, dropout, *printed in paper_results()["table6"]["rows"]}
    rows, arms, comparisons = [], {}, {}
    for arm, (skew, dropout) in ARMS.items():
        figures = {name: over_seeds(found.arms[arm].results, categories, name) for name in _FIGURES}
        printed = dict(zip(_FIGURES, paper[skew, dropout], strict=False))
        cells = [spread(values, range(seeds)) for values in figures.values()]
        settings = ("yes" if skew else "no", "yes" if dropout else "no")
        rows.append((*settings, *cells, *(f"{value:.3f}" for value in printed.values())))
        arms[arm] = {"skew": skew, "dropout": dropout, "figures by seed": figures, "paper, MVTec 3D-AD": printed}
    for arm, verdict in found.verdicts().items():
        comparisons[arm] = {"verdict": verdict, **(vars(found.comparisons[arm]) if found.comparisons else {})}
    head = ["Skew filter", "Dropout", *(f"{name}, measured here" for name in _FIGURES)]
    head += [f"{name}, paper on MVTec 3D-AD" for name in printed]
    table = Table(f"Skew filter and dropout on {found.data.name}, as Table 6", tuple(head), tuple(rows))
    lines = ["# Ablation", "", *(f"- {line}" for line in stamp(protocol)), "", table.to_markdown()]
    lines += ["## Is both better than less? I-AUROC, by seed", ""]
    for comparison in comparisons.values():
        each = ", ".join(f"{value:+.3f}" for value in comparison.get("per_seed", ()))
        lines.append(f"- {comparison['verdict']}" + (f" (seed by seed: {each})" if each else ""))
    write_atomic(out / "ablation.json", to_json({"protocol": protocol, "arms": arms, "both against": comparisons}))
    write_atomic(out / "ablation.md", ("\n".join(lines) + "\n").encode())
