"""The figures of the paper, drawn from any data and evaluation, as PNG and PDF.

Fig. 3 is the synthesis stage by stage, Fig. 4 its kernels, Fig. 5 test images beside their anomaly maps; to these come
the curves and the scores.  Each function returns a figure of matplotlib, and none needs a display.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from numpy.typing import NDArray

from das3d_aug.colouring import ANOMALY
from das3d_aug.datasets import Dataset, Sample
from das3d_aug.errors import FileError, ForegroundError
from das3d_aug.files import read_bytes, read_plane, write_atomic
from das3d_aug.generation import normal_entries
from das3d_aug.synthesis import (
    Plan,
    Recipe,
    blend_texture,
    foreground_mask,
    perlin_noise,
    refine_mask,
    skew_filter,
    skew_normal_kernel,
    ternary_mask,
)
from das3d_aug.textures import TexturePlan, as_source
from das3d_ref.evaluation.pictures import colour_range, outline, shaded
from das3d_ref.evaluation.record import Evaluation

__all__ = [
    "Stages",
    "curves_figure",
    "kernel_figure",
    "maps_figure",
    "pipeline_figure",
    "scores_figure",
    "synthesis_stages",
    "write_figures",
]

Map = NDArray[np.float32]

_ALPHAS = ((0.0, 0.0), (0.0, 2.0), (2.0, 2.0), (-4.0, 1.0))
_DENSITY = 16  # samples per standard deviation of a kernel
_ROWS = 8
_STYLE: dict[Any, Any] = {"font.size": 8, "axes.titlesize": 8, "pdf.fonttype": 42}  # 42: text stays text
_GOOD, _BAD = "#2b7bba", "#e6701d"


@dataclass(frozen=True, eq=False)
class Stages:
    """The arrays of Fig. 3, named as in the equations; H x W but for ``kernel`` and the colours.

    Attributes
    ----------
    noise, ternary, kernel, delta : ndarray
        P, M_t, G_s and Delta_Z.
    foreground, mask : ndarray of bool
        M_f and M*.
    texture, rgb : ndarray of uint8, H x W x 3
        I_u and I_a.
    depth : ndarray of float32
        Z_a.
    plan : Plan
        What was drawn; `das3d_aug.render` makes the same of it.
    """

    foreground: NDArray[np.bool_]
    noise: NDArray[np.float32]
    ternary: NDArray[np.int8]
    kernel: NDArray[np.float64]
    delta: NDArray[np.float32]
    mask: NDArray[np.bool_]
    texture: NDArray[np.uint8]
    rgb: NDArray[np.uint8]
    depth: NDArray[np.float32]
    plan: Plan


def synthesis_stages(sample: Sample, *, seed: int = 0) -> Stages:
    """Make a defect on a normal sample step by step, with the plain function of each equation.

    What differs from the default recipe is what would not be seen in a figure: the noise has 4 or 8 cells an axis and
    the paper's threshold, dents and bumps are equally deep, and the texture is taken as it is.

    Raises
    ------
    ForegroundError
        If there is no part to put a defect on.
    """
    shape = sample.shape
    recipe = Recipe(area=None, resolution=(4, 8), sigma=(3, 5), magnitude=(0.2, 0.3), beta=(0.2, 0.4))
    plan = recipe.draw(shape, seed=seed)
    plan = replace(
        plan,
        anomalous=True,
        drop_rgb=False,
        drop_depth=False,
        noise_seed=int(_generator(seed).integers(0, 2**64, dtype=np.uint64)),
        bump=plan.dent,
        texture=TexturePlan(pick=plan.texture.pick),
    )
    part = (
        foreground_mask(sample.need("depth")) if sample.foreground is None else sample.foreground & sample.need("valid")
    )
    if not part.any():
        raise ForegroundError("nothing stands out of the background, so there is no part to put a defect on")
    row, both, column = plan.covariance
    noise = perlin_noise(shape, plan.resolution, rng=_generator(seed), rotation=plan.rotation)
    ternary = ternary_mask(noise, plan.threshold) * part
    kernel = skew_normal_kernel(plan.alpha, [[row, both], [both, column]])
    delta = skew_filter(ternary, kernel)
    mask = refine_mask(delta, plan.dent, plan.mask_threshold)
    depths = sample.need("depth")[part]
    moved = sample.need("depth") + np.float32(plan.dent * (depths.max() - depths.min())) * delta
    name, texture = as_source(None).pick(plan.texture.pick)
    height, width = (max(wanted - given, 0) for wanted, given in zip(shape, texture.shape[:2], strict=True))
    foreign = np.pad(texture, ((0, height), (0, width), (0, 0)), "symmetric")[: shape[0], : shape[1]]
    return Stages(
        foreground=part,
        noise=noise,
        ternary=ternary,
        kernel=kernel,
        delta=delta,
        mask=mask,
        texture=foreign,
        rgb=blend_texture(sample.need("rgb"), foreign, mask, plan.beta),
        depth=np.where(mask & sample.need("valid"), moved, sample.need("depth")),
        plan=plan.with_texture(name),
    )


def pipeline_figure(sample: Sample, *, seed: int = 0) -> Figure:
    """Draw Fig. 3: every stage of the synthesis on one normal sample."""
    found = synthesis_stages(sample, seed=seed)
    near, far = np.percentile(sample.need("depth")[found.foreground], (1, 99))
    depth = {"cmap": "viridis_r", "vmin": near, "vmax": far}
    most = float(np.abs(found.delta).max())
    signed = {"cmap": "RdBu_r", "vmin": -1, "vmax": 1}
    after = replace(sample, depth=found.depth)
    panels: tuple[tuple[str, NDArray[Any], dict[str, Any]], ...] = (
        ("colour $I$", sample.need("rgb"), {}),
        ("depth $Z$", np.where(sample.need("valid"), sample.need("depth"), np.nan), depth),
        ("foreground $M_f$", found.foreground, {"cmap": "gray"}),
        ("noise $P$", found.noise, signed),
        ("ternary mask $M_t$", found.ternary, signed),
        ("skew filter $G_s$", found.kernel, {"cmap": "magma"}),
        (r"change $\Delta_Z$", found.delta, signed | {"vmin": -most, "vmax": most}),
        ("refined mask $M^*$", found.mask, {"cmap": "gray"}),
        ("texture $I_u$", found.texture, {}),
        (rf"colour $I_a$, $\beta$ = {found.plan.beta:.2f}", found.rgb, {}),
        ("depth $Z_a$", np.where(sample.need("valid"), found.depth, np.nan), depth),
        ("surface of $Z_a$", shaded(after), {}),
    )
    figure, axes = _grid(2, 6)
    for place, (title, image, options) in zip(axes.flat, panels, strict=True):
        place.imshow(image, interpolation="nearest", **options)
        place.set_title(title)
    return figure


def kernel_figure() -> Figure:
    """Draw Fig. 4: the skew-normal density with Sigma = I for several alpha, as surfaces and from above."""
    figure = Figure(figsize=(7.2, 3.7), layout="constrained")
    half = 3.0
    for number, alpha in enumerate(_ALPHAS):
        skew = [value / _DENSITY for value in alpha]
        size = int(2 * half * _DENSITY) + 1
        # A kernel sums to 1; the density is per unit of area.
        density = skew_normal_kernel(skew, np.eye(2) * _DENSITY**2, size=size) * _DENSITY**2
        axis = np.linspace(-half, half, size)
        surface: Any = figure.add_subplot(2, len(_ALPHAS), number + 1, projection="3d")
        surface.plot_surface(*np.meshgrid(axis, axis), density, cmap="viridis", vmin=0, vmax=0.32, rstride=3, cstride=3)
        surface.set_zlim(0, 0.32)
        surface.set_box_aspect((1, 1, 0.75), zoom=1.3)
        surface.set_title(rf"$\alpha = ({alpha[0]:g}, {alpha[1]:g})$", pad=14)
        surface.tick_params(labelsize=6, pad=-2)
        plane = figure.add_subplot(2, len(_ALPHAS), len(_ALPHAS) + number + 1)
        drawn = plane.imshow(density, cmap="viridis", vmin=0, vmax=0.32, extent=(-half, half, half, -half))
        plane.plot(0, 0, "+", color="white", markersize=6)
        plane.set_xlabel("column")
    figure.axes[1].set_ylabel("row")
    figure.colorbar(drawn, ax=figure.axes[1::2], label="density", shrink=0.9)
    return figure


def maps_figure(samples: Sequence[Sample], maps: Sequence[Map]) -> Figure:
    """Draw Fig. 5: a row for each test image, with its depth, its truth and its anomaly map; one scale for all maps."""
    low, high = colour_range(maps)
    seen = [name for name in ("rgb", "depth") if getattr(samples[0], name) is not None]
    columns = [*({"rgb": "colour", "depth": "surface"}[name] for name in seen), "truth", "anomaly map"]
    figure, axes = _grid(len(samples), len(columns), width=1.5 * len(columns), height=1.4)
    for line, sample, found in zip(axes, samples, maps, strict=True):
        truth = np.zeros(sample.shape, bool) if sample.mask is None else sample.mask
        for place, name in zip(line, seen, strict=False):
            place.imshow(sample.need("rgb") if name == "rgb" else shaded(sample))
        line[-2].imshow(truth, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        extent = (-0.5, sample.shape[1] - 0.5, sample.shape[0] - 0.5, -0.5)
        colours = LinearSegmentedColormap.from_list("anomaly", ANOMALY)
        drawn = line[-1].imshow(found, cmap=colours, vmin=low, vmax=high, extent=extent)
        for border in outline(truth):
            line[-1].plot(*np.vstack([border, border[:1]]).T, color="black", linewidth=0.6)
        line[0].set_ylabel("\n".join(sample.entry.key.rsplit("/", 2)[-2:]))
    for place, title in zip(axes[0], columns, strict=True):
        place.set_title(title)
    figure.colorbar(drawn, ax=axes[:, -1], shrink=0.9)
    return figure


def curves_figure(evaluation: Evaluation) -> Figure:
    """Draw the ROC curve of the images and the per-region overlap of the pixels, those of them that there are."""
    named = {
        "ROC": ("true-positive rate", "I-AUROC", 1.0),
        "PRO": ("per-region overlap", "AUPRO@0.3", 0.3),
    }
    there = [name for name in named if evaluation.curves.get(name)]
    figure = Figure(figsize=(3.4 * len(named), 3.0), layout="constrained")
    for number, name in enumerate(there):
        title, area, limit = named[name]
        axes = figure.add_subplot(1, len(named), number + 1)
        axes.plot(*evaluation.curves[name], color=_GOOD)
        axes.set(xlim=(0, limit), ylim=(0, 1.01), xlabel="false-positive rate", ylabel=title)
        axes.set_title(f"{area} = {evaluation.figures[area]:.3f}")
        axes.grid(alpha=0.3)
    return figure


def scores_figure(evaluation: Evaluation) -> Figure:
    """Draw how the scores of good and of anomalous images are spread, and the threshold."""
    figure = Figure(figsize=(4.5, 3.0), layout="constrained")
    axes = figure.add_subplot()
    scores = {
        kind: [image["score"] for image in evaluation.images if image["label"] == label]
        for kind, label in (("good", False), ("anomalous", True))
    }
    bins = np.histogram_bin_edges([image["score"] for image in evaluation.images], bins=30).tolist()
    for (kind, values), colour in zip(scores.items(), (_GOOD, _BAD), strict=True):
        axes.hist(values, bins=bins, alpha=0.7, color=colour, label=f"{kind} ({len(values)})")
    threshold = evaluation.protocol.get("threshold")
    if threshold is not None:
        axes.axvline(threshold, color="black", linestyle="--", linewidth=1, label=f"threshold {threshold:.3g}")
    axes.set(xlabel="score", ylabel="images")
    axes.legend(frameon=False)
    return figure


def write_figures(
    results: str | Path, dataset: Dataset, out: str | Path, *, evaluation: Evaluation | None = None
) -> list[Path]:
    """Write all figures of one evaluation, each as PNG and PDF.

    Parameters
    ----------
    results : path
        The folder of an evaluation: ``evaluation.json`` and ``maps/<key>.tiff``.
    dataset : Dataset
        The images that were evaluated; for a detector of das3d those that it prepared.
    out : path
        Folder for ``figure3``, ``figure4``, ``figure5``, ``curves`` and ``scores``.  Fig. 3 starts from the first
        normal image, and is left out if there is none or its background is not known.  Fig. 5 shows, of each kind of
        defect, the image of median score, at most eight.
    evaluation : Evaluation, optional
        What ``evaluation.json`` will say, where it is not written yet.

    Returns
    -------
    list of pathlib.Path
        What was written.

    Raises
    ------
    FileError
        If the results are not whole or not those of this data set, or a figure cannot be written.
    """
    results, out = Path(results), Path(out)
    path = results / "evaluation.json"
    evaluation = evaluation or Evaluation.from_json(read_bytes(path), path=path)
    entries = {entry.key: entry for entry in dataset.entries}
    chosen = _one_of_each(evaluation.images)
    if unknown := [key for key in chosen if key not in entries]:
        raise FileError(
            path, f"names {unknown[0]}, which is not in {dataset.root}; give the images that were evaluated"
        )
    samples = [dataset.open(entries[key]) for key in chosen]
    maps = [_read_map(results / f"maps/{sample.entry.key}.tiff", sample) for sample in samples]
    with rc_context(_STYLE):
        figures = {
            "figure4": kernel_figure(),
            "figure5": maps_figure(samples, maps),
            "curves": curves_figure(evaluation),
            "scores": scores_figure(evaluation),
        }
        normal = normal_entries(dataset.select(category=samples[0].entry.category))
        if normal and samples[0].rgb is not None and samples[0].depth is not None:  # it shows both
            with contextlib.suppress(ForegroundError):
                figures["figure3"] = pipeline_figure(dataset.open(normal[0]), seed=0)
        return [path for name, figure in figures.items() for path in _save(figure, out / name)]


def _generator(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def _grid(rows: int, columns: int, *, width: float = 7.2, height: float = 1.35) -> tuple[Figure, NDArray[Any]]:
    """Return a figure of pictures without ticks, in inches, and its places."""
    figure = Figure(figsize=(width, rows * height), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    for place in axes.flat:
        place.set(xticks=[], yticks=[])
    return figure, axes


def _one_of_each(images: Iterable[dict[str, Any]]) -> list[str]:
    """Return the key of the image of median score of each kind of defect; of the good ones if there is no defect."""
    kinds: dict[str, list[dict[str, Any]]] = {}
    for image in images:
        kinds.setdefault(image["defect"] if image["label"] else "", []).append(image)
    good = kinds.pop("", [])
    groups = [kinds[kind] for kind in sorted(kinds)][:_ROWS] or [good]
    return [sorted(group, key=lambda image: image["score"])[len(group) // 2]["key"] for group in groups]


def _read_map(path: Path, sample: Sample) -> Map:
    found = read_plane(path)
    height, width = sample.shape
    if abs(found.shape[0] * width - found.shape[1] * height) > 0.02 * found.shape[1] * height:
        raise FileError(
            path,
            f"is {found.shape[0]} x {found.shape[1]}, its image {height} x {width}: give the (prepared) images that "
            "were evaluated",
        )
    return found.astype(np.float32)


def _save(figure: Figure, stem: Path) -> list[Path]:
    """Write a figure as PNG and PDF, without the date, so that equal figures are equal files."""
    paths = []
    for kind, metadata in (("png", {"Software": None}), ("pdf", {"CreationDate": None})):
        data = io.BytesIO()
        figure.savefig(data, format=kind, dpi=200, metadata=metadata)
        paths.append(stem.with_suffix(f".{kind}"))
        write_atomic(paths[-1], data.getvalue())
    return paths
