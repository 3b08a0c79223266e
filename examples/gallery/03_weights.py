from collections import Counter

import das3d_aug as das
from das3d_aug.datasets.demo import make_part

from sheet import save

part = make_part("flange", seed=0, index=1, size=256)
recipe = das.Recipe(
    kinds={"scratch": 3, "dent": 1},
    count=(1, 3),
    size=(0.1, 0.4),
    contrast=(1, 1),
    dropout=0,
)
pairs = [
    das.synthesize(part.rgb, part.depth, recipe=recipe, seed=0, index=index)
    for index in range(4)
]
found = [
    Counter(defect.kind for defect in pair.plan.defects.items) for pair in pairs
]
titles = [
    ", ".join(f"{count} {kind}" for kind, count in sorted(one.items()))
    for one in found
]
save(
    __file__,
    {f"{index}: {titles[index]}": pair.rgb for index, pair in enumerate(pairs)},
)
