import das3d_aug as das
from das3d_aug.datasets.demo import make_part

from sheet import save

part, other = (
    make_part("flange", seed=0, index=index, size=256) for index in (1, 5)
)
recipe = das.Recipe(
    kinds={"paste": 1},
    size=(0.4, 0.5),
    count=(1, 1),
    contrast=(1, 1),
    softness=(0, 0),
    dropout=0,
)
pair = das.synthesize(
    part.rgb, part.depth, recipe=recipe, seed=2, donor=(other.rgb, other.depth)
)
save(
    __file__,
    {
        "good part": part.rgb,
        "another, the donor": other.rgb,
        "a patch of it": pair.rgb,
        "mask": pair.mask,
    },
)
