import das3d_aug as das
import numpy as np
from das3d_aug.datasets.demo import make_part
from das3d_aug.synthesis import measure_severity

from sheet import save

part = make_part("biscuit", seed=0, index=2, size=256)
recipe = das.Recipe(
    kinds={"dent": 1, "stain": 1, "cut": 1},
    count=(3, 3),
    size=(0.2, 0.4),
    contrast=(1, 1),
    dropout=0,
)
pair = das.synthesize(part.rgb, part.depth, recipe=recipe, seed=57)
kinds = [defect.kind for defect in pair.plan.defects.items]
severity = measure_severity(part.rgb, part.depth, pair)
print(
    kinds, severity
)  # coverage, change of depth in the unit of depth, change of colour

palette = np.array(
    [[0, 0, 0], [230, 80, 60], [70, 160, 240], [250, 210, 60]], np.uint8
)
titles = (
    "red: {}, blue: {}, yellow: {}".format(*kinds),
    f"covers {severity.coverage:.1%} of the part",
)
save(
    __file__,
    {
        "anomalous": pair.rgb,
        titles[0]: palette[pair.instances],
        titles[1]: pair.mask,
    },
)
