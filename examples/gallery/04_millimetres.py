import das3d_aug as das
from das3d_aug.datasets.demo import make_part
from das3d_aug.geometry import Intrinsics

from sheet import save

recipe = das.Recipe(
    kinds={"dent": 1},
    length_unit="mm",
    size=(20, 20),
    height=(2, 2),
    count=(1, 1),
    contrast=(1, 1),
    dents=1,
    dropout=0,
)
rows = []
for size in (128, 256):  # the same part, seen by cameras of two resolutions
    part = make_part("potato", seed=0, index=1, size=size)
    camera = Intrinsics(
        fx=5 * size, fy=5 * size, cx=(size - 1) / 2, cy=(size - 1) / 2
    )
    pair = das.synthesize(
        part.rgb, part.depth, recipe=recipe, seed=8, camera=camera, unit="m"
    )
    rows.append(
        {
            f"{size} px, a dent of 20 mm": pair.rgb,
            f"{size} px, surface": pair.depth,
            "mask": pair.mask,
        }
    )
save(__file__, *rows)
