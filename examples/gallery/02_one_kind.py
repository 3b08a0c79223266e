import das3d_aug as das
from das3d_aug.datasets.demo import make_part

from sheet import save

part = make_part("flange", seed=0, index=2, size=256)
colour, surface = {}, {}
one = {"count": (1, 1), "size": (0.5, 0.5), "contrast": (1, 1), "dropout": 0}
for kind in ("dent", "cut", "chunk"):
    recipe = das.Recipe(kinds={kind: 1}, **one)
    pair = das.synthesize(part.rgb, part.depth, recipe=recipe, seed=3)
    colour[kind], surface[f"{kind}, surface"] = pair.rgb, pair.depth
save(__file__, colour, surface)
