import albumentations as A
import das3d_aug as das
import numpy as np
from das3d_aug.datasets.demo import make_part
from das3d_aug.transforms import DAS3DAnomaly

from sheet import save

part = make_part("flange", seed=0, index=1, size=256)
recipe = das.Recipe(
    kinds={"contamination": 1},
    size=(0.3, 0.4),
    count=(2, 2),
    contrast=(1, 1),
    dropout=0,
)
steps = [
    DAS3DAnomaly(recipe, p=1.0),
    A.HorizontalFlip(p=1.0),
    A.RandomCrop(192, 192),
]
train = A.Compose(steps, additional_targets={"depth": "mask"}, seed=3)
out = train(
    image=part.rgb, depth=part.depth, mask=np.zeros(part.depth.shape, np.uint8)
)
made = {
    "flipped and cropped": out["image"],
    "depth, as a surface": out["depth"],
    "mask": out["mask"] > 0,
}
save(__file__, {"good part": part.rgb, **made})
