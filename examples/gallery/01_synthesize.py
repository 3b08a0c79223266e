import das3d_aug as das
from das3d_aug.datasets.demo import make_part

from sheet import save

# or your own: part.rgb H×W×3, part.depth H×W in any unit
part = make_part("potato", seed=0, index=1, size=256)
recipe = das.Recipe(dropout=0, area=(0.05, 0.05), beta=(0, 0.3))
pair = das.synthesize(part.rgb, part.depth, recipe=recipe, seed=4)

before = {"good part": part.rgb, "its surface": part.depth}
after = {"anomalous": pair.rgb, "its surface": pair.depth, "mask": pair.mask}
save(__file__, before, after)
