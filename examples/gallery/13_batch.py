import das3d_aug as das
import numpy as np
from das3d_aug.datasets.demo import make_part

from sheet import save

parts = [make_part("potato", seed=0, index=index, size=256) for index in range(4)]
rgbs, depths = (
    np.stack([part.rgb for part in parts]),
    np.stack([part.depth for part in parts]),
)  # B×H×W×3, B×H×W
recipe = das.Recipe(
    kinds={"missing": 1, "stain": 1}, size=(0.2, 0.5), contrast=(1, 1), dropout=0
)
batch = das.synthesize_batch(rgbs, depths, recipe=recipe, seed=2)
colour = {f"image {index}": rgb for index, rgb in enumerate(batch.rgb)}
save(
    __file__,
    colour,
    {f"mask {index}": mask for index, mask in enumerate(batch.mask)},
)
