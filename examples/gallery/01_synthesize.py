from sheet import save

import das3d_aug as das
from das3d_aug.datasets.demo import make_part

part = make_part("potato", seed=0, index=1, size=256)  # or your own: rgb H×W×3, depth H×W
recipe = das.Recipe(dropout=0, area=(0.05, 0.05), beta=(0, 0.3))
pair = das.synthesize(part.rgb, part.depth, recipe=recipe, seed=4)

before = {"good part": part.rgb, "its surface": part.depth}
save(__file__, before | {"anomalous": pair.rgb, "its surface ": pair.depth, "mask": pair.mask})
