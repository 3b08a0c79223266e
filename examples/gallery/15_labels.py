import json
from pathlib import Path

import cv2
import das3d_aug as das
import numpy as np
from das3d_aug.generation import generate, write_demo_set
from das3d_aug.labels import write_labels

from sheet import save

write_demo_set(
    "parts",
    families=("flange",),
    train=4,
    validation=0,
    good=0,
    per_defect=0,
    size=192,
)
recipe = das.Recipe(
    kinds={"spall": 1, "stain": 1, "cut": 1},
    size=(0.2, 0.5),
    contrast=(1, 1),
    dropout=0,
)
generate("parts", "anomalies", recipe=recipe, count=4, seed=0)
write_labels("anomalies", "coco", format="coco")  # or "yolo"

coco = json.loads(Path("coco/annotations.json").read_text())
names = {one["id"]: one["name"] for one in coco["categories"]}
pictures = {}
for image in coco["images"]:
    picture = cv2.imread(f"coco/images/{image['file_name']}")[:, :, ::-1].copy()
    found = [one for one in coco["annotations"] if one["image_id"] == image["id"]]
    for one in found:
        x, y, width, height = (int(value) for value in one["bbox"])
        cv2.rectangle(picture, (x, y), (x + width, y + height), (255, 220, 0))
        if isinstance(one["segmentation"], list):  # with holes it is RLE
            rings = [np.int32(ring).reshape(-1, 2) for ring in one["segmentation"]]
            cv2.polylines(picture, rings, True, (255, 0, 200))
    title = ", ".join(names[one["category_id"]] for one in found)
    pictures[f"{image['id']}: {title}"] = picture
save(__file__, pictures)
