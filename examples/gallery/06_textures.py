import das3d_aug as das
import numpy as np
from das3d_aug.datasets.demo import make_part
from das3d_aug.textures import PlainTextures, ProceduralTextures

from sheet import save

part = make_part("potato", seed=0, index=0, size=256)
stripes = np.zeros((64, 64, 3), np.uint8) + np.array([30, 90, 170], np.uint8)
stripes[:, ::8] = stripes[:, 1::8] = 240
sources = {
    "procedural": ProceduralTextures(),
    "plain": PlainTextures(),
    "my own array": stripes,
}
recipe = das.Recipe(
    modality="rgb", area=(0.06, 0.06), beta=(0, 0), texture_operations=0
)
made = {
    name: das.synthesize(
        part.rgb, part.depth, recipe=recipe, seed=9, texture=texture
    ).rgb
    for name, texture in sources.items()
}  # texture="dtd/images" takes a folder
save(__file__, {"good part": part.rgb, **made})
