"""Simple baselines on the demo set: it must not be solved by any of them.

Four detectors that need no network, each trained on good parts only and scored by image AUROC:

* aligned PCA: parts are centred and turned onto a template; the residual of a 20-component PCA;
* pixel Gaussian: the same aligned parts; Mahalanobis distance of (R, G, B, height) at each pixel;
* kNN patches: distance of 8 x 8 patches to the nearest patch of good parts;
* high-pass depth: height above its smoothed surroundings; no training.

Each image's score is the largest 5 x 5 mean of its anomaly map.  Run as a script:

    python benchmarks/demo_baselines.py --train 60 --good 24 --bad 48
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors

from das3d_aug.datasets.demo import DEFECTS, FAMILIES, DemoPart, demo_plan, make_part

Array = NDArray[np.float32]

PATCH, STRIDE = 8, 4
EDGE = np.ones((5, 5), np.uint8)


@dataclass(frozen=True)
class View:
    """What a detector may look at: (R, G, B, height / 10 mm), background 0, and the foreground found."""

    pixels: Array
    foreground: NDArray[np.bool_]


def main() -> None:
    """Print the image AUROC of each baseline on each family."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--train", type=int, default=60)
    parser.add_argument("--good", type=int, default=24)
    parser.add_argument("--bad", type=int, default=48)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--size", type=int, default=128)
    options = parser.parse_args()

    print(f"{'family':10}" + "".join(f"{name:>18}" for name in BASELINES))
    for family in FAMILIES:
        plan = demo_plan(
            families=(family,),
            train=options.train,
            validation=0,
            good=options.good,
            per_defect=max(1, options.bad // len(DEFECTS)),
            seed=options.seed,
        )
        train, test, labels = [], [], []
        for item in plan:
            view = look(make_part(family, seed=item.seed, index=item.index, size=options.size, defect=item.defect))
            if item.split == "train":
                train.append(view)
            else:
                test.append(view)
                labels.append(item.defect is not None)
        scores = {name: float(roc_auc_score(labels, score(train, test))) for name, score in BASELINES.items()}
        print(f"{family:10}" + "".join(f"{auroc:18.3f}" for auroc in scores.values()))


def look(part: DemoPart) -> View:
    """Remove the supporting plane, fitted to the border without outliers, and fill the holes in the depth."""
    size = len(part.depth)
    rows, columns = np.mgrid[:size, :size] / size - 0.5
    basis = np.stack([columns, rows, np.ones_like(rows)], axis=-1)
    border = part.valid.copy()
    border[8:-8, 8:-8] = False
    for _ in range(3):
        plane = np.linalg.lstsq(basis[border], part.depth[border], rcond=None)[0]
        border &= np.abs(basis @ plane - part.depth) < 0.001
    height = np.where(part.valid, (basis @ plane - part.depth) * 1000.0, 0.0).astype(np.float32)
    share = cv2.GaussianBlur(part.valid.astype(np.float32), (0, 0), 1.5)
    filled = cv2.GaussianBlur(height, (0, 0), 1.5) / np.maximum(share, 1e-3)
    height = np.where(part.valid, height, filled).astype(np.float32)
    foreground = cv2.morphologyEx((height > 2.0).astype(np.uint8), cv2.MORPH_CLOSE, EDGE) > 0
    pixels = np.concatenate([part.rgb / 255.0, height[..., None] / 10.0], axis=-1)
    return View(np.where(foreground[..., None], pixels, 0.0).astype(np.float32), foreground)


def aligned_pca(train: Sequence[View], test: Sequence[View]) -> list[float]:
    """Residual of a PCA of aligned parts, scaled pixel by pixel by that of good parts held out of the fit."""
    fit, probe = align(train, test)
    held_out = len(fit) // 4
    kept, calibration = fit[held_out:], fit[:held_out]
    pca = PCA(n_components=min(20, len(kept) - 1), random_state=0).fit(kept.reshape(len(kept), -1))

    def residual(images: Array) -> Array:
        flat = images.reshape(len(images), -1)
        left = flat - pca.inverse_transform(pca.transform(flat))
        return np.asarray(np.square(left.reshape(images.shape)).sum(axis=-1), dtype=np.float32)

    usual = residual(calibration).mean(axis=0)
    return [peak(image / (usual + usual.mean())) for image in residual(probe)]


def pixel_gaussian(train: Sequence[View], test: Sequence[View]) -> list[float]:
    """Mahalanobis distance of each aligned pixel to the good parts' pixels at that place."""
    fit, probe = align(train, test)
    centre = fit.mean(axis=0)
    spread = np.einsum("nhwc,nhwd->hwcd", fit - centre, fit - centre) / len(fit) + 1e-3 * np.eye(4)
    away = probe - centre
    return [peak(image) for image in np.einsum("nhwc,hwcd,nhwd->nhw", away, np.linalg.inv(spread), away)]


def knn_patches(train: Sequence[View], test: Sequence[View]) -> list[float]:
    """Distance of each foreground patch to the nearest one of the good parts."""
    bank = np.concatenate([patches(view)[0] for view in train])
    pca = PCA(n_components=32, random_state=0).fit(bank[::4])
    search = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(pca.transform(bank[::2]))
    scores = []
    for view in test:
        found, places = patches(view)
        distance = search.kneighbors(pca.transform(found))[0][:, 0]
        scores.append(peak(np.where(places, spread_out(distance, places), 0.0), 2))
    return scores


def high_pass_depth(train: Sequence[View], test: Sequence[View]) -> list[float]:
    """Height against its surroundings on the part, away from the part's edges."""
    scores = []
    for view in test:
        inner = cv2.erode(view.foreground.astype(np.uint8), EDGE).astype(np.float32)
        height = view.pixels[..., 3] * inner
        around = cv2.GaussianBlur(height, (0, 0), 4.0) / np.maximum(cv2.GaussianBlur(inner, (0, 0), 4.0), 1e-3)
        scores.append(peak(np.abs(height - around) * inner))
    return scores


BASELINES: dict[str, Callable[[Sequence[View], Sequence[View]], list[float]]] = {
    "aligned PCA": aligned_pca,
    "pixel Gaussian": pixel_gaussian,
    "kNN patches": knn_patches,
    "high-pass depth": high_pass_depth,
}


def align(train: Sequence[View], test: Sequence[View]) -> tuple[Array, Array]:
    """Centre every part, halve its size and turn it onto the mean of the training parts (two rounds)."""
    centred = [centre(view) for view in train]
    template = centred[0]
    for _ in range(2):
        template = np.mean([turn_onto(image, template) for image in centred], axis=0)
    return (
        np.stack([turn_onto(image, template) for image in centred]),
        np.stack([turn_onto(centre(view), template) for view in test]),
    )


def centre(view: View) -> Array:
    """Shift the foreground's centroid to the centre and halve the resolution."""
    size = len(view.pixels)
    row, column = np.argwhere(view.foreground).mean(axis=0)
    shift = np.asarray([[1, 0, size / 2 - column], [0, 1, size / 2 - row]])
    moved = cv2.warpAffine(view.pixels, shift, (size, size))
    return np.asarray(cv2.resize(moved, (size // 2, size // 2), interpolation=cv2.INTER_AREA), dtype=np.float32)


def turn_onto(image: Array, template: Array) -> Array:
    """Return the rotation of the image, in steps of 6 degrees, that is nearest to the template."""
    size = len(image)
    middle = ((size - 1) / 2, (size - 1) / 2)
    turned = [
        np.asarray(cv2.warpAffine(image, cv2.getRotationMatrix2D(middle, angle, 1.0), (size, size)), np.float32)
        for angle in range(0, 360, 6)
    ]
    return min(turned, key=lambda candidate: float(np.square(candidate - template).sum()))


def patches(view: View) -> tuple[Array, NDArray[np.bool_]]:
    """Return the patches whose centre is foreground, flattened, and where on the grid they are."""
    windows = np.lib.stride_tricks.sliding_window_view(view.pixels, (PATCH, PATCH), axis=(0, 1))
    windows = windows[::STRIDE, ::STRIDE]
    half = PATCH // 2
    places = view.foreground[half::STRIDE, half::STRIDE][: windows.shape[0], : windows.shape[1]]
    return windows[places].reshape(int(places.sum()), -1), places


def spread_out(values: Array, places: NDArray[np.bool_]) -> Array:
    """Put one value per patch back on the grid."""
    image = np.zeros(places.shape, np.float32)
    image[places] = values
    return image


def peak(image: Array, width: int = 5) -> float:
    """Return the largest mean over ``width`` x ``width`` pixels."""
    return float(cv2.blur(np.asarray(image, dtype=np.float32), (width, width)).max())


if __name__ == "__main__":
    main()
