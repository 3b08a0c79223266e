"""Make the pictures of the reference pages: ``python examples/make_pictures.py docs/images/reference``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

import das3d_aug as das
from das3d_aug.datasets import Entry, Sample
from das3d_aug.datasets.demo import FAMILIES, DemoPart, make_part
from das3d_aug.files import write_atomic
from das3d_aug.geometry import camera_of_points
from das3d_aug.preparation import Preparation, Prepared, prepare_sample
from das3d_aug.preview import shade
from das3d_aug.textures import ProceduralTextures

Image = NDArray[np.uint8]
SIDE, GAP = 176, 4  # pixels of a tile and between tiles


def tile(image: NDArray[Any]) -> Image:
    """Bring a picture to the size of a tile, without inventing colours."""
    image = image.astype(np.uint8) * 255 if image.dtype == bool else image
    image = image if image.ndim == 3 else np.repeat(image[:, :, None], 3, axis=2)
    smaller = image.shape[0] > SIDE
    return np.asarray(cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA if smaller else cv2.INTER_NEAREST))


def grey(values: NDArray[Any], valid: NDArray[np.bool_] | None = None) -> Image:
    """Stretch numbers between black and white; what is not valid is black."""
    shown = values if valid is None else values[valid]
    low, high = np.percentile(shown, (1, 99))
    levels = np.clip((values - low) / max(high - low, 1e-12), 0, 1) * 255
    return np.where(True if valid is None else valid, levels, 0).astype(np.uint8)


def signed(values: NDArray[Any]) -> Image:
    """White for 0, red for more depth, blue for less."""
    share = values / max(float(np.abs(values).max()), 1e-12)
    less, more = np.clip(-share, 0, 1), np.clip(share, 0, 1)
    return np.uint8(255 * np.stack([1 - less, 1 - less - more, 1 - more], axis=2))


def rows(*pictures: list[NDArray[Any]]) -> Image:
    """Put tiles into rows on white."""
    height, width = len(pictures), len(pictures[0])
    sheet = np.full((height * (SIDE + GAP) - GAP, width * (SIDE + GAP) - GAP, 3), 255, np.uint8)
    for k, row in enumerate(pictures):
        for j, picture in enumerate(row):
            top, left = k * (SIDE + GAP), j * (SIDE + GAP)
            sheet[top : top + SIDE, left : left + SIDE] = tile(picture)
    return sheet


def part_of(family: str, *, index: int = 0, defect: str | None = None) -> DemoPart:
    return make_part(family, seed=2, index=index, size=2 * SIDE, defect=defect)


def surface(part: DemoPart) -> Image:
    return shade(part.depth, part.depth, part.valid, part.foreground)[0]


def pair() -> Image:
    part = part_of("biscuit")
    recipe = das.Recipe(dropout=0, area=(0.02, 0.02), sigma=(3, 4), resolution=(4, 8))
    made = das.synthesize(part.rgb, part.depth, recipe=recipe, seed=5)
    before, after = shade(part.depth, made.depth, part.valid, part.foreground)
    return rows([part.rgb, before, made.rgb, after, made.mask])


def foreground() -> Image:
    part = part_of("flange")
    return rows([part.rgb, grey(part.depth, part.valid), das.foreground_mask(part.depth)])


def noise() -> Image:
    made = [
        das.perlin_noise((SIDE, SIDE), (cells, cells), rng=np.random.default_rng(1), rotation=turn)
        for cells, turn in ((2, 0), (8, 0), (32, 0), (8, 30))
    ]
    return rows([grey(field) for field in made])


def masks() -> Image:
    field = das.perlin_noise((SIDE, SIDE), (4, 4), rng=np.random.default_rng(3))
    ternary = das.ternary_mask(field, 0.35)
    delta = das.skew_filter(ternary, das.skew_normal_kernel((0.2, -0.2), [[16, 0], [0, 9]]))
    return rows([grey(field), signed(ternary.astype(float)), signed(delta), das.refine_mask(delta, 1.0, 0.2)])


def skew() -> Image:
    field = np.zeros((SIDE, SIDE), np.int8)
    field[40:100, 30:90], field[90:150, 110:150] = 1, -1
    kernels = [das.skew_normal_kernel((alpha, alpha), [[49, 12], [12, 25]], size=61) for alpha in (0.0, 0.1, 0.5)]
    return rows([grey(kernel) for kernel in kernels], [signed(das.skew_filter(field, kernel)) for kernel in kernels])


def blend() -> Image:
    part = part_of("potato")
    side = part.depth.shape[0]
    field = das.perlin_noise((side, side), (4, 4), rng=np.random.default_rng(8))
    mask = (das.ternary_mask(field, 0.3) != 0) & part.foreground
    texture = cv2.resize(ProceduralTextures(size=256).named("procedural/6"), (side, side))
    return rows([part.rgb, *(das.blend_texture(part.rgb, texture, mask, beta) for beta in (0.1, 0.5, 0.8))])


def textures() -> Image:
    source = ProceduralTextures(size=64)
    made = [source.named(f"procedural/{k}") for k in range(40)]
    sheet = np.vstack([np.hstack(made[k : k + 10]) for k in range(0, 40, 10)])
    return np.asarray(sheet)


def demo() -> Image:
    good = [part_of(family) for family in FAMILIES]
    bad = [part_of(family, defect=defect) for family, defect in zip(FAMILIES, ("crack", "dent", "cut"), strict=True)]
    return rows([part.rgb for part in good], [part.rgb for part in bad], [surface(part) for part in bad])


def prepared(part: DemoPart) -> tuple[Prepared, Image]:
    """Remove the plane; also return the part with what goes in red."""
    entry = Entry("part", "", "", None, {})
    sample = Sample(entry=entry, rgb=part.rgb, depth=part.depth, valid=part.valid, unit="m", xyz=part.xyz)
    made = prepare_sample(sample, Preparation(size=None, normalise="none"))
    return made, np.where((part.valid & ~made.foreground)[:, :, None], np.uint8([200, 30, 30]), part.rgb)


def preparation() -> Image:
    part = part_of("biscuit")
    made, removed = prepared(part)
    before = shade(part.depth, part.depth, part.valid, part.valid)[0]
    after = shade(made.depth, made.depth, made.valid, made.foreground)[0]
    return rows([part.rgb, before, removed, made.rgb, after])


def tutorial() -> Image:
    part = part_of("flange")
    sizes = {"length_unit": "mm", "size": (20, 25), "height": (2, 2), "contrast": (1, 1)}
    recipe = das.Recipe(kinds={"dent": 1}, count=(2, 2), dropout=0, **sizes)
    made = das.synthesize(part.rgb, part.depth, recipe=recipe, seed=1, camera=camera_of_points(part.xyz), unit="m")
    before, after = shade(part.depth, made.depth, part.valid, part.foreground)
    return rows([part.rgb, prepared(part)[1], made.rgb, before, after])


PICTURES = (pair, foreground, noise, masks, skew, blend, textures, demo, preparation, tutorial)


def main(out: Path) -> None:
    for picture in PICTURES:
        _, data = cv2.imencode(".jpg", picture()[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 75])
        write_atomic(out / f"{picture.__name__}.jpg", data.tobytes())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
