import json
from pathlib import Path

import numpy as np
from das3d_aug import find_foreground
from das3d_aug.datasets import open_dataset
from das3d_aug.datasets.demo import make_part
from das3d_aug.files import encode_png, write_atomic

from sheet import save

for number in range(
    3
):  # your camera writes these: 8-bit colour, 16-bit depth in steps of 0.1 mm
    part = make_part("biscuit", seed=0, index=number, size=192)
    write_atomic(Path(f"scans/rgb/{number}.png"), encode_png(part.rgb))
    write_atomic(
        Path(f"scans/depth/{number}.png"),
        encode_png(np.rint(part.depth * 10_000).astype(np.uint16)),
    )
Path("scans/depth.json").write_text(
    json.dumps({"depth_scale": 10_000, "unit": "m"})
)

sample = open_dataset("scans")[1]
print(
    sample.entry.key, sample.unit, float(np.median(sample.depth[sample.valid]))
)  # 1 m 0.49…
part = find_foreground(sample.depth).mask
save(
    __file__,
    {
        "colour": sample.rgb,
        "depth": sample.depth,
        "measured": sample.valid,
        "the part, as found": part,
    },
)
