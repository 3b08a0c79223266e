"""An evaluation to report on."""

from __future__ import annotations

import numpy as np

from das3d_aug.datasets import Entry, Sample
from das3d_ref.evaluation import Evaluation

HEIGHT, WIDTH = 40, 52
HOSTILE = "a\"b'c</script><script>window.hurt = 1</script><img src=x onerror='window.hurt = 1'>{{ 7 * 7 }}"
# key, defect, score; the threshold is 0.5
IMAGES = (
    ("part/good/1", "good", 0.1),
    ("part/good/2", "good", 0.9),
    ("part/dent/3", "dent", 0.8),
    ("part/dent/10", "dent", 0.2),
    ("part/cut/2", "cut", 0.45),
)
WORST_FIRST = ["part/good/2", "part/dent/10", "part/cut/2", "part/dent/3", "part/good/1"]


def evaluation(images=IMAGES, *, threshold=0.5, **changes):
    values = {
        "figures": {"I-AUROC": 0.75, "P-AUROC": float("nan")},
        "intervals": {"I-AUROC": (0.6, 0.875)},
        "curves": {"ROC": [[0.0, 0.0, 0.5, 1.0], [0.0, 0.5, 1.0, 1.0]], "PRO": [[0.0, 0.1, 0.3], [0.0, 0.8, 0.9]]},
        "protocol": {"image label": "folder", "AUPRO": "8-connected"},
        "images": tuple(
            {
                "key": key,
                "defect": defect,
                "label": defect != "good",
                "score": score,
                "verdict": None if threshold is None else score > threshold,
            }
            for key, defect, score in images
        ),
    }
    if threshold is not None:
        values["protocol"]["threshold"] = threshold
    return Evaluation(**values | changes)


def open_sample(key, *, height=HEIGHT, width=WIDTH):
    """A tilted plane with a bump; the upper rows are not measured, anomalous parts have a mask of 6 x 8 pixels."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    depth = 0.5 + 0.001 * x - 0.05 * np.exp(-((x - 26) ** 2 + (y - 20) ** 2) / 40)
    depth[:5] = 0
    mask = np.zeros((height, width), bool)
    mask[20:26, 10:18] = "good" not in key
    mask[22:24, 12:14] = False
    entry = Entry(key=key, split="test", defect="", label=None, files={})
    rgb = np.repeat((x + y)[:, :, None], 3, axis=2).astype(np.uint8)
    return Sample(entry=entry, rgb=rgb, depth=depth.astype(np.float32), valid=depth > 0, unit="m", mask=mask)


def open_map(key):
    """Half as large as the sample: 0 at the left, 2 at the right."""
    return np.tile(np.linspace(0, 2, WIDTH // 2, dtype=np.float32), (HEIGHT // 2, 1))
