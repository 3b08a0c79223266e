import das3d_aug as das
import numpy as np
from das3d_aug.datasets.demo import make_part
from das3d_aug.geometry import move_along_rays

from sheet import save


def from_the_front(xyz, rgb):
    picture, seen = (
        np.full((256, 256, 3), 255, np.uint8),
        part.foreground & (xyz[:, :, 2] > 0),
    )
    x, y, z = (
        xyz[seen] - np.median(part.xyz[part.foreground], axis=0)
    ).T * 3300  # m to pixels
    order = np.argsort(y)  # what is farther is drawn first
    row, column = (
        (128 + 0.5 * y + z)[order].astype(int),
        (128 + x)[order].astype(int),
    )
    for k in range(4):  # a point covers 2 × 2 pixels
        picture[(row + k // 2).clip(0, 255), (column + k % 2).clip(0, 255)] = rgb[
            seen
        ][order]
    return picture


part = make_part("potato", seed=0, index=1, size=256)  # part.xyz: points, H×W×3
recipe = das.Recipe(
    kinds={"missing": 1},
    size=(0.4, 0.4),
    height=(0.5, 0.5),
    count=(1, 1),
    contrast=(1, 1),
    dropout=0,
)
pair = das.synthesize(part.rgb, part.depth, recipe=recipe, seed=2)
moved = move_along_rays(
    part.xyz, pair.depth
)  # the points of the anomaly, still organised
views = {
    "points before": from_the_front(part.xyz, part.rgb),
    "points after": from_the_front(moved, pair.rgb),
}
save(__file__, {"colour": pair.rgb, **views})
