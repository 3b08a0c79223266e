from sheet import save

import das3d_aug as das
from das3d_aug.datasets.demo import make_part

part = make_part("flange", seed=0, index=2, size=256)
colour, surface = {}, {}
for kind in ("dent", "cut", "chunk"):
    recipe = das.Recipe(kinds={kind: 1}, count=(1, 1), size=(0.4, 0.4), contrast=(1, 1), dropout=0)
    pair = das.synthesize(part.rgb, part.depth, recipe=recipe, seed=3)
    colour[kind], surface[f"{kind}, surface"] = pair.rgb, pair.depth
save(__file__, colour, surface)
