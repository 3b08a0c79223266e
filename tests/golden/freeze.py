"""Write recipes, plans, configurations, pipelines and data sets as this release makes them, for later ones to read.

``python -m tests.golden.freeze`` writes ``tests/golden/aug-<version>/``; a folder that is there is never written again.
"""

import json
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent))

import numpy as np  # noqa: E402
from helpers.dumps import RECIPE, put  # noqa: E402
from helpers.pairs import RECIPES, digest, formula_pair  # noqa: E402

import das3d_aug  # noqa: E402
from das3d_aug import Recipe, synthesize  # noqa: E402
from das3d_aug.files import encode_png, encode_tiff  # noqa: E402
from das3d_aug.generation import generate  # noqa: E402
from das3d_aug.preparation import Preparation, prepare  # noqa: E402
from das3d_aug.transforms import DAS3DAnomaly, DepthAnomaly, TextureAnomaly  # noqa: E402
from das3d_ref import PRESETS, Config  # noqa: E402

import albumentations as A  # isort: skip  # noqa: E402

FORMATS = ("mvtec3d", "eyecandies", "folder", "webdataset")
PLACED = Recipe(kinds={"dent": 1, "stain": 1}, placement={"edge": 1, "structure": 1}, dropout=0)


def freeze(out: Path) -> None:
    """Write all of it."""
    write(out / "recipes.json", {name: recipe.to_dict() for name, recipe in RECIPES.items()})
    made = [synthesize(*formula_pair(), recipe=recipe, seed=1, index=2) for recipe in (*RECIPES.values(), PLACED)]
    write(out / "plans.json", [{"plan": result.plan.to_json(), "sha256": digest(result)} for result in made])
    write(out / "configs.json", {name: Config.preset(name).to_dict() for name in PRESETS})
    kinds = (DAS3DAnomaly, DepthAnomaly, TextureAnomaly)
    write(out / "pipeline.json", A.to_dict(A.Compose([kind(RECIPES["wide"], p=0.7) for kind in kinds], strict=False)))
    rgb, depth = formula_pair()
    rgb, depth = rgb[12:60:2, 20:68:2], depth[12:60:2, 20:68:2]
    put(out / "parts/rgb/0.png", encode_png(rgb))
    put(out / "parts/depth/0.tiff", encode_tiff(np.ascontiguousarray(depth)))
    put(out / "parts/intrinsics.json", b'{"fx": 60, "fy": 60, "cx": 11.5, "cy": 11.5}')
    for name in FORMATS:
        recipe = Recipe.realistic(dropout=0) if name == "folder" else RECIPE
        generate(out / "parts", out / name, recipe=recipe, format=name, per_image=2, unit="m")
    prepare(out / "parts", out / "prepared", settings=Preparation(size=16, foreground="all"), unit="m")


def write(path: Path, values: object) -> None:
    put(path, (json.dumps(values, indent=1) + "\n").encode())


if __name__ == "__main__":
    freeze_into = HERE / f"aug-{das3d_aug.__version__}"
    if freeze_into.exists():
        sys.exit(f"{freeze_into} is frozen already")
    freeze(freeze_into)
