import das3d_aug as das
from das3d_aug.datasets.demo import make_part

from sheet import save

part = make_part("potato", seed=0, index=0, size=256)
one = {
    "kinds": {"crater": 1},
    "count": (1, 1),
    "size": (0.3, 0.3),
    "height": (0.2, 0.2),
    "contrast": (1, 1),
}
lit, unlit = (
    das.synthesize(
        part.rgb,
        part.depth,
        recipe=das.Recipe(**one, relight=relight, dropout=0),
        seed=1,
    )
    for relight in (True, False)
)
tiles = {"good part": part.rgb, "relight=True": lit.rgb, "relight=False": unlit.rgb}
save(__file__, tiles | {"surface of both": lit.depth})
