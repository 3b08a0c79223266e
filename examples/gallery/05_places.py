import das3d_aug as das
import numpy as np
from das3d_aug.datasets.demo import make_part

from sheet import save

part = make_part("flange", seed=0, index=1, size=256)
spots = {"kinds": {"stain": 1}, "size": (0.05, 0.08), "count": (1, 1), "dropout": 0}
upper = part.foreground & (np.arange(256)[:, None] < 110)  # or any mask of your own


def heat(foreground="auto", **placement):
    recipe = das.Recipe(**spots, placement=placement or None)
    made = (
        das.synthesize(
            part.rgb, part.depth, recipe=recipe, seed=k, foreground=foreground
        )
        for k in range(100)
    )
    share = np.minimum(sum(pair.mask for pair in made) / 3, 1)[:, :, None]
    return (part.rgb * (1 - share) + np.array([255, 0, 0]) * share).astype(np.uint8)


save(
    __file__,
    {
        "anywhere": heat(),
        "edge": heat(edge=1),
        "structure": heat(structure=1),
        "my own mask": heat(upper),
    },
)
